"""The strongest votes of a score of ONE, as table rows, boxes and lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.common.rounding import signed
from workbench.evaluation.measures_text import percent
from workbench.explain.one import Evidence
from workbench.explain.sums import BOX, Sum, votes_sum
from workbench.panels.widgets.heatview import Region
from workbench.panels.widgets.table import column

Row = dict[str, object]


@dataclass(frozen=True)
class Part:
    """A listed vote: its row in the sum, its value as shown, its box in the query and in ``image``."""

    row: int
    group: str
    name: str
    value: float
    shown: float
    boxes: tuple[np.ndarray, np.ndarray]  # fractions of the pictures
    image: str  # of the region that voted


@dataclass(frozen=True)
class Listing:
    """A sum over votes, and those that are listed."""

    total: Sum
    parts: tuple[Part, ...]

    def part_at(self, point: str) -> int:
        """The number of the listed part of a bar of the waterfall; -1 for other bars."""
        return next((n for n, part in enumerate(self.parts) if str(part.row) == point), -1)

    def point_of(self, number: int) -> str:
        """The bar of a listed part; empty for -1."""
        return str(self.parts[number].row) if number >= 0 else ""


def votes(why: Evidence) -> Listing:
    """A score of ONE over the query's regions, each with the region that voted for it."""
    total = votes_sum(why)
    table = total.parts
    boxes = table[BOX].to_numpy(float)
    parts = []
    for line in total.lines():
        if line.part < 0:
            continue
        group, name, image = (str(table[key][line.part]) for key in ("group", "name", "image_id"))
        voted = why.image_regions[image][int(table["image_region"][line.part])]
        places = boxes[line.part], voted
        parts.append(Part(line.part, group, name, line.value, line.shown, places, image))
    return Listing(total, tuple(parts))


def words(listing: Listing) -> str:
    """The parts of the sum, and how many of them are listed."""
    count, listed = len(listing.total.parts), len(listing.parts)
    all_listed = "" if listed == count else f"; the {listed} strongest of the levels are listed"
    return f"{count} votes, one of each region of the query{all_listed}"


def columns(listing: Listing) -> list[Row]:
    """The headings of the table of votes."""
    head = [column("number", "#", number=True)]
    head.append(column("image", "Voting image"))  # the second column may break: see explanation.css
    if any(part.group for part in listing.parts):
        head.append(column("group", "Level", number=True))
    return [
        *head,
        column("name", "Query region", hint="by its number among the regions of its level"),
        column("value", "Adds", number=True, hint="all regions add up to the score"),
        column("share", "Share %", number=True, hint="of the score"),
    ]


def rows(listing: Listing) -> list[Row]:
    """A row of the table for each listed part, rounded as in the waterfall."""
    table: list[Row] = []
    for number, part in enumerate(listing.parts, start=1):
        share = listing.total.share(part.value)
        cells = {"number": str(number), "value": signed(part.shown), "share": percent(share)}
        cells |= {"image": part.image, "group": part.group.removeprefix("level "), "name": part.name}
        order = {"number": number, "group": number, "name": part.row, "value": part.value, "share": share}
        table.append({"id": str(number - 1), "cells": cells, "order": order})
    return table


def regions(listing: Listing, view: int) -> list[Region]:
    """The parts' boxes in one view, in the order of the parts."""
    top = _top(listing)
    return [
        {
            "box": [float(edge) for edge in part.boxes[view]],
            "text": f"vote {number}: {signed(part.shown)}",
            "strength": abs(part.value) / top,
            "group": part.image,
        }
        for number, part in enumerate(listing.parts, start=1)
    ]


def links(listing: Listing) -> list[Row]:
    """Lines between the centres of both boxes of each part, for the Links widget."""
    top = _top(listing)
    return [
        {
            "parts": [str(number)],
            "view": 1,
            "start": centre(part.boxes[0]).tolist(),
            "end": centre(part.boxes[1]).tolist(),
            "strength": abs(part.value) / top,
        }
        for number, part in enumerate(listing.parts)
    ]


def centre(boxes: np.ndarray) -> np.ndarray:
    """The centres [..., 2] of boxes [..., 4]."""
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2)


def _top(listing: Listing) -> float:
    return max((abs(part.value) for part in listing.parts), default=0.0) or 1.0
