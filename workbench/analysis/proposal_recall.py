"""Recall of targets by the first n regions: proposals compared with grids and sliding windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.common.drawable import Drawable, draw
from workbench.common.geometry import bounding_box
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.descriptors.regions import rmac
from workbench.engine.description import DescribedCollection
from workbench.evaluation.detection import recall

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

REGIONS = {  # the columns of the table, in words
    "proposals": "proposals",
    "moved": "moved by the head",
    "rmac": "R-MAC's grid",
    "sliding": "sliding windows",
}
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 300)
_LEVELS = 12  # of the grids: more regions than the largest count
_RATIOS = (1.0, 0.5, 2.0)  # height to width, as of Faster R-CNN's anchors


class RegionRecall(Drawable, Table):
    """The table of ``proposal_recall``: ``regions`` (their number) and the recall of each kind, 0…1.

    ``attrs`` has the collection, the pipeline, the IoU, and the numbers of images and targets. Selections and
    copies are plain tables.
    """

    @property
    def _constructor(self) -> Callable[..., Table]:
        return Table

    def figure(self) -> Figure:
        """The recall over the number of regions, by plotly."""
        return draw("region_recall", self)


def sliding_windows(height: float, width: float, levels: int) -> np.ndarray:
    """Windows [N, 4] that slide over a picture by at most half their side, the largest first.

    At level l, 1…``levels``, their area is that of R-MAC's squares, (2·min(H, W)/(l+1))², with sides in the
    ratios 1:1, 1:2 and 2:1 as far as the picture is large enough. They cover the picture from border to
    border.
    """
    windows = []
    for level in range(1, levels + 1):
        for ratio in _RATIOS:
            side = 2 * min(height, width) / (level + 1)
            high, wide = min(height, side * math.sqrt(ratio)), min(width, side / math.sqrt(ratio))
            across = np.linspace(0, width - wide, 1 + math.ceil(2 * (width - wide) / wide - 1e-9))
            down = np.linspace(0, height - high, 1 + math.ceil(2 * (height - high) / high - 1e-9))
            windows += [(x, y, x + wide, y + high) for y in down for x in across]
    return np.array(windows)


def target_boxes(collection: Collection) -> dict[str, np.ndarray]:
    """The bounding boxes [n, 4] in pixels of the targets in each image, without junk."""
    boxes: dict[str, list[np.ndarray]] = {}
    rows = set(collection.images)
    for (query, image), corners in collection.quadrilaterals.items():
        if image in rows and collection.relevance[query].get(image, "junk") != "junk":
            header = images.header(collection.path(image))
            boxes.setdefault(image, []).append(bounding_box(corners, (header.width, header.height)))
    return {image: np.array(image_boxes) for image, image_boxes in boxes.items()}


def proposal_recall(
    described: DescribedCollection,
    counts: Sequence[int] = COUNTS,
    least: float = 0.5,
    wanted: Callable[[str], bool] = lambda image: True,
    progress: Progress = silent,
) -> RegionRecall:
    """The share of targets of which one of the first n regions has an IoU of ``least``, for each n.

    A row for each of ``counts``. Columns: ``proposals`` of the pipeline; ``moved``, the same boxes refined by
    Faster R-CNN's head; ``rmac``, the grid level by level; ``sliding``, windows of three shapes. ``wanted``
    selects images. Raises WorkbenchError if the pipeline has no proposals, or the ground truth no outlines.
    """
    trained = described.descriptors.proposals
    if trained is None:
        raise WorkbenchError(f"{described.config} proposes no regions; valid: …/proposals:20")
    targets = target_boxes(described.collection)
    if not targets:
        raise WorkbenchError(
            f"{described.collection.name!r} has no outlines of targets to look for; valid: posters, reels"
        )
    regions: dict[str, list[np.ndarray]] = {"proposals": [], "moved": [], "rmac": [], "sliding": []}
    selected = [image for image in targets if wanted(image)]
    rows = described.image_rows()
    for done, image in enumerate(selected):
        progress("proposing", done, len(selected))
        maps = described.maps(rows[image])[0]
        header = images.header(described.collection.path(image))
        height, width = maps.shape[2:]
        cell_size = np.tile([header.width / width, header.height / height], 2)  # pixels per cell
        proposed = trained.detector.propose(maps).boxes
        regions["proposals"].append(proposed.numpy() * cell_size)
        if hasattr(trained.detector, "refine"):
            proposed = trained.detector.refine(maps, proposed).boxes
        regions["moved"].append(proposed.numpy() * cell_size)
        regions["rmac"].append(rmac(height, width, min(_LEVELS, 2 * min(height, width) - 1)) * cell_size)
        regions["sliding"].append(sliding_windows(header.height, header.width, _LEVELS))
    selected_targets = [targets[image] for image in selected]
    recalls = {name: recall(boxes, selected_targets, counts, least) for name, boxes in regions.items()}
    table = RegionRecall({"regions": list(counts), **recalls})
    table.attrs |= {
        "collection": described.collection.name,
        "pipeline": str(described.config),
        "iou": least,
        "images": len(selected),
        "targets": sum(map(len, selected_targets)),
    }
    return table
