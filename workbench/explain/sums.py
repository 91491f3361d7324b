"""A score as a sum over the regions of a picture, in groups: the levels of R-MAC, or thirds of the picture.

A pair of regions is too small a part: of 400 pairs, the eight strongest hold less than a hundredth of the
score each. Summed over all regions of the other picture, 20 regions of three levels are left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.common.rounding import DIGITS, rounded
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.explain.channels import Contributions
    from workbench.explain.one import Evidence
    from workbench.explain.score import Explanation

STRONGEST = 12  # parts that are listed, over all groups
RANKS = (10, 100, 1000)  # of channels, where groups end
MOST_REGIONS = 40  # without levels; more are summed over thirds of the picture
THIRDS = ("top third", "middle third", "bottom third")
COLUMNS = ("left", "centre", "right")
SIDES = ("query", "image")
BOX = ["x0", "y0", "x1", "y1"]


class Line(NamedTuple):
    """A line of a sum: a ``group``, a ``part`` of it, its ``others``, the ``constant``, or the ``whole``.

    ``shown`` is the value rounded so that lines add up; ``part`` is a row of ``Sum.parts``, or -1.
    """

    kind: str
    text: str
    value: float
    shown: float
    part: int = -1


@dataclass(frozen=True)
class Sum:
    """Parts that add up, with ``constant``, to ``whole``: a score, or the difference of two scores.

    ``parts`` has columns group, name, contribution, for parts of a picture also region (its number) and
    x0, y0, x1, y1 (fractions of width and height); groups are in order, and in each the strongest part is
    first. ``unit`` is the kind of the parts, in the plural, and ``name`` the name of the whole.
    """

    parts: Table = field(repr=False)
    unit: str
    constant: float
    whole: float
    name: str = "score"

    @property
    def groups(self) -> pd.Series:
        """The sum of each group, in order."""
        return self.parts.groupby("group", sort=False)["contribution"].sum()

    def share(self, value: float) -> float:
        """The share of the whole that a value is; nan if the whole is zero."""
        return value / self.whole if abs(self.whole) > 1e-9 else np.nan

    def strongest(self, count: int) -> list[int]:
        """The rows of the parts with the largest contributions by absolute value, the largest first."""
        order = np.argsort(-self.parts["contribution"].abs().to_numpy(), kind="stable")
        return [int(row) for row in order[:count]]

    def lines(self, strongest: int = STRONGEST) -> list[Line]:
        """The groups with their strongest parts and all others, the constant if it is not zero, the whole.

        A group of one part is one line; a sum of one group has no line for the group.
        """
        groups = [rows for _, rows in self.parts.groupby("group", sort=False)]
        listed = max(2, strongest // max(1, len(groups)))
        leaves: list[tuple[int, str, str, float, int]] = []  # the group's number, kind, text, value, part
        for number, rows in enumerate(groups):
            count = listed if len(rows) > listed + 1 else len(rows)  # "1 other" says less than its name
            kind = "group" if len(rows) == 1 and rows["group"].iloc[0] else "part"
            for part, row in rows.iloc[:count].iterrows():
                text = row["group"] if kind == "group" else row["name"]
                leaves.append((number, kind, text, float(row["contribution"]), int(str(part))))
            if count < len(rows):
                rest = float(rows["contribution"].iloc[count:].sum())
                leaves.append((number, "others", f"{len(rows) - count:,} others", rest, -1))
        if abs(self.constant) >= 0.5 * 10**-DIGITS:
            leaves.append((len(groups), "constant", "constant", self.constant, -1))
        shown = rounded([value for *_, value, _ in leaves])
        lines: list[Line] = []
        for number, grouped in enumerate([*groups, None]):  # None: the constant
            own = [
                Line(kind, text, value, exact, part)
                for (group, kind, text, value, part), exact in zip(leaves, shown, strict=True)
                if group == number
            ]
            if grouped is not None and len(groups) > 1 and len(grouped) > 1:
                total = float(grouped["contribution"].sum())
                lines.append(Line("group", grouped["group"].iloc[0], total, sum(line.shown for line in own)))
            lines += own
        return [*lines, Line("whole", self.name, self.whole, sum(shown))]


def region_sums(why: Explanation, side: str) -> Table:
    """The contribution of each region of one ``side``, ``query`` or ``image``, strongest first.

    Columns: region (a row of ``query_regions`` or ``image_regions``), level (as of R-MAC from 1; 0: the
    whole map, or regions without levels), x0, y0, x1, y1 (fractions) and contribution, the sum over all
    regions of the other picture. Raises WorkbenchError for another side.
    """
    boxes, levels, _ = _side(why, side)
    pairs = why.region_pairs
    values = np.bincount(pairs[f"{side}_region"], pairs["contribution"], minlength=len(boxes))
    columns = {"region": np.arange(len(boxes)), "level": levels, **_columns(boxes)}
    table = Table({**columns, "contribution": values.astype(float)})
    return table.sort_values("contribution", ascending=False, kind="stable", ignore_index=True)


def level_sums(why: Explanation) -> pd.DataFrame:
    """The contributions of all pairs of a level of the query (rows) and a level of the image (columns)."""
    pairs = why.region_pairs
    levels = {f"{side}_level": _side(why, side)[1][pairs[f"{side}_region"].to_numpy(int)] for side in SIDES}
    table = Table({**levels, "contribution": pairs["contribution"].to_numpy(float)})
    return table.pivot_table("contribution", "query_level", "image_level", aggfunc="sum", fill_value=0.0)


def score_sum(why: Explanation, side: str = "query") -> Sum:
    """A score over the regions of one side by level; with no or very many regions, over thirds of it."""
    boxes, levels, heat = _side(why, side)
    if not levels.any() and not 2 <= len(np.unique(boxes, axis=0)) <= MOST_REGIONS:
        return _sum(_tiles(heat), f"parts of the {side}", why.constant, why.score)
    table = _by_level(region_sums(why, side), levels)
    return _sum(table, f"regions of the {side}", why.constant, why.score)


def difference_sum(a: Explanation, b: Explanation) -> Sum:
    """The score of A less that of B over the regions of their common query; columns ``a`` and ``b``."""
    totals = [score_sum(why) for why in (a, b)]
    first, second = (
        total.parts.set_index("region")["contribution"].rename(name)
        for total, name in zip(totals, "ab", strict=True)
    )
    table = totals[0].parts.join(first, on="region").join(second, on="region")
    table["contribution"] = table["a"] - table["b"]
    return _sum(table, totals[0].unit, a.constant - b.constant, a.score - b.score, "A − B")


def votes_sum(why: Evidence) -> Sum:
    """A score of ONE over the query's regions; columns ``image_id`` and ``image_region`` of each vote."""
    votes = why.votes.rename(columns={"query_region": "region"})
    regions = votes["region"].to_numpy(int)
    columns = _columns(why.query_regions[regions])
    levels = _levels(why.query_levels, len(why.query_regions))
    table = Table({**votes, **columns, "level": levels[regions]})
    return _sum(_by_level(table, levels), "votes", why.constant, why.score)


