"""The strongest regions of a score, or of the difference of two scores, as table rows, boxes and lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.common.rounding import signed
from workbench.evaluation.measures_text import percent
from workbench.explain.one import Evidence
from workbench.explain.score import Explanation
from workbench.explain.sums import BOX, Sum, difference_sum, extent, score_sum, votes_sum
from workbench.panels.widgets.heatview import Region
from workbench.panels.widgets.table import column

LINES = 40  # between pairs of keypoints
Row = dict[str, object]


@dataclass(frozen=True)
class Part:
    """A listed part of a sum: its row there, its value as shown, and its box (fractions) in each view."""

    row: int
    group: str
    value: float
    shown: float
    boxes: tuple[np.ndarray, ...]  # of the query alone, if the part has no partner
    sides: tuple[float, ...] = ()  # of a difference: the contribution in each image
    image: str = ""  # of a vote: the image of its partner


@dataclass(frozen=True)
class Listing:
    """A sum, its listed parts, and lines: the part, the view, and the centres of both boxes."""

    total: Sum
    parts: tuple[Part, ...]
    lines: tuple[tuple[int, int, np.ndarray, np.ndarray], ...]

    def part_at(self, point: str) -> int:
        """The number of the listed part of a bar of the waterfall; -1 for other bars."""
        return next((n for n, part in enumerate(self.parts) if str(part.row) == point), -1)

    def point_of(self, number: int) -> str:
        """The bar of a listed part; empty for -1."""
        return str(self.parts[number].row) if number >= 0 else ""


def score(why: Explanation) -> Listing:
    """A score over the query's regions, each with the image region of its strongest pair."""
    total = score_sum(why)
    if not _of_regions(total):
        return _listing(total, [[] for _ in total.parts.index], _keypoint_lines(why, total))
    partners = _partners(why)
    return _listing(total, [[why.image_regions[partners[region]]] for region in total.parts["region"]])


def difference(a: Explanation, b: Explanation) -> Listing:
    """The score of A less the score of B over the regions of their common query."""
    total = difference_sum(a, b)
    if not _of_regions(total):
        return _listing(total, [[] for _ in total.parts.index])
    partners = [(why.image_regions, _partners(why)) for why in (a, b)]
    return _listing(
        total, [[boxes[best[region]] for boxes, best in partners] for region in total.parts["region"]]
    )


def votes(why: Evidence) -> Listing:
    """A score of ONE over the query's regions, each with the region that voted for it."""
    total = votes_sum(why)
    voted = zip(total.parts["image_id"], total.parts["image_region"], strict=True)
    return _listing(total, [[why.image_regions[image][region]] for image, region in voted])


def _listing(
    total: Sum,
    partners: list[list[np.ndarray]],
    lines: tuple[tuple[int, int, np.ndarray, np.ndarray], ...] | None = None,
) -> Listing:
    """The listing of a sum, given the boxes of each part in the images; lines join the centres of boxes."""
    table = total.parts
    parts = tuple(
        Part(
            line.part,
            str(table["group"][line.part]),
            line.value,
            line.shown,
            (table.loc[line.part, BOX].to_numpy(float), *partners[line.part]),
            tuple(float(table[side][line.part]) for side in "ab" if side in table),
            str(table["image_id"][line.part]) if "image_id" in table else "",
        )
        for line in total.lines()
        if line.part >= 0
    )
    if lines is None:
        lines = tuple(
            (number, view, _centre(part.boxes[0]), _centre(part.boxes[view]))
            for number, part in enumerate(parts)
            for view in range(1, len(part.boxes))
        )
    return Listing(total, parts, lines)


def _of_regions(total: Sum) -> bool:
    return total.unit.startswith("regions")


def _partners(why: Explanation) -> dict[int, int]:
    """The strongest image region of each query region: the first of its pairs, which are sorted."""
    first = why.region_pairs.drop_duplicates("query_region")
    return dict(zip(first["query_region"], first["image_region"], strict=True))


