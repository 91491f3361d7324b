"""Pooling R-MAC at three levels on a 2048x24x32 map, against a Python loop over the boxes with index copies;
and pooling 300 proposals on a stored map, against torchvision's ``roi_align``."""

from __future__ import annotations

import numpy as np
import torch
from _table import print_table
from _timing import at_least, fastest
from torchvision.ops import roi_align

from workbench.descriptors.pooling import pool
from workbench.descriptors.proposals import to_cells
from workbench.descriptors.regions import rmac

RUNS = 30
PROPOSED = 300


def loop(maps: torch.Tensor, boxes: list[list[int]]) -> torch.Tensor:
    """Max pooling of each box in turn."""
    regions = []
    for x0, y0, x1, y1 in boxes:
        rows, columns = torch.arange(y0, y1), torch.arange(x0, x1)
        regions.append(maps[:, :, rows][:, :, :, columns].amax((2, 3)))
    return torch.stack(regions, 1)


def grids() -> None:
    """Print the times for the regions of a grid."""
    boxes = rmac(24, 32, 3)
    rows = []
    for batch in (1, 8):
        maps = torch.rand(batch, 2048, 24, 32)
        for order in ("channels first", "channels last (as stored)"):
            ordered = maps.to(memory_format=torch.channels_last) if "last" in order else maps
            assert torch.equal(pool(ordered, boxes, "max"), loop(maps, boxes.tolist()))
            slow = fastest(lambda m=ordered: loop(m, boxes.tolist()), max(2, RUNS // 6 // batch))
            fast = fastest(lambda m=ordered: pool(m, boxes, "max"), RUNS)
            times = [f"{1e3 * s:.2f}" for s in (fast, slow)]
            rows.append([str(batch), order, *times, at_least(slow / fast, 20)])
    print(f"{len(boxes)} regions on a map of 24x32 cells with 2048 channels, float32\n")
    print_table(["batch", "layout", "one pass, ms", "loop, ms", "loop / one pass"], rows)


def own_regions() -> None:
    """Print the times for proposals on a stored map: 1280 channels in half precision, channels last.

    ``roi_align`` gets it in single precision.
    """
    rng = np.random.default_rng(0)
    sides, rows = (16, 12), []
    corners = np.sort(rng.uniform(0, 1, (PROPOSED, 2, 2)), axis=1) * sides
    boxes = corners.reshape(PROPOSED, 4)
    cells = to_cells(boxes, *sides[::-1])[None]
    stored = torch.rand(1, 1280, *sides[::-1]).half().to(memory_format=torch.channels_last)
    single = stored.float().contiguous()
    bare = {
        size: fastest(
            lambda size=size: roi_align(single, [torch.from_numpy(boxes).float()], size, 1.0, 2, True), 3
        )
        for size in (1, 7)
    }
    for scheme in ("max", "mean", "gem:3", "crow"):
        ours = fastest(lambda scheme=scheme: pool(stored, cells, scheme), RUNS)
        rows.append([scheme, *(f"{1e3 * s:.1f}" for s in (ours, bare[1], bare[7])), f"{ours / bare[1]:.2f}"])
    print(f"{PROPOSED} proposed regions on a map of 12x16 cells with 1280 channels\n")
    columns = ["pooling", "one pass, ms", "roi_align to 1x1, ms", "to 7x7, ms", "one pass / roi_align to 1x1"]
    print_table(columns, rows)


if __name__ == "__main__":
    grids()
    own_regions()
