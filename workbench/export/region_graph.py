"""The regions of a map in the graph, computed from its size as ``descriptors.regions`` does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.config.steps import Step
from workbench.descriptors.regions import MOST_ALONG, OVERLAP
from workbench.export.builder import Builder, double, integers, single, whole


@dataclass(frozen=True)
class Regions:
    """Regions of a map of ``height`` x ``width`` cells (whole numbers []): ``boxes`` int64 [N, 4], and the
    mask ``inside`` [N, height · width] of their cells, float32."""

    height: str
    width: str
    boxes: str
    inside: str


def lay_regions(graph: Builder, maps: str, step: Step) -> Regions:
    """The regions of a step (whole, rmac, rmac+ or grid) on maps [1, C, H, W]."""
    shape = graph("Shape", maps)
    height, width = (graph("Gather", shape, whole(axis)) for axis in (2, 3))
    if step.name == "grid":
        boxes = _grid(graph, height, width, int(step.args[0]), int(step.args[1]))
    else:
        parts = [] if step.name == "rmac" else [_boxes(graph, [whole(0), whole(0), width, height])]
        if step.name != "whole":
            parts += _rmac(graph, height, width, int(step.args[0]))
        boxes = graph("Concat", *parts, axis=0)
    return Regions(height, width, boxes, _inside(graph, height, width, boxes))


def _rmac(graph: Builder, height: str, width: str, levels: int) -> list[str]:
    shortest, longest = graph("Min", height, width), graph("Max", height, width)
    along = np.arange(2, MOST_ALONG + 1)
    rest, short = (graph("Cast", v, to=11) for v in (graph("Sub", longest, shortest), shortest))
    steps = graph("Div", graph("Div", rest, (along - 1).astype(np.float64)), short)
    misses = graph("Abs", graph("Sub", graph("Sub", double(1), steps), double(OVERLAP)))
    best = graph("Add", graph("ArgMin", misses, axis=0, keepdims=0), whole(1))
    extras = [
        graph("Mul", best, graph("Cast", graph("Greater", *pair), to=7))
        for pair in ((height, width), (width, height))
    ]
    parts = []
    for level in range(1, levels + 1):
        side = graph("Div", graph("Mul", shortest, whole(2)), whole(level + 1))
        side = graph("Max", side, whole(1))
        down, across = (
            _starts(graph, length, side, graph("Add", extra, whole(level)))
            for length, extra in zip((height, width), extras, strict=True)
        )
        parts.append(_crossed(graph, down, across, side, side))
    return parts


def _starts(graph: Builder, length: str, side: str, count: str) -> str:
    positions = graph("Range", whole(0), count, whole(1))
    between = graph("Max", graph("Sub", count, whole(1)), whole(1))
    return graph("Div", graph("Mul", positions, graph("Sub", length, side)), between)


def _grid(graph: Builder, height: str, width: str, rows: int, columns: int) -> str:
    ends = []
    for length, count in ((height, rows), (width, columns)):
        first = graph("Div", graph("Mul", np.arange(count), length), whole(count))
        after = graph("Mul", np.arange(1, count + 1), length)
        ends.append((first, graph("Div", graph("Add", after, whole(count - 1)), whole(count))))
    (y0, y1), (x0, x1) = ends
    return _crossed(graph, y0, x0, graph("Sub", y1, y0), graph("Sub", x1, x0))


def _crossed(graph: Builder, ys: str, xs: str, tall: str, wide: str) -> str:
    """The boxes [N, 4] at each pair of y0 ``ys`` [R] and x0 ``xs`` [C], row by row; sides [] or alike."""
    y0, x0 = graph("Unsqueeze", ys, integers(1)), graph("Unsqueeze", xs, integers(0))
    y1 = graph("Unsqueeze", graph("Add", ys, tall), integers(1))
    x1 = graph("Unsqueeze", graph("Add", xs, wide), integers(0))
    nothing = graph("Mul", graph("Add", y0, x0), whole(0))
    return _boxes(graph, [graph("Add", end, nothing) for end in (x0, y0, x1, y1)])


def _boxes(graph: Builder, ends: list[str | np.ndarray]) -> str:
    """Four arrays of one size as boxes [N, 4]."""
    return graph("Concat", *(graph("Reshape", end, integers(-1, 1)) for end in ends), axis=1)


def _inside(graph: Builder, height: str, width: str, boxes: str) -> str:
    axes = []
    for length, first in ((height, 1), (width, 0)):
        position = graph("Range", whole(0), length, whole(1))
        start, end = (graph("Gather", boxes, integers(at), axis=1) for at in (first, first + 2))
        axes.append(graph("And", graph("GreaterOrEqual", position, start), graph("Less", position, end)))
    down, across = axes
    cells = graph("And", graph("Unsqueeze", down, integers(2)), graph("Unsqueeze", across, integers(1)))
    flat = graph("Concat", graph("Shape", cells, end=1), integers(-1), axis=0)
    return graph("Reshape", graph("Cast", cells, to=1), flat)


def shares(graph: Builder, regions: Regions) -> str:
    """Uniform weights of the cells of each region, which sum to one: [N, H · W]."""
    return graph("Div", regions.inside, graph("ReduceSum", regions.inside, integers(1)))


def centre_prior(graph: Builder, regions: Regions) -> str:
    """SPoC's prior [1, H · W], as ``descriptors.weighting.centre_prior``."""
    squares = []
    sides = [graph("Cast", side, to=1) for side in (regions.height, regions.width)]
    for side, length in zip(sides, (regions.height, regions.width), strict=True):
        position = graph("Cast", graph("Range", whole(0), length, whole(1)), to=1)
        offset = graph("Sub", graph("Add", position, single(0.5)), graph("Div", side, single(2)))
        squares.append(graph("Mul", offset, offset))
    sigma = graph("Div", graph("Min", *sides), single(6))
    distance = graph(
        "Add",
        graph("Unsqueeze", squares[0], integers(1)),
        graph("Unsqueeze", squares[1], integers(0)),
    )
    exponent = graph("Div", distance, graph("Mul", graph("Mul", sigma, sigma), single(-2)))
    return graph("Reshape", graph("Exp", exponent), integers(1, -1))
