"""Search for a query of several parts: images, text and sketches, weighted and combined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.collections.distractors import synthetic_count
from workbench.common.arguments import result_count
from workbench.common.columns import Columns
from workbench.common.geometry import CORNERS
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.arrangement import Arrangement
from workbench.engine.combination import Combination, Standardised, Values, standardise
from workbench.engine.engine import Engine
from workbench.engine.part_scores import all_scores
from workbench.engine.places import LOCATED, Places
from workbench.engine.provenance import warnings
from workbench.engine.queries import QueryLike, find_query, relevance_of
from workbench.engine.query_parts import judged_query
from workbench.engine.query_search import SearchOptions, average_precision
from workbench.engine.sketch_search import sketch_notes
from workbench.engine.text_search import text_warnings
from workbench.query.query import Query
from workbench.search.ranking import Ranking, ranking_columns, sorted_ranking
from workbench.search.relevance_feedback import Feedback, feedback_direction


@dataclass(frozen=True)
class CombinedScores:
    """The ``scores`` [N] of a query's parts, ``standardised``, and their ``combination``.

    Parts that are switched off have scores of zero.
    """

    query: Query
    scores: list[NDArray[np.float32]]
    standardised: list[Standardised]
    combination: Combination
    places: Places

    @property
    def single(self) -> int | None:
        """The only part in use; None if there are several."""
        used = [number for number, (_, weight) in enumerate(self.query.parts) if weight]
        return used[0] if len(used) == 1 else None


def combined_scores(engine: Engine, config: Config, query: Query, progress: Progress) -> CombinedScores:
    """Score all images for each part of a query, and combine the scores. Raises WorkbenchError, which names
    the part, for a part that cannot be searched for."""
    used = {part: None for part, weight in query.parts if weight}
    known = dict(zip(used, all_scores(engine, config, list(used), progress), strict=True))
    off = np.zeros(len(engine.collection.images), np.float32)
    scores = [known[part] if weight else off for part, weight in query.parts]
    standard = [standardise(values) for values in scores]
    weighted = [weight * part.values for (_, weight), part in zip(query.parts, standard, strict=True)]
    places = Places(engine, config, progress)
    check = Arrangement(query, places, progress).check
    return CombinedScores(query, scores, standard, Combination(query, weighted, check), places)


def rank_combined(
    engine: Engine,
    config: Config,
    query: Query,
    progress: Progress,
    options: SearchOptions,
) -> Columns:
    """The first ``k`` images for a query of parts, as columns: see ``Bench.search``.

    A column ``part 1``, ``part 2``, … of each part has its standardised score times its weight. Further
    images (``also``) and feedback are further summands of weight 1, feedback with the column ``feedback``. A
    single part has no such column, and its scores are not standardised.
    """
    k, also, feedback = result_count(options.k), options.also, options.feedback
    refined = sum((Query.image(_name(other)) for other in also), query)
    combined = combined_scores(engine, config, refined, progress)
    before, values = None, combined.combination.values
    if combined.single is not None:
        values = combined.scores[combined.single].astype(np.float64)
    elif also and feedback is None:
        before = _ranking(combined_scores(engine, config, query, progress).combination.values)
    columns = {f"part {n}": column for n, column in enumerate(combined.combination.weighted, start=1)}
    if feedback is not None and (feedback.liked or feedback.disliked):
        before = _ranking(values)
        direction = _feedback_scores(engine, config, feedback, progress)
        values, columns["feedback"] = combined.combination.values + direction, direction
    elif feedback is not None:
        before = _ranking(values)
    ranking, collection = _ranking(values), engine.collection
    judged = judged_query(collection, query)
    relevance = relevance_of(collection, judged) if judged is not None else lambda _: "unknown"
    previous = () if before is None else (before,)
    ranked = ranking_columns(ranking, collection.images, relevance, k, *previous)
    first = ranking.rows[: len(ranked)]
    if len(columns) > 1:
        ranked.values.update({name: column[first] for name, column in columns.items()})
    if judged is not None and options.judge:
        ranked.attrs.update(average_precision(engine.describe(config, progress), judged, ranking))
    entry = None if judged is None else find_query(collection, judged)
    ranked.attrs["query"] = entry.id if entry else ""
    ranked.attrs["warnings"] = search_notes(engine, config, combined, progress)
    if options.locate:
        ranked.values.update(zip(CORNERS, _boxes(combined, first, progress).T, strict=True))
    return ranked


def _ranking(values: Values) -> Ranking:
    return sorted_ranking(np.arange(len(values)), values.astype(np.float32))


def _name(query: QueryLike) -> str:
    if isinstance(query, Image.Image):
        raise WorkbenchError("a picture without a name cannot be added to a query of parts; give its file")
    return str(query)


def _feedback_scores(engine: Engine, config: Config, feedback: Feedback, progress: Progress) -> Values:
    """The standardised scores [N] of the direction that feedback points to."""
    described = engine.describe(config, progress)
    direction = feedback_direction(described.database, described.image_rows(), feedback)
    return standardise((described.database @ direction).cpu().numpy()).values


def _boxes(combined: CombinedScores, rows: NDArray[np.int64], progress: Progress) -> NDArray[np.float64]:
    """The boxes [n, 4] of the first part of positive weight that has a place."""
    placed = [part for part, weight in combined.query.parts if weight > 0 and part.kind in LOCATED]
    if not placed:
        raise WorkbenchError(
            f"no part of {str(combined.query)!r} has a place in an image, so nothing is located; "
            'valid: image:NAME, text:"words"'
        )
    boxes = []
    for done, row in enumerate(rows):
        progress("locating the query in results", done, len(rows))
        boxes.append(combined.places.pixels(placed[0], int(row)))
    return np.array(boxes, float).reshape(-1, 4)


def search_notes(engine: Engine, config: Config, combined: CombinedScores, progress: Progress) -> list[str]:
    """The notes that are shown with the results of a query of parts."""
    collection = engine.collection
    kinds = {part.kind for part, weight in combined.query.parts if weight}
    said = sketch_notes(engine) if "sketch" in kinds else []
    for part in dict.fromkeys(part for part, weight in combined.query.parts if weight):
        said += text_warnings(engine, config, part.value, progress) if part.kind == "text" else []
    if "image" not in kinds:
        unread = f"{len(collection.problems)} images could not be read and are left out"
        return list(dict.fromkeys([*collection.notes, *[unread][: len(collection.problems)], *said]))
    notes = [*warnings(engine.describe(config, progress)), *said]
    if config.index_steps or config.reranking_steps:
        notes.append("a query of parts compares all images exactly: index and re-ranking are not used")
    if synthetic_count(engine.options.distractors):
        notes.append("a query of parts does not search the synthetic distractors")
    return list(dict.fromkeys(notes))
