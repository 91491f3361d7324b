"""The share of the heat of a score that is on the target, by the outlines in the ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from skimage.draw import polygon2mask

from workbench.collections.collection import Box
from workbench.config import Config
from workbench.descriptors.bulk import Described, ahead
from workbench.explain import heatmaps
from workbench.features.hardware import one_thread_each

Corners = tuple[tuple[float, float], ...]
_STEPS_PER_CELL = 8  # resolution at which an outline is drawn
_BATCH_SIZE = 8  # images explained at once


class Target(NamedTuple):
    """A polygon's corners in the pixels of an image, and the visible part of the image (x0, y0, x1, y1)."""

    corners: Corners
    seen: Box


Pair = tuple[Target, Sequence[torch.Tensor], torch.Tensor]


@lru_cache(maxsize=8192)
def coverage(target: Target, height: int, width: int) -> np.ndarray:
    """The share of each cell of a map [height, width] that lies on the target."""
    x0, y0, x1, y1 = target.seen
    steps = _STEPS_PER_CELL
    x_scale, y_scale = width * steps / (x1 - x0), height * steps / (y1 - y0)
    points = [((y - y0) * y_scale - 0.5, (x - x0) * x_scale - 0.5) for x, y in target.corners]
    mask = polygon2mask((height * steps, width * steps), points)
    return np.asarray(mask, float).reshape(height, steps, width, steps).mean((1, 3))


def share_inside(heat: np.ndarray, inside: np.ndarray) -> float:
    """The share of the positive heat [H, W] on the target; nan without positive heat."""
    positive = heat.clip(min=0)
    total = float(positive.sum())
    return float((positive * inside).sum()) / total if total > 0 else float("nan")


def mean_share(pairs: Iterable[Pair], config: Config, descriptors: Described) -> tuple[float, float]:
    """The mean share of positive heat on the target, and the mean share that evenly spread heat would have.

    ``pairs`` are a target, the maps [1, C, H, W] of the image that shows it, one for each scale, and the
    other image's descriptor [D]. Images of one shape are explained together, on all cores.
    """

    def shares_of(*batch: Pair) -> list[tuple[float, float]]:
        torch.set_num_threads(1)
        maps = [torch.cat(scale) for scale in zip(*(maps for _, maps, _ in batch), strict=True)]
        heat = heatmaps(maps, torch.stack([other for _, _, other in batch]), config, descriptors).numpy()
        covered = [coverage(target, *heat.shape[1:]) for target, _, _ in batch]
        return [(share_inside(h, cells), float(cells.mean())) for h, cells in zip(heat, covered, strict=True)]

    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        batches = ahead(pool, shares_of, _batches(pairs), threads)
        on_target, even = zip(*(shares for batch in batches for shares in batch), strict=True)
    return float(np.nanmean(on_target)), float(np.mean(even))


def _batches(pairs: Iterable[Pair]) -> Iterator[tuple[Pair, ...]]:
    """Batches of pairs whose maps have the same shapes."""
    waiting: dict[tuple[torch.Size, ...], list[Pair]] = {}
    for pair in pairs:
        batch = waiting.setdefault(tuple(maps.shape for maps in pair[1]), [])
        batch.append(pair)
        if len(batch) == _BATCH_SIZE:
            yield tuple(batch)
            batch.clear()
    yield from map(tuple, filter(None, waiting.values()))
