"""The picture in the graph: its size after resizing, and the input of the network."""

from __future__ import annotations

import numpy as np

from workbench.export.builder import Builder, double, integers, single, whole
from workbench.features.map_source import MapSource, scale_factor


def network_input(graph: Builder, image: str, source: MapSource, scale: int) -> str:
    """Pixels uint8 [H, W, 3] to the network's input [1, 3, h, w], at the scale-th scale.

    As ``features.batches`` resizes pictures below four times the wanted side, to rounding.
    """
    planes = graph("Unsqueeze", graph("Transpose", image, perm=[2, 0, 1]), integers(0))
    shape = graph("Shape", image)
    height, width = (graph("Gather", shape, whole(axis)) for axis in (0, 1))
    size = _fitted_size if source.fixed is not None else _target_size
    rows, columns = size(graph, height, width, source, scale_factor(scale))
    sizes = graph(
        "Concat",
        integers(1, 3),
        graph("Unsqueeze", rows, integers(0)),
        graph("Unsqueeze", columns, integers(0)),
        axis=0,
    )
    resized = graph(
        "Resize",
        planes,
        "",
        "",
        sizes,
        mode="cubic" if source.card.interpolation == "bicubic" else "linear",
        cubic_coeff_a=-0.5,
        antialias=1,
        exclude_outside=1,  # pixels beyond the border count for nothing, and are not repeated
        coordinate_transformation_mode="half_pixel",
    )
    if source.fixed is not None and source.fixed.fit == "shortest":
        resized = _central_square(graph, resized, rows, columns, source.fixed.side)
    mean, std = (
        np.array(v, np.float32)[None, :, None, None] * 255 for v in (source.card.mean, source.card.std)
    )
    pixels = graph("Cast", resized, to=1)
    return graph("Mul", graph("Sub", pixels, mean), (1 / std).astype(np.float32))


def _target_size(graph: Builder, height: str, width: str, source: MapSource, scale: float) -> tuple[str, str]:
    """``batches.target_size``, in double precision."""
    stride, longest = source.card.stride, source.options.size
    sides = [graph("Cast", side, to=11) for side in (height, width)]
    fraction = graph("Div", double(longest), graph("Max", *sides))
    factor = graph("Mul", graph("Min", double(1), fraction), double(scale))
    if source.resize == "exact":
        enlarged = graph("Div", double(2 * stride), graph("Min", *sides))
        factor = graph("Max", factor, graph("Min", enlarged, fraction))
        least, most, unit = 2 * stride, None, 1
    else:
        least, most, unit = 2, max(2, longest // stride), stride
    sizes = []
    for side in sides:
        scaled = graph("Mul", side, factor)
        scaled = graph("Div", scaled, double(unit)) if unit > 1 else scaled
        count = graph("Max", graph("Floor", graph("Add", scaled, double(0.5))), double(least))
        count = count if most is None else graph("Min", count, double(most))
        sizes.append(graph("Mul", graph("Cast", count, to=7), whole(unit)))
    return sizes[0], sizes[1]


def _fitted_size(graph: Builder, height: str, width: str, source: MapSource, scale: float) -> tuple[str, str]:
    """The size that ``batches`` gives a picture for a network of only one size of input."""
    assert source.fixed is not None
    side = whole(source.fixed.side)
    if source.fixed.fit == "squash":
        return graph("Identity", side), graph("Identity", side)
    short = graph("Min", height, width)
    rows, columns = (graph("Div", graph("Mul", side, edge), short) for edge in (height, width))
    return rows, columns


def _central_square(graph: Builder, picture: str, rows: str, columns: str, side: int) -> str:
    starts = []
    for edge in (rows, columns):
        half = graph("Div", graph("Cast", graph("Sub", edge, whole(side)), to=1), single(2))
        starts.append(graph("Unsqueeze", graph("Cast", graph("Round", half), to=7), integers(0)))
    start = graph("Concat", *starts, axis=0)
    return graph("Slice", picture, start, graph("Add", start, integers(side, side)), integers(2, 3))
