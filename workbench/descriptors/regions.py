"""Region grids on a feature map: whole, R-MAC, plain grids. A region is (x0, y0, x1, y1), ends exclusive."""

from __future__ import annotations

import numpy as np

from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step

OVERLAP = 0.4
MOST_ALONG = 7


def rmac(height: int, width: int, levels: int) -> np.ndarray:
    """The R-MAC grid of a map (Tolias, Sicre, Jégou, ICLR 2016, section 3.2).

    Squares of side ⌊2·min(H, W)/(l+1)⌋ at levels l = 1…``levels``, from border to border; the number along
    the long side is chosen for an overlap at level 1 nearest to 40 %. Returns int64 [N, 4] as
    (x0, y0, x1, y1) in cells, level by level: 14 regions at three levels on a square map.
    """
    if min(height, width, levels) < 1:
        raise WorkbenchError(
            f"R-MAC needs a map and levels of at least 1, not {height}x{width}, {levels} levels"
        )
    shortest, longest = min(height, width), max(height, width)
    along = np.arange(2, MOST_ALONG + 1)
    overlap = 1 - (longest - shortest) / (along - 1) / shortest
    extra = int(np.argmin(np.abs(overlap - OVERLAP))) + 1 if longest > shortest else 0
    boxes = []
    for level in range(1, levels + 1):
        side = max(1, 2 * shortest // (level + 1))
        xs = _starts(width, side, level + (extra if width > height else 0))
        ys = _starts(height, side, level + (extra if height > width else 0))
        x0, y0 = (axis.ravel() for axis in np.meshgrid(xs, ys))
        boxes.append(np.stack([x0, y0, x0 + side, y0 + side], axis=1))
    return np.concatenate(boxes)


def _starts(length: int, side: int, count: int) -> np.ndarray:
    if count == 1:
        return np.zeros(1, np.int64)
    # In integers: with the published offset c = ⌊side/2 - 1⌋, ⌊c + i·step⌋ - c is ⌊i·step⌋.
    return np.arange(count, dtype=np.int64) * (length - side) // (count - 1)


def grid(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """Return a grid of rows x columns that covers the map, [N, 4]; on a small map its cells overlap."""
    ys = [(i * height // rows, -(-(i + 1) * height // rows)) for i in range(rows)]
    xs = [(i * width // columns, -(-(i + 1) * width // columns)) for i in range(columns)]
    return np.array([(x0, y0, x1, y1) for y0, y1 in ys for x0, x1 in xs], np.int64)


def regions(step: Step, height: int, width: int) -> np.ndarray:
    """Return the regions [N, 4] of a pipeline's region part on a map of height x width cells."""
    whole = np.array([[0, 0, width, height]], np.int64)
    if step.name == "whole":
        return whole
    if step.name == "rmac":
        return rmac(height, width, int(step.args[0]))
    if step.name == "rmac+":  # with the whole map, as in the cirtorch package
        return np.concatenate([whole, rmac(height, width, int(step.args[0]))])
    if step.name == "grid":
        return grid(height, width, int(step.args[0]), int(step.args[1]))
    raise WorkbenchError(f"regions {step} are not a grid; valid: whole, rmac:L, rmac+:L, grid:RxC")
