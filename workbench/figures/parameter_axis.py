"""The axis of a parameter: a number line if its values are numbers, else a place for each value."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from workbench.analysis.combinations import Value
from workbench.figures.style import text

OCTAVES = 2.0  # a range of numbers that is wider, and even by ratios, has a logarithmic scale
_EVEN = 1.5  # the widest ratio step over the narrowest (in octaves) of numbers such as 1, 2, 5, 10, 20
_TICKS = 12  # values that each have a tick, at most
# A number that is a word of its own: 256 of pcaw:256, but neither 18 of resnet18 nor 0 of lite0.
_NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-])|(?<=_)\d+(?:\.\d+)?(?![^\W_])")


class ParameterAxis(NamedTuple):
    """``places`` of the values along the axis, in order; ``ticks`` are (place, escaped text)."""

    title: str
    places: dict[Value, float]
    ticks: list[tuple[float, str]]
    numeric: bool
    log: bool

    def layout(self) -> dict[str, object]:
        """The axis for plotly."""
        axis: dict[str, object] = {"title": {"text": self.title}, "type": "log" if self.log else "linear"}
        places = list(self.places.values())
        steps = [b - a for a, b in pairwise(places)]
        roomy = self.log or not steps or min(steps) >= (places[-1] - places[0]) / (2 * _TICKS)
        if not self.numeric or (len(places) <= _TICKS and roomy):
            axis |= {"tickvals": [at for at, _ in self.ticks], "ticktext": [name for _, name in self.ticks]}
        return axis

    def spread(self) -> ParameterAxis:
        """The same values at equal distances, as in a heatmap."""
        places = {value: float(place) for place, value in enumerate(self.places)}
        ticks = [(float(place), name) for place, (_, name) in enumerate(self.ticks)]
        return self._replace(places=places, ticks=ticks, log=False, numeric=False)


def parameter_axis_of(name: str, values: Sequence[Value]) -> ParameterAxis:
    """The axis of a parameter with these values."""
    numbers, pattern = numbers_of(values)
    title = text(name) + (f" ({text(pattern)})" if pattern else "")
    if numbers is None:
        places = {value: float(place) for place, value in enumerate(values)}
        ticks = [(place, text(value) if value != "" else "none") for value, place in places.items()]
        return ParameterAxis(title, places, ticks, False, False)
    places = dict(sorted(zip(values, numbers, strict=True), key=lambda item: item[1]))
    ticks = [(place, f"{place:,g}" if place < 1e6 else f"{place:.3g}") for place in places.values()]
    return ParameterAxis(title, places, ticks, True, _is_geometric(list(places.values())))


def numbers_of(values: Sequence[Value]) -> tuple[list[float] | None, str]:
    """The numbers that the values are, or that they alone differ in, and the text around them.

    None if there are none: ``pcaw:64`` and ``pcaw:128`` are 64 and 128 of ``pcaw:…``, ``max`` and ``mean``
    are no numbers.
    """
    if all(not isinstance(value, str) for value in values):
        return [float(value) for value in values], ""
    texts = [str(value) for value in values]
    numbers = [_NUMBER.findall(value) for value in texts]
    around = {tuple(_NUMBER.split(value)) for value in texts}
    if len(around) != 1 or not numbers[0]:
        return None, ""
    columns = [[float(number) for number in column] for column in zip(*numbers, strict=True)]
    differing = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    if len(values) > 1 and (len(differing) != 1 or len(set(columns[differing[0]])) < len(values)):
        return None, ""
    place = differing[0] if differing else 0
    words = around.pop()
    names = [number if i != place else "…" for i, number in enumerate([*numbers[0], ""])]
    pattern = "".join(word + name for word, name in zip(words, names, strict=True))
    return columns[place], "" if pattern == "…" else pattern


def _is_geometric(numbers: Sequence[float]) -> bool:
    """Whether sorted numbers span more than two octaves with steps that are even as ratios."""
    if len(numbers) < 3 or numbers[0] <= 0 or numbers[-1] / numbers[0] <= 2**OCTAVES:
        return False
    steps = [math.log2(b / a) for a, b in pairwise(numbers)]
    return max(steps) <= _EVEN * min(steps)
