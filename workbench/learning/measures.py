"""The measures of trainings on data held out: what they are called, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Measure(NamedTuple):
    """The name of a measure, and whether it is a fraction that is shown in percent."""

    title: str
    percent: bool

    def text(self, value: float) -> str:
        """Name, value and unit: ``held-out mAP 56.7 %``."""
        return f"{self.title} {100 * value:.3g} %" if self.percent else f"{self.title} {value:.3f}"


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "validation": Measure("held-out loss", False),
        "mean_ap": Measure("held-out mAP", True),
        "on_target": Measure("weight on the target", True),
        "false_positives": Measure("held-out false positives at 95 % recall", True),
        "recall": Measure("held-out recall", True),
        "refined": Measure("held-out recall of refined proposals", True),
    }
)


def measure(name: str) -> Measure:
    """The measure of a name that epochs use; an unknown one is a plain number."""
    return MEASURES.get(name, Measure(name, False))
