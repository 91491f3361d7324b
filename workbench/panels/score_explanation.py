"""A score, or the difference of two scores, as the views, sums and sentences of the explanation panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.collections.collection import Collection, Query
from workbench.collections.images import read_header
from workbench.collections.uploads import display_name
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.common.rounding import rounded
from workbench.config.errors import WorkbenchError
from workbench.evaluation.measures_text import percent
from workbench.explain.localisation import Target, coverage, share_inside
from workbench.explain.score import Explanation
from workbench.panels import contributions
from workbench.panels.formatting import with_sign
from workbench.panels.ranking_depth import absence
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.lightbox import reference
from workbench.panels.widgets.region import Line, line

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

SIDE = 560  # pixels of a picture's longest side
SMALL = 96  # of the picture in a bar
LISTED_PAIRS = 40
SET_ASIDE = (
    "Feedback and further query images are not counted here: this is the score for the plain query alone."
)
POSITIVE, NEGATIVE = "the first true positive", "the strongest negative above it"


@dataclass(frozen=True, eq=False)
class Request:
    """The score of an image for a query or, with ``other``, the difference of two scores.

    Two requests are never equal: files may have changed since an earlier one.
    """

    query: Query
    box: Box | None
    image: str
    other: str
    pipeline: str
    ranking: pd.DataFrame | None  # of this query; None if it is not known
    refined: bool  # whether the ranking includes feedback or further queries


@dataclass(frozen=True)
class Study:
    """The traits of each view (query first), the regions of each, and the lines above them.

    ``images`` are the results in the order of their views, ``small`` all pictures for bars (JPEG).
    """

    views: tuple[dict[str, Any], ...]
    regions: contributions.Sides
    lines: list[Line]
    images: tuple[str, ...]
    small: tuple[bytes, ...]


def rival(ranking: pd.DataFrame, image: str, collection: Collection) -> tuple[str, str]:
    """The image to compare with this one (empty if there is none), and the kind of image it would be.

    A negative is compared with the first true positive, a positive with the strongest negative above it.
    """
    if collection.protocol is None or image not in set(ranking["image_id"]):
        return "", ""
    positives, _ = collection.protocol.settings[collection.protocol.headline]
    at = int((ranking["image_id"] == image).to_numpy().argmax())
    relevance = ranking["relevance"].iloc[at]
    if relevance == "negative":
        candidates, kind = ranking[ranking["relevance"].isin(positives)], POSITIVE
    elif relevance in positives:
        above = ranking.iloc[:at]
        candidates, kind = above[above["relevance"] == "negative"], NEGATIVE
    else:
        return "", ""
    return str(candidates["image_id"].iloc[0]) if len(candidates) else "", kind


def study(bench: Bench, request: Request, progress: Progress) -> Study:
    """Explain a score (two views) or the difference of two (three views)."""
    query, explained = request.query, []
    images = [request.image, *filter(None, [request.other])]
    for done, image in enumerate(images):
        progress("Explaining", done, len(images))
        # A query's own box is part of its name; a box drawn by hand is not.
        explained.append(
            bench.explain(query.id, image, pipeline=request.pipeline, box=request.box, progress=progress)
        )
    pairing = sorted(zip(images, explained, strict=True), key=lambda pair: -pair[1].score)
    images, explained = [image for image, _ in pairing], [why for _, why in pairing]
    if len(explained) == 1:
        regions, query_heat = contributions.of_score(explained[0], LISTED_PAIRS), explained[0].query_heatmap
    else:
        regions = contributions.of_difference(explained[0], explained[1])
        query_heat = explained[0].query_heatmap - explained[1].query_heatmap
    heats = [query_heat, *(why.image_heatmap for why in explained)]
    top = max(float(np.abs(heat).max()) for heat in heats) or 1.0
    box = request.box or query.box
    views = [_view(bench, request, query.image, box, query_heat, "Query", len(images) == 1)]
    views[0]["name"] = display_name(query.id)
    for image, why, letter in zip(images, explained, "AB", strict=False):
        views.append(_view(bench, request, image, None, why.image_heatmap, letter, True))
        views[-1]["note"] = " · ".join(filter(None, [_ranked(request, image, why.score), views[-1]["note"]]))
    if len(images) == 2:
        views[0]["note"] = "heat of A less heat of B"
        for view, letter in zip(views[1:], "AB", strict=True):
            view["name"] = f"{letter} · {view['name']}"
    return Study(
        tuple({**view, "top": top} for view in views),
        regions,
        _lines(request, explained),
        tuple(images),
        (thumbnail(bench, query.image, SMALL, box), *(thumbnail(bench, image, SMALL) for image in images)),
    )


def _view(
    bench: Bench, request: Request, image: str, box: Box | None, heat: np.ndarray, role: str, whole: bool
) -> dict[str, Any]:
    view: dict[str, Any] = {
        "picture": thumbnail(bench, image, SIDE, box),
        "name": image,
        "opens": reference(image, box),
        "alt": f"{'Query' if role == 'Query' else 'Result'} {image}, under its heat",
        "heat": heat,
        "note": "",
        "outlines": [],
        "refines": role != "Query",
    }
    corners = bench.collection.quadrilaterals.get((request.query.id, image))
    if corners is None:
        return view
    try:
        size = read_header(bench.collection.path(image))
    except WorkbenchError:  # deleted meanwhile; the panel shows that there is no picture
        return view
    x0, y0, x1, y1 = seen = box or (0.0, 0.0, float(size.width), float(size.height))
    view["outlines"] = [[[(x - x0) / (x1 - x0), (y - y0) / (y1 - y0)] for x, y in corners]]
    if whole:
        inside = coverage(Target(corners, seen), *heat.shape)
        share, even = percent(share_inside(heat, inside)), percent(float(inside.mean()))
        view["note"] = f"{share} % of heat on the target ({even} % of area)"
    return view


def _ranked(request: Request, image: str, score: float) -> str:
    """Rank, score and relevance of a result."""
    words = [f"score {score:.3f}"]
    if request.ranking is not None:
        row = request.ranking[request.ranking["image_id"] == image]
        if len(row):
            relevance = str(row["relevance"].iloc[0])
            words.insert(0, f"rank {row['rank'].iloc[0]}")
            words.append(with_sign(relevance))
        else:
            words.insert(0, absence(request.ranking))
    return " · ".join(words)


def _lines(request: Request, explained: list[Explanation]) -> list[Line]:
    if len(explained) == 1:
        lines = [line(f"Score {explained[0].score:.3f}", "numbers")]
    else:
        a, b = rounded([explained[0].score, -explained[1].score])
        lines = [
            line(f"Score of A {a:.4f} − score of B {-b:.4f} = {a + b:.4f}", "numbers"),
            line("Orange on the query favours A, blue favours B.", "note"),
        ]
    return [*lines, line(SET_ASIDE, "note")] if request.refined else lines