def _keypoint_lines(why: Explanation, total: Sum) -> tuple[tuple[int, int, np.ndarray, np.ndarray], ...]:
    """Lines of the strongest pairs of keypoints, as lines of the parts of the picture where they start."""
    if len(why.query_regions) < 2:
        return ()
    pairs = why.region_pairs[["query_region", "image_region"]].head(LINES).to_numpy(int)
    starts, ends = _centre(why.query_regions[pairs[:, 0]]), _centre(why.image_regions[pairs[:, 1]])
    boxes = total.parts[BOX].to_numpy(float)
    shown = [line.part for line in total.lines() if line.part >= 0]
    lines = []
    for start, end in zip(starts, ends, strict=True):
        inside = ((boxes[:, :2] <= start) & (start <= boxes[:, 2:])).all(1)
        lines.append((shown.index(int(inside.argmax())), 1, start, end))
    return tuple(lines)


def _centre(boxes: np.ndarray) -> np.ndarray:
    """The centres [..., 2] of boxes [..., 4]."""
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2)


def words(listing: Listing) -> str:
    """The parts of the sum, and how many of them are listed."""
    unit, count, listed = listing.total.unit, len(listing.total.parts), len(listing.parts)
    all_listed = "" if listed == count else f"; the {listed} strongest of the levels are listed"
    if unit == "votes":
        return f"{count} votes, one of each region of the query{all_listed}"
    if not _of_regions(listing.total):
        return "No regions to sum over: the heat of the query, summed over thirds of each side"
    if listing.parts and listing.parts[0].sides:
        return f"Sums over the {count} regions of the query{all_listed}; choose one to see its partners"
    return f"Sums over the {count} regions of the query{all_listed}, with the region of the strongest pair"


def columns(listing: Listing) -> list[Row]:
    """The headings of the table of parts."""
    extents = "horizontal × vertical, in percent of the picture"
    head = [column("number", "#", number=True)]
    if listing.total.unit == "votes":
        head.append(column("image", "Voting image"))  # the second column may break: see explanation.css
    if any(part.group for part in listing.parts):
        head.append(column("group", "Level" if _levelled(listing) else "Part", number=_levelled(listing)))
    head.append(column("place0", "Query region", hint=extents))
    if listing.parts and listing.parts[0].sides:
        both = [
            column(f"side{i}", f"In {name}", number=True, hint=f"the region's part of the score of {name}")
            for i, name in enumerate("AB")
        ]
        return [*head, *both, column("value", "Difference", number=True, hint="all of them add up to A − B")]
    if listing.parts and len(listing.parts[0].boxes) > 1:
        title = "Its region" if listing.total.unit == "votes" else "Result region"
        head.append(column("place1", title, hint=f"of the strongest pair; {extents}"))
    return [
        *head,
        column("value", "Adds", number=True, hint="all regions add up to the score"),
        column("share", "Share %", number=True, hint="of the score"),
    ]


def _levelled(listing: Listing) -> bool:
    return any(part.group.startswith("level") for part in listing.parts)


def rows(listing: Listing) -> list[Row]:
    """A row of the table for each listed part, rounded as in the waterfall."""
    table: list[Row] = []
    for number, part in enumerate(listing.parts, start=1):
        share = listing.total.share(part.value)
        cells = {"number": str(number), "value": signed(part.shown), "share": percent(share)}
        cells |= {"image": part.image, "group": part.group.removeprefix("level ")}
        cells |= {f"place{view}": extent(box) for view, box in enumerate(part.boxes)}
        cells |= {f"side{i}": signed(side) for i, side in enumerate(part.sides)}
        order = {"number": number, "group": number, "value": part.value, "share": share}
        order |= {f"side{i}": side for i, side in enumerate(part.sides)}
        table.append({"id": str(number - 1), "cells": cells, "order": order})
    return table


def regions(listing: Listing, view: int) -> list[Region]:
    """The parts' boxes in one view, in the order of the parts; none if they have no partners."""
    top = _top(listing)
    word = {"votes": "vote"}.get(listing.total.unit, "region")
    return [
        {
            "box": [float(edge) for edge in part.boxes[view]],
            "text": f"{word} {number}: {signed(part.shown)}",
            "strength": abs(part.value) / top,
            "group": part.image,
        }
        for number, part in enumerate(listing.parts, start=1)
        if view < len(part.boxes)
    ]


def links(listing: Listing) -> list[Row]:
    """Lines from the query to the images, for the Links widget."""
    top = _top(listing)
    return [
        {
            "part": part,
            "view": view,
            "start": start.tolist(),
            "end": end.tolist(),
            "strength": abs(listing.parts[part].value) / top,
        }
        for part, view, start, end in listing.lines
    ]


def _top(listing: Listing) -> float:
    return max((abs(part.value) for part in listing.parts), default=0.0) or 1.0
