"""A score, or the difference of two, as what the explanation panel shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.collections.collection import Box, Collection, Query
from workbench.collections.images import inspect
from workbench.config import WorkbenchError
from workbench.explain import Explanation
from workbench.localisation import Target, coverage, share_inside
from workbench.panels.parts import Sum, difference, pairs, rounded
from workbench.panels.results import SIGNS, percent
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.region import Line, line
from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.pipeline import Workbench

SIDE = 560  # pixels of a picture's longest side
SET_ASIDE = (
    "Feedback and further query images are set aside here: this is the score for the plain query alone."
)
POSITIVE, NEGATIVE = "the first true positive", "the strongest negative above it"


class Asked(NamedTuple):
    """What is explained: one image's score for a query or, with ``other``, why one is before the other."""

    query: Query
    box: Box | None
    image: str
    other: str
    pipeline: str
    ranking: pd.DataFrame | None  # of this query, where it is known
    refined: bool  # whether that ranking answers more than the plain query


@dataclass(frozen=True)
class Study:
    """The traits of each view (query first), the sum that is explained, and what is said above it.

    ``images`` are the results in the order of their views.
    """

    views: tuple[dict[str, Any], ...]
    total: Sum
    lines: list[Line]
    images: tuple[str, ...]


def rival(ranking: pd.DataFrame, image: str, collection: Collection) -> tuple[str, str]:
    """The image to hold against this one, empty where there is none, and what it would be.

    A negative is held against the first true positive, a positive against the strongest negative
    above it.
    """
    if collection.protocol is None or image not in set(ranking["image_id"]):
        return "", ""
    positives, _ = collection.protocol.settings[collection.protocol.headline]
    at = int((ranking["image_id"] == image).to_numpy().argmax())
    relevance = ranking["relevance"].iloc[at]
    if relevance == "negative":
        found, what = ranking[ranking["relevance"].isin(positives)], POSITIVE
    elif relevance in positives:
        above = ranking.iloc[:at]
        found, what = above[above["relevance"] == "negative"], NEGATIVE
    else:
        return "", ""
    return str(found["image_id"].iloc[0]) if len(found) else "", what


def study(bench: Workbench, asked: Asked, progress: Progress) -> Study:
    """Explain what is asked: two views for a score, three for the difference of two."""
    query, explained = asked.query, []
    images = [asked.image, *filter(None, [asked.other])]
    for done, image in enumerate(images):
        progress("Explaining", done, len(images))
        # A query's own box is part of its name; one drawn by hand is not.
        explained.append(bench.explain(query.id, image, asked.pipeline, asked.box, progress))
    pairing = sorted(zip(images, explained, strict=True), key=lambda pair: -pair[1].score)
    images, explained = [image for image, _ in pairing], [why for _, why in pairing]
    if len(explained) == 1:
        total, own = pairs(explained[0]), explained[0].query_heatmap
    else:
        total = difference(explained[0], explained[1])
        own = explained[0].query_heatmap - explained[1].query_heatmap
    heats = [own, *(why.image_heatmap for why in explained)]
    top = max(float(np.abs(heat).max()) for heat in heats) or 1.0
    box = asked.box or query.box
    views = [_view(bench, asked, query.image, box, own, "Query", len(images) == 1)]
    for image, why, letter in zip(images, explained, "AB", strict=False):
        views.append(_view(bench, asked, image, None, why.image_heatmap, letter, True))
        views[-1]["note"] = " · ".join(filter(None, [_ranked(asked, image, why.score), views[-1]["note"]]))
    if len(images) == 2:
        views[0]["note"] = "heat of A less heat of B"
        for view, letter in zip(views[1:], "AB", strict=True):
            view["name"] = f"{letter} · {view['name']}"
    return Study(
        tuple({**view, "top": top} for view in views), total, _lines(asked, explained), tuple(images)
    )


def _view(
    bench: Workbench, asked: Asked, image: str, box: Box | None, heat: np.ndarray, role: str, whole: bool
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "picture": thumbnail(bench, image, SIDE, box),
        "name": image,
        "alt": f"{'Query' if role == 'Query' else 'Result'} {image}, under its heat",
        "heat": heat,
        "note": "",
        "outlines": [],
    }
    corners = bench.collection.quadrilaterals.get((asked.query.id, image))
    if corners is None:
        return made
    try:
        size = inspect(bench.collection.path(image))
    except WorkbenchError:  # gone meanwhile; the panel shows that there is no picture
        return made
    x0, y0, x1, y1 = seen = box or (0.0, 0.0, float(size.width), float(size.height))
    made["outlines"] = [[[(x - x0) / (x1 - x0), (y - y0) / (y1 - y0)] for x, y in corners]]
    if whole:
        inside = coverage(Target(corners, seen), *heat.shape)
        share, even = percent(share_inside(heat, inside)), percent(float(inside.mean()))
        made["note"] = f"{share} % of the positive heat lies on the target ({even} % of the picture)"
    return made


def _ranked(asked: Asked, image: str, score: float) -> str:
    """Rank, score and relevance of a result."""
    words = [f"score {score:.3f}"]
    if asked.ranking is not None:
        row = asked.ranking[asked.ranking["image_id"] == image]
        if len(row):
            relevance = str(row["relevance"].iloc[0])
            words.insert(0, f"rank {row['rank'].iloc[0]}")
            sign = SIGNS.get(relevance, "")
            words.append(f"{sign} {relevance}".strip() if sign != relevance else relevance)
        else:
            words.insert(0, "not reached by the index")
    return " · ".join(words)


def _lines(asked: Asked, explained: list[Explanation]) -> list[Line]:
    if len(explained) == 1:
        said = [line(f"Score {explained[0].score:.3f}", "numbers")]
    else:
        a, b = rounded([explained[0].score, -explained[1].score])
        said = [
            line(f"Score of A {a:.4f} − score of B {-b:.4f} = {a + b:.4f}", "numbers"),
            line("What speaks for A is orange on the query, what speaks for B is blue.", "note"),
        ]
    return [*said, line(SET_ASIDE, "note")] if asked.refined else said
