"""Evaluate a described collection by its protocol: measures, costs, provenance and warnings."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
import torchvision
from numpy.typing import NDArray

from workbench.collections import images
from workbench.collections.collection import Box, Collection, Protocol, Query
from workbench.config import VERSION, WorkbenchError
from workbench.described import Ready
from workbench.descriptors.proposals import origin
from workbench.descriptors.whitening import Whitening
from workbench.engine.keypoints import Keypoints
from workbench.evaluation import protocols
from workbench.explain_words import heatmap, shares
from workbench.local.features import LocalSource
from workbench.local.words import Words
from workbench.localisation import Target, coverage, mean_share, share_inside
from workbench.locating import mean_overlap
from workbench.progress import Progress, silent
from workbench.search import exact
from workbench.search.found import Found, Rankings
from workbench.searching import Searcher

FEW = 3  # vectors per dimension; with fewer, whitening mostly amplifies noise
TIMED = 20  # queries whose search is timed
KEPT_RESULTS = 100  # results of each query that are kept
FEATURE_BATCH = 64  # queries whose local features are held at a time


@dataclass(frozen=True)
class Evaluation:
    """The measures of a pipeline on a collection, and their provenance. Measures are fractions 0…1.

    ``curves`` holds the mean precision [101] at recalls 0, 0.01 … 1 for each setting of the protocol.
    ``costs`` are ``bytes`` per image in memory and ``milliseconds`` per query (see ``costs``). ``rankings``
    holds the first 100 results of each query: query, rank (from 1), image_id, score. If the index counts
    differing bits, ``metrics`` also has the mAP with equal distances resolved for the positives
    (``mAP_optimistic``) and against them (``mAP_pessimistic``); mAP itself keeps the database's order.
    """

    pipeline: str
    collection: str
    protocol: str
    mean_ap: float
    metrics: dict[str, float]
    per_query: pd.DataFrame = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    warnings: list[str]
    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)
    costs: dict[str, float] = field(default_factory=dict, repr=False)
    rankings: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)


def require_ground_truth(collection: Collection) -> Protocol:
    """The collection's protocol. Raises WorkbenchError if the collection has no ground truth."""
    if collection.protocol is None or not collection.queries:
        raise WorkbenchError(
            f"{collection.name!r} has no ground truth, so there is no mAP: open it with labels='folders' "
            "(--labels folders) where subfolders are labels, or give a labels.csv"
        )
    return collection.protocol


def judge(searcher: Searcher, progress: Progress = silent) -> Evaluation:
    """Rank the database for every query and evaluate the rankings by the collection's protocol.

    Raises WorkbenchError if the collection has no ground truth.
    """
    described = searcher.ready
    collection = described.collection
    protocol = require_ground_truth(collection)
    rows, truth = described.query_rows(), described.truth()
    vectors = described.described.vectors[rows]
    junk = [searcher.junk_of(query) for query in collection.queries]
    first: dict[int, Found] = {}

    def keep_first(position: int, ranking: Found) -> NDArray[np.int64]:
        first[position] = Found(ranking.rows[:KEPT_RESULTS].copy(), ranking.scores[:KEPT_RESULTS].copy())
        progress("ranking", position, len(vectors))
        return ranking.rows

    def scores_of(ranked_rows: Callable[[int, Found], NDArray[np.int64]]) -> protocols.Scores:
        def search(batch: slice) -> list[Found]:
            features = searcher.features(rows[batch])
            return searcher.search(vectors[batch], junk[batch], progress, features=features)

        batch_size = exact.TOGETHER // max(1, searcher.index.size)
        if searcher.keypoints:
            batch_size = min(batch_size, FEATURE_BATCH)
        return protocols.evaluate(Rankings(search, len(vectors), batch_size, ranked_rows), truth, protocol)

    scores = scores_of(keep_first)
    metrics = dict(scores.metrics)
    if searcher.index.ties and not searcher.rerankers:
        for name, favour in (("mAP_optimistic", True), ("mAP_pessimistic", False)):
            metrics[name] = scores_of(
                lambda query, ranking, favour=favour: untied(ranking, truth[query], favour)  # type: ignore[misc]
            ).mean_ap
    measured_costs = costs(searcher)
    return Evaluation(
        str(searcher.config),
        collection.name,
        protocol.name,
        scores.mean_ap,
        metrics,
        scores.per_query.assign(query=[query.id for query in collection.queries]),
        _provenance(searcher, measured_costs),
        [*_warnings(described), *searcher.notes, *_tie_warnings(metrics)],
        scores.curves,
        {name: measured_costs[name] for name in ("bytes", "milliseconds")},
        _first_results(described, first),
    )


def untied(ranking: Found, grades: Mapping[Any, str], favour: bool) -> NDArray[np.int64]:
    """The rows [k] of a ranking, those of equal scores reordered: positives first if ``favour``, else last.

    Every graded image counts as a positive: images that a setting ignores are removed from its ranking
    anyway.
    """
    graded = np.isin(ranking.rows, [row for row in grades if row != "self"])
    return ranking.rows[np.lexsort((graded ^ favour, -ranking.scores))]


