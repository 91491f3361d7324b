"""The strongest parts of a score, or of the difference of two, as rows of a table and steps of a sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.explain import Explanation
from workbench.explain_one import Evidence
from workbench.panels.formatting import DIGITS, percent, rounded, signed
from workbench.panels.widgets.heatview import Region
from workbench.panels.widgets.table import column

STRONGEST = 8
Row = dict[str, object]


@dataclass(frozen=True)
class Part:
    """What a region of the query adds with its like in each image, a box (fractions) in each view."""

    boxes: tuple[np.ndarray, ...]
    value: float
    sides: tuple[float, ...] = ()  # of a difference: what is added in either image
    image: str = ""  # of a vote: who has its like


@dataclass(frozen=True)
class Sum:
    """The strongest parts, all ``others`` (values) and ``constant`` add up to ``whole``."""

    parts: tuple[Part, ...]
    others: np.ndarray
    constant: float
    whole: float
    unit: str  # what the parts are


def pairs(why: Explanation) -> Sum:
    """A score as pairs of a query region and an image region."""
    values = why.region_pairs["contribution"].to_numpy()
    asked, found = (why.region_pairs[side].to_numpy() for side in ("query_region", "image_region"))
    strongest, others = _split(values)
    parts = tuple(
        Part((why.query_regions[asked[i]], why.image_regions[found[i]]), float(values[i])) for i in strongest
    )
    return Sum(parts, others, why.constant, why.score, "pairs")


def difference(one: Explanation, other: Explanation) -> Sum:
    """The first score less the second as regions of their common query.

    What a query region adds is summed over all regions of the image; the box in each image is the
    region that it goes with best.
    """
    count = len(one.query_regions)
    sides = np.stack([_by_query_region(why, count) for why in (one, other)])
    best = [_partners(why) for why in (one, other)]
    values = sides[0] - sides[1]
    strongest, others = _split(values)
    parts = tuple(
        Part(
            (
                one.query_regions[i],
                *(why.image_regions[where[i]] for why, where in zip((one, other), best, strict=True)),
            ),
            float(values[i]),
            tuple(sides[:, i].tolist()),
        )
        for i in strongest
    )
    return Sum(parts, others, one.constant - other.constant, one.score - other.score, "regions")


def votes(why: Evidence) -> Sum:
    """A score of ONE as the query's regions, each with its nearest in the image, or in one of the class."""
    values = why.votes["contribution"].to_numpy()
    strongest, others = _split(values)
    parts = tuple(
        Part((why.query_regions[asked], why.image_regions[image][found]), value, (), image)
        for asked, image, found, value in why.votes.iloc[strongest].itertuples(index=False, name=None)
    )
    return Sum(parts, others, why.constant, why.score, "votes")


def _split(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the strongest values are, and the values of the others."""
    order = np.argsort(-np.abs(values), kind="stable")
    return order[:STRONGEST], values[order[STRONGEST:]]


def _by_query_region(why: Explanation, count: int) -> np.ndarray:
    pairs = why.region_pairs
    return np.bincount(pairs["query_region"], weights=pairs["contribution"], minlength=count)


def _partners(why: Explanation) -> dict[int, int]:
    """The image region that each query region goes with best: its first, for pairs are in order."""
    first = why.region_pairs.drop_duplicates("query_region")
    return dict(zip(first["query_region"], first["image_region"], strict=True))


def place(box: np.ndarray) -> str:
    """A box as its extents across and down, in percent."""
    x0, y0, x1, y1 = (round(100 * float(edge)) for edge in box)
    return "whole" if (x0, y0, x1, y1) == (0, 0, 100, 100) else f"{x0}–{x1} × {y0}–{y1}"


def words(total: Sum) -> str:
    """How much of the whole the strongest parts make."""
    every = len(total.parts) + len(total.others)
    said = f"The {len(total.parts)} strongest of {every} {total.unit}"
    if total.unit == "regions":
        return f"{said} of the query; choose one to see its like in A and in B"
    return said if total.unit == "pairs" else f"{said}, one of each region of the query"


def steps(total: Sum, name: str) -> list[Row]:
    """The waterfall from nought to the whole: parts, all others, the constant where there is one."""
    named = [(str(number), part.value) for number, part in enumerate(total.parts, start=1)]
    for others, what in ((total.others[total.others >= 0], "add"), (total.others[total.others < 0], "take")):
        if len(others):
            named.append((f"{len(others)} others {what}", float(others.sum())))
    if abs(total.constant) >= 0.5 * 10**-DIGITS:
        named.append(("constant", total.constant))
    shown = rounded([value for _, value in named])
    made: list[Row] = [
        {"name": label, "value": value, "text": signed(text), "whole": False}
        for (label, value), text in zip(named, shown, strict=True)
    ]
    return [*made, {"name": name, "value": total.whole, "text": f"{sum(shown):.{DIGITS}f}", "whole": True}]


def columns(contrast: bool) -> list[Row]:
    """The headings of the table of parts."""
    extents = "across × down, in percent of the picture"
    head = [column("number", "#", number=True), column("place0", "Query region", hint=extents)]
    if contrast:
        both = [
            column(f"side{i}", f"In {name}", number=True, hint=f"what the region adds to the score of {name}")
            for i, name in enumerate("AB")
        ]
        return [*head, *both, column("value", "Difference", number=True, hint="all of them add up to A − B")]
    return [
        *head,
        column("place1", "Result region", hint=extents),
        column("value", "Adds", number=True, hint="all pairs add up to the score"),
        column("share", "Share %", number=True, hint="of the score"),
    ]


def rows(total: Sum) -> list[Row]:
    """A row for each part, as the table shows it, rounded as in the sum."""
    made: list[Row] = []
    for number, (part, step) in enumerate(zip(total.parts, steps(total, ""), strict=False), start=1):
        share = part.value / total.whole if abs(total.whole) > 1e-9 else float("nan")
        cells = {"number": str(number), "value": str(step["text"]), "share": percent(share)}
        cells |= {"image": part.image}
        cells |= {f"place{view}": place(box) for view, box in enumerate(part.boxes)}
        cells |= {f"side{i}": signed(side) for i, side in enumerate(part.sides)}
        order = {"number": number, "value": part.value, "share": share}
        order |= {f"side{i}": side for i, side in enumerate(part.sides)}
        made.append({"id": str(number - 1), "cells": cells, "order": order})
    return made


def regions(total: Sum, view: int) -> list[Region]:
    """The parts' boxes in one view, in the order of the parts."""
    top = _top(total)
    word = {"pairs": "pair", "votes": "vote"}.get(total.unit, "region")
    return [
        {
            "box": [float(edge) for edge in part.boxes[view]],
            "text": f"{word} {number}: {signed(part.value)}",
            "strength": abs(part.value) / top,
            "group": part.image,
        }
        for number, part in enumerate(total.parts, start=1)
    ]


def links(total: Sum) -> list[Row]:
    """Lines from the middle of each part's box in the query to those in the images."""

    def middle(box: np.ndarray) -> list[float]:
        return [float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2]

    top = _top(total)
    return [
        {
            "part": number,
            "view": view,
            "start": middle(part.boxes[0]),
            "end": middle(part.boxes[view]),
            "strength": abs(part.value) / top,
        }
        for number, part in enumerate(total.parts)
        for view in range(1, len(part.boxes))
    ]


def _top(total: Sum) -> float:
    return max((abs(part.value) for part in total.parts), default=0.0) or 1.0
