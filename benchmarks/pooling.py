"""R-MAC at three levels on a 2048x24x32 map, against a Python loop over the boxes with index copies."""

from __future__ import annotations

import torch
from _table import best, print_table, verdict

from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac

RUNS = 30


def loop(maps: torch.Tensor, boxes: list[list[int]]) -> torch.Tensor:
    regions = []
    for x0, y0, x1, y1 in boxes:
        rows, columns = torch.arange(y0, y1), torch.arange(x0, x1)
        regions.append(maps[:, :, rows][:, :, :, columns].amax((2, 3)))
    return torch.stack(regions, 1)


def main() -> None:
    boxes = rmac(24, 32, 3)
    rows = []
    for batch in (1, 8):
        maps = torch.rand(batch, 2048, 24, 32)
        for order in ("channels first", "channels last (as stored)"):
            laid = maps.to(memory_format=torch.channels_last) if "last" in order else maps
            assert torch.equal(pool(laid, boxes, "max"), loop(maps, boxes.tolist()))
            slow = best(lambda m=laid: loop(m, boxes.tolist()), max(2, RUNS // 6 // batch))
            fast = best(lambda m=laid: pool(m, boxes, "max"), RUNS)
            times = [f"{1e3 * s:.2f}" for s in (fast, slow)]
            rows.append([str(batch), order, *times, verdict(slow / fast, 20)])
    print(f"{len(boxes)} regions on a map of 24x32 cells with 2048 channels, float32\n")
    print_table(["batch", "layout", "one pass, ms", "loop, ms", "loop / one pass"], rows)


if __name__ == "__main__":
    main()
