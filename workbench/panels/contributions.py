"""The strongest parts of a score, or of the difference of two scores, as table rows and waterfall steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.explain.one import Evidence
from workbench.explain.score import Explanation
from workbench.panels.formatting import DIGITS, percent, rounded, signed
from workbench.panels.widgets.heatview import Region
from workbench.panels.widgets.table import column

STRONGEST = 8
Row = dict[str, object]


@dataclass(frozen=True)
class Part:
    """The contribution of a query region with its partner in each image; a box (fractions) in each view."""

    boxes: tuple[np.ndarray, ...]
    value: float
    sides: tuple[float, ...] = ()  # of a difference: the contribution in each image
    image: str = ""  # of a vote: the image of its partner


@dataclass(frozen=True)
class Sum:
    """The strongest parts, all ``others`` (values) and ``constant`` add up to ``whole``."""

    parts: tuple[Part, ...]
    others: np.ndarray
    constant: float
    whole: float
    unit: str  # the kind of the parts: pairs, regions or votes


def pairs(why: Explanation) -> Sum:
    """A score as pairs of a query region and an image region."""
    values = why.region_pairs["contribution"].to_numpy()
    first, second = (why.region_pairs[side].to_numpy() for side in ("query_region", "image_region"))
    strongest, others = _split(values)
    parts = tuple(
        Part((why.query_regions[first[i]], why.image_regions[second[i]]), float(values[i])) for i in strongest
    )
    return Sum(parts, others, why.constant, why.score, "pairs")


def difference(a: Explanation, b: Explanation) -> Sum:
    """The score of A less the score of B as regions of their common query.

    The contribution of a query region is summed over all regions of the image; the box in each image is
    the partner with the strongest contribution.
    """
    count = len(a.query_regions)
    sides = np.stack([_by_query_region(why, count) for why in (a, b)])
    partners = [_partners(why) for why in (a, b)]
    values = sides[0] - sides[1]
    strongest, others = _split(values)
    parts = tuple(
        Part(
            (
                a.query_regions[i],
                *(why.image_regions[partner[i]] for why, partner in zip((a, b), partners, strict=True)),
            ),
            float(values[i]),
            tuple(sides[:, i].tolist()),
        )
        for i in strongest
    )
    return Sum(parts, others, a.constant - b.constant, a.score - b.score, "regions")


def votes(why: Evidence) -> Sum:
    """A score of ONE as the query's regions, each with the nearest region of the image or of the class."""
    values = why.votes["contribution"].to_numpy()
    strongest, others = _split(values)
    parts = tuple(
        Part((why.query_regions[region], why.image_regions[image][partner]), value, (), image)
        for region, image, partner, value in why.votes.iloc[strongest].itertuples(index=False, name=None)
    )
    return Sum(parts, others, why.constant, why.score, "votes")


def _split(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the strongest values, and the other values."""
    order = np.argsort(-np.abs(values), kind="stable")
    return order[:STRONGEST], values[order[STRONGEST:]]


def _by_query_region(why: Explanation, count: int) -> np.ndarray:
    pairs = why.region_pairs
    return np.bincount(pairs["query_region"], weights=pairs["contribution"], minlength=count)


def _partners(why: Explanation) -> dict[int, int]:
    """The strongest image region of each query region: the first of its pairs, which are sorted."""
    first = why.region_pairs.drop_duplicates("query_region")
    return dict(zip(first["query_region"], first["image_region"], strict=True))


def place(box: np.ndarray) -> str:
    """The horizontal and vertical extent of a box, in percent."""
    x0, y0, x1, y1 = (round(100 * float(edge)) for edge in box)
    return "whole" if (x0, y0, x1, y1) == (0, 0, 100, 100) else f"{x0}–{x1} × {y0}–{y1}"


def words(total: Sum) -> str:
    """The number of parts that are listed."""
    count = len(total.parts) + len(total.others)
    text = f"The {len(total.parts)} strongest of {count} {total.unit}"
    if total.unit == "regions":
        return f"{text} of the query; choose one to see its partner in A and in B"
    return text if total.unit == "pairs" else f"{text}, one of each region of the query"


def steps(total: Sum, name: str) -> list[Row]:
    """The waterfall from zero to the whole: the parts, all others, and the constant if it is not zero."""
    named = [(str(number), part.value) for number, part in enumerate(total.parts, start=1)]
    positive = total.others >= 0
    for others, verb in ((total.others[positive], "add"), (total.others[~positive], "subtract")):
        if len(others):
            named.append((f"{len(others)} others {verb}", float(others.sum())))
    if abs(total.constant) >= 0.5 * 10**-DIGITS:
        named.append(("constant", total.constant))
    texts = rounded([value for _, value in named])
    parts: list[Row] = [
        {"name": label, "value": value, "text": signed(text), "whole": False}
        for (label, value), text in zip(named, texts, strict=True)
    ]
    return [*parts, {"name": name, "value": total.whole, "text": f"{sum(texts):.{DIGITS}f}", "whole": True}]


def columns(contrast: bool) -> list[Row]:
    """The headings of the table of parts."""
    extents = "horizontal × vertical, in percent of the picture"
    head = [column("number", "#", number=True), column("place0", "Query region", hint=extents)]
    if contrast:
        both = [
            column(f"side{i}", f"In {name}", number=True, hint=f"the region's part of the score of {name}")
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
    """A row of the table for each part, rounded as in the sum."""
    table: list[Row] = []
    for number, (part, step) in enumerate(zip(total.parts, steps(total, ""), strict=False), start=1):
        share = part.value / total.whole if abs(total.whole) > 1e-9 else float("nan")
        cells = {"number": str(number), "value": str(step["text"]), "share": percent(share)}
        cells |= {"image": part.image}
        cells |= {f"place{view}": place(box) for view, box in enumerate(part.boxes)}
        cells |= {f"side{i}": signed(side) for i, side in enumerate(part.sides)}
        order = {"number": number, "value": part.value, "share": share}
        order |= {f"side{i}": side for i, side in enumerate(part.sides)}
        table.append({"id": str(number - 1), "cells": cells, "order": order})
    return table


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
    """Lines from the centre of each part's box in the query to the centres in the images."""

    def centre(box: np.ndarray) -> list[float]:
        return [float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2]

    top = _top(total)
    return [
        {
            "part": number,
            "view": view,
            "start": centre(part.boxes[0]),
            "end": centre(part.boxes[view]),
            "strength": abs(part.value) / top,
        }
        for number, part in enumerate(total.parts)
        for view in range(1, len(part.boxes))
    ]


def _top(total: Sum) -> float:
    return max((abs(part.value) for part in total.parts), default=0.0) or 1.0
