"""Measures of an evaluation as an axis: their title, value in the unit of the axis, and interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.collections.protocols import PROTOCOLS
from workbench.config.errors import WorkbenchError
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.intervals import mean_interval

_TITLES = {
    "N-S": ("N-S", "of 4", 1.0),
    "bytes": ("bytes an image", "", 1.0),
    "milliseconds": ("search time", "ms a query", 1.0),
    "localisation": ("heat on the target", "%", 100.0),
    "localisation_even": ("evenly spread heat on the target", "%", 100.0),
    "localisation_box": ("IoU of the located box", "%", 100.0),
}


class Measure(NamedTuple):
    """A metric or cost: its key, title, unit, factor from fraction to unit, and whether more is better."""

    key: str
    title: str
    unit: str
    factor: float
    more: bool

    @property
    def axis(self) -> str:
        """The title of an axis."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def write(self, value: float) -> str:
        """A value in the unit of the axis, as text."""
        if self.unit == "%":
            return f"{value:.1f} %"
        digits = 2 if self.key == "N-S" or (abs(value) < 10 and self.key == "milliseconds") else 0
        return " ".join(filter(None, [f"{value:,.{digits}f}", self.unit]))


def measure_of(evaluation: Evaluation, name: str) -> Measure:
    """The measure of that name. Raises WorkbenchError if the evaluation has none of that name.

    ``mAP`` and ``mean_ap`` are the mAP of the headline setting.
    """
    head = PROTOCOLS[evaluation.protocol].headline
    known = {**evaluation.metrics, **evaluation.costs}
    key = name
    if name in ("mAP", "mean_ap") and "mAP" not in known:
        key = f"mAP_{head}" if f"mAP_{head}" in known else "mAP"
    elif name == "mean_ap":
        key = "mAP"
    if key not in known and key != "mAP":
        listed = ", ".join(dict.fromkeys(["mAP", *known]))
        raise WorkbenchError(f"measure {name!r} was not measured here; valid: {listed}")
    if key in _TITLES:
        title, unit, factor = _TITLES[key]
        return Measure(key, title, unit, factor, key not in evaluation.costs)
    plain, _, setting = key.partition("_")
    return Measure(key, f"{plain} ({setting})" if setting else plain, "%", 100.0, True)


def value_of(evaluation: Evaluation, measure: Measure) -> float:
    """The measure in its unit; nan if it is not defined."""
    known = {"mAP": evaluation.mean_ap, **evaluation.metrics, **evaluation.costs}
    return measure.factor * float(known.get(measure.key, np.nan))


def interval_of(evaluation: Evaluation, measure: Measure) -> tuple[float, float]:
    """The 95 % interval over queries in the unit of the measure; nan where queries have no such value."""
    values = evaluation.per_query.get(_column(evaluation, measure.key))
    low, high = (np.nan, np.nan) if values is None else mean_interval(values)
    return measure.factor * low, measure.factor * high


def judged_of(evaluation: Evaluation, measure: Measure) -> int:
    """The number of queries that the measure is the mean over."""
    settings = evaluation.provenance.get("judged_settings", {})
    return int(settings.get(measure.key.partition("_")[2], evaluation.judged))


def _column(evaluation: Evaluation, key: str) -> str:
    """The column of ``per_query`` whose mean a metric is; empty if there is none."""
    head = PROTOCOLS[evaluation.protocol].headline
    suffix = f"_{head}" if head else ""
    columns = {"mAP": "ap", f"mAP{suffix}": "ap", f"mP@10{suffix}": "p_at_10"}
    if key not in columns and key.startswith("mAP_"):
        return key.replace("mAP_", "ap_", 1)
    return columns.get(key, "")