def channels_sum(why: Contributions) -> Sum:
    """A score over the channels of a map, in groups by their rank: the strongest 10, the next 90, …"""
    values = why.channels.astype(float)
    order = np.argsort(-np.abs(values), kind="stable")
    bounds = [0, *(bound for bound in RANKS if bound < len(values)), len(values)]
    sizes = [end - start for start, end in pairwise(bounds)]
    groups = [f"{'next' if number else 'strongest'} {size:,}" for number, size in enumerate(sizes)]
    names = [f"channel {number}" for number in order]
    table = Table({"group": np.repeat(groups, sizes), "name": names, "contribution": values[order]})
    return _sum(table, "channels", 0.0, why.score)


def no_levels() -> np.ndarray:
    """The levels of regions without levels."""
    return np.zeros(0, np.int64)


def _side(why: Explanation, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The boxes, levels and heat of one side."""
    if side not in SIDES:
        raise WorkbenchError(f"side {side!r} is not known; valid: {', '.join(SIDES)}")
    boxes, levels, heat = (getattr(why, f"{side}_{part}") for part in ("regions", "levels", "heatmap"))
    return boxes, _levels(levels, len(boxes)), heat


def _levels(levels: np.ndarray, count: int) -> np.ndarray:
    """The levels of regions; 0 for regions without."""
    return levels if len(levels) else np.zeros(count, int)


def _by_level(table: Table, levels: np.ndarray) -> Table:
    """Add the group of each region, its level, and its name: its number among all regions of the level."""
    numbers = pd.Series(levels).groupby(levels).cumcount().to_numpy() + 1
    rows = table["region"].to_numpy(int)
    single = not levels.any()
    groups = ["" if single else f"level {level}" if level else "whole map" for level in levels[rows]]
    names = [f"region {number}" for number in numbers[rows]]
    return Table({**table, "group": groups, "name": names}).sort_values(
        "level", kind="stable", ignore_index=True
    )


def _tiles(heat: np.ndarray) -> Table:
    """The sums of heat [H, W] over nine parts of it, in rows; parts without a cell are left out."""
    height, width = heat.shape
    rows, columns = (np.round(np.arange(4) * side / 3).astype(int) for side in (height, width))
    table: list[tuple[object, ...]] = []
    for row, (y0, y1) in enumerate(pairwise(rows)):
        for column, (x0, x1) in enumerate(pairwise(columns)):
            if y0 < y1 and x0 < x1:
                box = x0 / width, y0 / height, x1 / width, y1 / height
                value = float(heat[y0:y1, x0:x1].sum(dtype=np.float64))
                table.append((THIRDS[row], len(table), *box, COLUMNS[column], value))
    return Table(table, columns=["group", "region", *BOX, "name", "contribution"])


def _sum(parts: Table, unit: str, constant: float, whole: float, name: str = "score") -> Sum:
    """Sort the parts of each group, the strongest by absolute value first; groups keep their order."""
    number = pd.factorize(parts["group"])[0]
    order = np.lexsort((-parts["contribution"].abs().to_numpy(), number))
    return Sum(Table(parts.iloc[order].reset_index(drop=True)), unit, constant, whole, name)


def _columns(boxes: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(BOX, np.asarray(boxes, float).reshape(-1, 4).T, strict=True))