def _tie_warnings(metrics: Mapping[str, float]) -> Iterator[str]:
    if "mAP_optimistic" in metrics:
        low, high = (100 * metrics[f"mAP_{name}"] for name in ("pessimistic", "optimistic"))
        yield (
            "images at equal distances keep the collection's order; if all ties were resolved against or for "
            f"the positives, the mAP would be {low:.1f} or {high:.1f} %"
        )


def _first_results(described: Ready, first: Mapping[int, Found]) -> pd.DataFrame:
    """The first results of every query as a table."""
    images = described.collection.images
    rows = np.concatenate([np.empty(0, np.int64), *(ranking.rows for ranking in first.values())])
    lengths = [len(ranking.rows) for ranking in first.values()]
    query_ids = np.array([described.collection.queries[position].id for position in first], object)
    ranks = [np.arange(1, length + 1, dtype=np.int32) for length in lengths]
    scores = [ranking.scores for ranking in first.values()]
    return pd.DataFrame(
        {
            "query": query_ids.repeat(lengths),
            "rank": np.concatenate([np.empty(0, np.int32), *ranks]),
            "image_id": [
                images[row] if row < len(images) else f"synthetic distractor {row - len(images)}"
                for row in rows
            ],
            "score": np.concatenate([np.empty(0, np.float32), *scores]),
        }
    )


def costs(searcher: Searcher) -> dict[str, float]:
    """The cost of using a pipeline: ``bytes`` per image, and ``milliseconds`` per query, total and by step.

    ``bytes`` is the size of the code, or of the vector in single precision. Milliseconds are the time to
    search, rank and re-rank all images that the index reaches for one given descriptor: the median of at most
    20 queries on this machine.
    """
    rows, queries = searcher.ready.query_rows()[:TIMED], searcher.ready.collection.queries
    query_timings: list[dict[str, float]] = []
    for row, query in zip(rows, queries, strict=False):
        timings: dict[str, float] = {}
        searcher.search(
            searcher.ready.described.vectors[row : row + 1],
            [searcher.junk_of(query)],
            timings=timings,
            features=searcher.features([row]),
        )
        query_timings.append(timings)

    def median(seconds: list[float]) -> float:
        return 1000 * statistics.median(seconds) if seconds else float("nan")

    steps = {
        f"milliseconds {step}": median([timings[step] for timings in query_timings])
        for step in (query_timings[0] if query_timings else ())
    }
    for step in searcher.config.reranking_steps:
        if step.name == "sv":
            pairs = min(step.args[0], searcher.index.size)
            steps[f"milliseconds {step}, a pair"] = steps.get(f"milliseconds {step}", float("nan")) / pairs
    total = median([sum(timings.values()) for timings in query_timings])
    return {"bytes": searcher.bytes, "milliseconds": total, **steps}


def localisation(described: Ready, progress: Progress) -> dict[str, float]:
    """The mean share of the score's positive heat on the target, over each query and its positives.

    ``localisation`` is of the heat in the result image, ``localisation_query`` of the heat in the query;
    ``…_even`` is the share that evenly spread heat would have. For pipelines with a map also the overlap of
    the located boxes (see ``mean_overlap``). Empty if the ground truth has no outlines.
    """
    if not described.collection.quadrilaterals:
        return {}
    collection, vectors = described.collection, described.described.vectors
    row_of = described.image_rows()
    pairs = [
        (query, query_row, image)
        for query, query_row in zip(collection.queries, described.query_rows(), strict=True)
        for image, grade in collection.relevance[query.id].items()
        if grade != "junk" and (query.id, image) in collection.quadrilaterals
    ]

    def target(query: Query, image: str, box: Box | None) -> Target:
        header = images.header(collection.path(image))
        return Target(collection.quadrilaterals[query.id, image], box or (0, 0, header.width, header.height))

    def side(of_query: bool) -> Iterator[tuple[Target, int, torch.Tensor]]:
        for done, (query, query_row, image) in enumerate(pairs):
            progress("locating", done + of_query * len(pairs), 2 * len(pairs))
            if of_query:
                yield target(query, query.image, query.box), query_row, vectors[row_of[image]]
            else:
                yield target(query, image, None), row_of[image], vectors[query_row]

    image_share, image_even = _mean_share(described, side(of_query=False))
    query_share, query_even = _mean_share(described, side(of_query=True))
    return {
        "localisation": image_share,
        "localisation_even": image_even,
        "localisation_query": query_share,
        "localisation_query_even": query_even,
        **(mean_overlap(described, progress) if described.words is None else {}),
    }


