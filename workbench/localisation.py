"""How much of the heat that makes a score lies on what was asked for, by the outlines in the ground truth."""

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
_FINE = 8  # steps a cell in drawing an outline
_TOGETHER = 8  # images explained at once


class Target(NamedTuple):
    """A polygon's corners in the pixels of an image, and the part of it (x0, y0, x1, y1) that is seen."""

    corners: Corners
    seen: Box


Pair = tuple[Target, Sequence[torch.Tensor], torch.Tensor]


@lru_cache(maxsize=8192)
def coverage(target: Target, height: int, width: int) -> np.ndarray:
    """The share of each cell of a map [height, width] that lies on the target."""
    x0, y0, x1, y1 = target.seen
    across, down = width * _FINE / (x1 - x0), height * _FINE / (y1 - y0)
    points = [((y - y0) * down - 0.5, (x - x0) * across - 0.5) for x, y in target.corners]
    fine = polygon2mask((height * _FINE, width * _FINE), points)
    return np.asarray(fine, float).reshape(height, _FINE, width, _FINE).mean((1, 3))


def share_inside(heat: np.ndarray, inside: np.ndarray) -> float:
    """The share of the positive heat [H, W] on the target; nan where there is no positive heat."""
    positive = heat.clip(min=0)
    total = float(positive.sum())
    return float((positive * inside).sum()) / total if total > 0 else float("nan")


def mean_share(pairs: Iterable[Pair], config: Config, described: Described) -> tuple[float, float]:
    """The mean share of positive heat on the target, and what evenly spread heat would have there.

    ``pairs`` are a target, the maps [1, C, H, W] of the image that shows it, a scale each, and the
    other image's descriptor [D]. Images of one shape are explained together, on all cores.
    """

    def inside(*same: Pair) -> list[tuple[float, float]]:
        torch.set_num_threads(1)
        maps = [torch.cat(scale) for scale in zip(*(maps for _, maps, _ in same), strict=True)]
        heat = heatmaps(maps, torch.stack([other for _, _, other in same]), config, described).numpy()
        covered = [coverage(target, *heat.shape[1:]) for target, _, _ in same]
        return [(share_inside(h, cells), float(cells.mean())) for h, cells in zip(heat, covered, strict=True)]

    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        found = [share for some in ahead(pool, inside, _of_one_shape(pairs), threads) for share in some]
    shares, even = zip(*found, strict=True)
    return float(np.nanmean(shares)), float(np.mean(even))


def _of_one_shape(pairs: Iterable[Pair]) -> Iterator[tuple[Pair, ...]]:
    waiting: dict[tuple[torch.Size, ...], list[Pair]] = {}
    for pair in pairs:
        same = waiting.setdefault(tuple(one.shape for one in pair[1]), [])
        same.append(pair)
        if len(same) == _TOGETHER:
            yield tuple(same)
            same.clear()
    yield from map(tuple, filter(None, waiting.values()))
