"""How many regions does it take to have what matters among them? Proposals beside grids that do not look."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.config import WorkbenchError
from workbench.described import Ready
from workbench.descriptors.regions import rmac
from workbench.evaluation.boxes import bounds, recall
from workbench.progress import Progress, silent

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 300)
_LEVELS = 12  # of the grids: more regions than are asked for
_RATIOS = (1.0, 0.5, 2.0)  # height to width, as of Faster R-CNN's anchors


def sliding(height: float, width: float, levels: int) -> np.ndarray:
    """Windows that slide over a picture by half their side, [N, 4], at levels 1…``levels``, largest first.

    At level l their area is that of R-MAC's squares, (2·min(H, W)/(l+1))², with sides as 1:1, 1:2 and 2:1 as
    far as the picture is large enough; they lie from border to border.
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


def truth(collection: Collection) -> dict[str, np.ndarray]:
    """The bounding boxes [n, 4], in pixels, of what is asked for in each image, less what is junk."""
    boxes: dict[str, list[np.ndarray]] = {}
    rows = set(collection.images)
    for (query, image), corners in collection.quadrilaterals.items():
        if image in rows and collection.relevance[query].get(image, "junk") != "junk":
            header = images.header(collection.path(image))
            boxes.setdefault(image, []).append(bounds(corners, (header.width, header.height)))
    return {image: np.array(some) for image, some in boxes.items()}


def proposal_recall(
    ready: Ready,
    counts: Sequence[int] = COUNTS,
    least: float = 0.5,
    wanted: Callable[[str], bool] = lambda image: True,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The share of things of which one of the first n regions has an IoU of ``least``, for each n.

    A row for each of ``counts``. Columns: ``proposals`` of the pipeline; ``moved``, the same after Faster
    R-CNN's head; ``rmac``, the grid level by level; ``sliding``, windows of three shapes. ``wanted`` picks
    images. Raises WorkbenchError where nothing is proposed, or the ground truth knows no outlines.
    """
    trained = ready.described.proposals
    if trained is None:
        raise WorkbenchError(f"{ready.config} proposes no regions; valid: …/proposals:20")
    boxes = truth(ready.collection)
    if not boxes:
        raise WorkbenchError(f"{ready.collection.name!r} knows no outlines to look for; valid: posters")
    found: dict[str, list[np.ndarray]] = {"proposals": [], "moved": [], "rmac": [], "sliding": []}
    shown = [image for image in boxes if wanted(image)]
    rows = ready.image_rows()
    for done, image in enumerate(shown):
        progress("proposing", done, len(shown))
        maps = ready.maps(rows[image])[0]
        header = images.header(ready.collection.path(image))
        height, width = maps.shape[2:]
        pixels = np.tile([header.width / width, header.height / height], 2)
        proposed = trained.detector.propose(maps).boxes
        found["proposals"].append(proposed.numpy() * pixels)
        if hasattr(trained.detector, "refine"):
            proposed = trained.detector.refine(maps, proposed).boxes
        found["moved"].append(proposed.numpy() * pixels)
        found["rmac"].append(rmac(height, width, min(_LEVELS, 2 * min(height, width) - 1)) * pixels)
        found["sliding"].append(sliding(header.height, header.width, _LEVELS))
    there = [boxes[image] for image in shown]
    return pd.DataFrame(
        {
            "regions": list(counts),
            **{name: recall(some, there, counts, least) for name, some in found.items()},
        }
    )