def _mean_share(described: Ready, pairs: Iterator[tuple[Target, int, torch.Tensor]]) -> tuple[float, float]:
    """As ``mean_share``, for pictures given by their rows."""
    if described.words is None:
        maps_of = lru_cache(maxsize=1)(described.maps)  # the pairs of a query follow each other
        map_pairs = ((target, maps_of(row), other) for target, row, other in pairs)
        return mean_share(map_pairs, described.config, described.described)
    assert isinstance(described.source, LocalSource)
    keypoints = Keypoints(described.source, described.keys[0])
    on_target, even = [], []
    for target, row, other in pairs:
        names = described.words.of(row)
        values = shares(names, other, described.words, described.config, described.described)
        heat = heatmap(keypoints.of(row), values)
        cells = coverage(target, *heat.shape)
        on_target.append(share_inside(heat, cells))
        even.append(float(cells.mean()))
    return float(np.nanmean(on_target)), float(np.mean(even))


def _provenance(searcher: Searcher, measured_costs: Mapping[str, float]) -> dict[str, Any]:
    """The collection, protocol, settings, trained parts, timings and versions behind an evaluation."""
    described = searcher.ready
    protocol = require_ground_truth(described.collection)
    descriptors, source = described.described, described.source
    fitted = [w.provenance for w in (*descriptors.regional, *descriptors.final) if w is not None]
    attention, proposals = descriptors.attention, descriptors.proposals
    return {
        "collection": described.collection.name,
        "protocol": protocol.name,
        "ap_variant": protocol.variant,
        "protocol_note": protocol.note,
        "images": len(described.collection.images),
        "queries": len(described.collection.queries),
        "unreadable": len(described.collection.problems),
        "size": source.options.size,
        "precision": source.precision,
        "device": source.device,
        "weights": source.fingerprint,
        "seed": source.options.seed,
        "dimensions": descriptors.vectors.shape[1],
        "whitening": fitted,
        **({} if attention is None else {"attention": attention.origin}),
        **({} if proposals is None else {"proposals": origin(proposals)}),
        **({} if described.words is None else {"vocabulary": _vocabulary(described)}),
        **({} if searcher.keypoints is None else {"verified by": searcher.keypoints.source.spec.name}),
        "index": searcher.index.name,
        "shared_bytes": searcher.index.shared_bytes,
        "distractors": source.options.distractors,
        "seconds": round(described.seconds + sum(searcher.build_seconds.values()), 3),
        "timings": {
            **{f"seconds to make {part}": round(s, 3) for part, s in searcher.build_seconds.items()},
            **{name: round(ms, 3) for name, ms in measured_costs.items() if name.startswith("milliseconds")},
        },
        "versions": {
            "workbench": VERSION,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
            "python": platform.python_version(),
        },
    }


def _vocabulary(described: Ready) -> dict[str, Any]:
    assert described.words is not None
    counts = np.diff(described.words.starts)[: len(described.collection.images)]
    return {
        "words": len(described.words.centroids),
        "keypoints an image": round(float(counts.mean()), 1),
        "collection": described.collection.name,
    }


def _warnings(described: Ready) -> list[str]:
    """The warnings about a described collection that are shown with its measures."""
    collection, descriptors = described.collection, described.described
    warnings = [*collection.notes]
    if described.words is not None:
        warnings += _vocabulary_warnings(described.words, len(collection.images))
    if described.source.spec.random:
        warnings.append("random weights: this backbone was never trained")
    for whitening in (*descriptors.regional, *descriptors.final):
        if whitening is not None:
            warnings += _whitening_warnings(whitening, collection.name)
    if without := descriptors.without:
        warnings.append(f"{without} images have no proposed region: the whole map is used for them")
    attention = descriptors.attention
    if attention is not None and attention.origin.get("collection") == collection.name:
        warnings.append("attention was trained on a collection of this name")
    if collection.problems:
        warnings.append(f"{len(collection.problems)} images could not be read and are left out")
    return warnings


def _vocabulary_warnings(words: Words, images: int) -> Iterator[str]:
    yield "the vocabulary was learned on the evaluated collection"
    if (count := len(words.centroids)) < words.asked:
        yield f"the vocabulary has {count} words, not {words.asked}: there are too few descriptors for more"
    if empty := int((np.diff(words.starts)[:images] == 0).sum()):
        yield f"{empty} images have no keypoints: their score is 0 and they rank last"


def _whitening_warnings(whitening: Whitening, collection: str) -> Iterator[str]:
    provenance, kind = whitening.provenance, whitening.kind
    same = provenance.get("collection", "") == collection
    where = "the evaluated collection" if same else f"another collection, {provenance['collection']!r}"
    yield f"{kind} was fitted on {where}" + (" with its ground truth" if kind == "lw" else "")
    wanted, kept = provenance["asked"], provenance["kept"]
    if kind == "pcaw" and kept * FEW > provenance["vectors"]:
        yield (
            f"{kind} was fitted on {provenance['vectors']} vectors for {kept} dimensions: it amplifies noise"
        )
    if kept < wanted:
        yield f"{kind} keeps {kept} of {wanted} dimensions: the vectors span no more"
