"""The measures of an index as axes, and in words."""

from __future__ import annotations

import math
from typing import NamedTuple

from workbench.analysis.index_tradeoff import IndexMeasures
from workbench.config.errors import WorkbenchError

LEAST_SECONDS = 1e-3  # of build time: the smallest value on the logarithmic axis


class Axis(NamedTuple):
    """A measure: its name on screen, unit, whether its scale is logarithmic, and whether more is better."""

    label: str
    unit: str
    log: bool
    more: bool
    most: float | None = None  # the largest value that there can be

    @property
    def title(self) -> str:
        """The title of the axis, which says the better direction."""
        name = f"{self.label}, {self.unit}" if self.unit else self.label
        return f"{name}, more is better →" if self.more else f"← less is better, {name}"


AXES = {  # by the columns of ``Tradeoff.table``
    "recall@1": Axis("recall@1", "%", False, True, 100),
    "recall@10": Axis("recall@10", "%", False, True, 100),
    "recall@100": Axis("recall@100", "%", False, True, 100),
    "mean_ap": Axis("mAP", "%", False, True, 100),
    "lost": Axis("mAP lost", "points", False, False),
    "bytes": Axis("bytes an image", "", True, False),
    "shared_bytes": Axis("bytes shared by all images", "", False, False),
    "queries_per_second": Axis("queries a second", "", True, True),
    "build_seconds": Axis("build time", "seconds", True, False),
}


def axis_of(name: str) -> Axis:
    """The axis of a column. Raises WorkbenchError if there is none."""
    if name not in AXES:
        raise WorkbenchError(f"axis {name!r} is not known; valid: {', '.join(AXES)}")
    return AXES[name]


def value_of(measures: IndexMeasures, axis: str) -> float:
    """A measure in the unit of its axis; nan if it was not measured."""
    if axis.startswith("recall@"):
        return 100 * measures.recall[int(axis.partition("@")[2])]
    value = float(getattr(measures, axis))
    if axis == "build_seconds":
        return max(value, LEAST_SECONDS)
    return 100 * value if axis in ("mean_ap", "lost") else value


def in_words(measures: IndexMeasures, axis: str) -> str:
    """A measure with its name and unit."""
    value = value_of(measures, axis)
    if axis == "lost":
        return f"{points(measures.lost)} points of mAP lost"
    if axis == "build_seconds":
        return f"built in {seconds(measures.build_seconds)} s"
    label, unit = AXES[axis].label, AXES[axis].unit
    return f"{label} {value:.1f} %" if unit == "%" else f"{value:,.0f} {label}"


def points(share: float) -> str:
    """Points of mAP lost, with one digit; a gain has a minus."""
    if math.isnan(share):
        return "–"
    return f"{100 * share if abs(share) >= 5e-4 else 0.0:.1f}".replace("-", "−")


def seconds(time: float) -> str:
    """A time in seconds with the digits that matter."""
    if math.isnan(time):
        return "–"
    if time < 0.005:
        return "< 0.01"
    return f"{time:.2f}" if time < 10 else f"{time:,.0f}"
