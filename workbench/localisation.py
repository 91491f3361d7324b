"""How much of the heat that makes a score lies on what was asked for, by the outlines in the ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from skimage.draw import polygon2mask

from workbench.collections.collection import Box
from workbench.config import Config
from workbench.descriptors.bulk import Described
from workbench.explain import heatmaps

Corners = tuple[tuple[float, float], ...]
_FINE = 8  # steps a cell in drawing an outline
_TOGETHER = 16  # images explained at once


class Target(NamedTuple):
    """A polygon's corners in the pixels of an image, and the part of it (x0, y0, x1, y1) that is seen."""

    corners: Corners
    seen: Box


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


def mean_share(
    pairs: Iterable[tuple[Target, Sequence[torch.Tensor], torch.Tensor]], config: Config, described: Described
) -> tuple[float, float]:
    """The mean share of positive heat on the target, and what evenly spread heat would have there.

    ``pairs`` are a target, the maps [1, C, H, W] of the image that shows it, a scale each, and the
    other image's descriptor [D]. Images of one shape are explained together.
    """
    shares: list[float] = []
    even: list[float] = []
    waiting: dict[tuple[torch.Size, ...], list[tuple[Target, Sequence[torch.Tensor], torch.Tensor]]] = {}

    def flush(same: list[tuple[Target, Sequence[torch.Tensor], torch.Tensor]]) -> None:
        maps = [torch.cat(scale) for scale in zip(*(maps for _, maps, _ in same), strict=True)]
        heat = heatmaps(maps, torch.stack([other for _, _, other in same]), config, described).numpy()
        for (target, _, _), heatmap in zip(same, heat, strict=True):
            inside = coverage(target, *heatmap.shape)
            shares.append(share_inside(heatmap, inside))
            even.append(float(inside.mean()))
        same.clear()

    for pair in pairs:
        same = waiting.setdefault(tuple(one.shape for one in pair[1]), [])
        same.append(pair)
        if len(same) == _TOGETHER:
            flush(same)
    for same in filter(None, waiting.values()):
        flush(same)
    return float(np.nanmean(shares)), float(np.mean(even))
