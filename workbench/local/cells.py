"""Deep local features: the strongest cells of feature maps at several scales (HOW).

Tolias, Jenicek and Chum, Learning and Aggregating Deep Local Descriptors for Instance-Level Recognition, ECCV
2020, section 3: a cell's attention is the L2 norm of its activation; its descriptor is the mean of the
activations of 3×3 cells, whitened and reduced by PCA; a picture is described by the cells of strongest
attention over all scales. Published settings: 1,000 cells of 128 dimensions, seven scales from 2 to 1/4 of
1,024 pixels, and a ResNet without its last stage (16 pixels a cell), trained. Here the largest scale is the
size of the options, scales are 1, 1/√2, 1/2 …, the map is that of the pipeline's layer (32 pixels a cell in
most networks), and cells without any activation are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from workbench.descriptors.whitening import Whitening
from workbench.local.features import LocalFeatures

SMOOTHING = 3  # cells a side of the square whose activations are averaged
MOST = 1000  # cells of a picture


@dataclass(frozen=True)
class CellFeatures(LocalFeatures):
    """Cells as the local features of a picture, those of strongest attention first.

    ``points`` are x, y, the side of a cell (the root of its area), and 0. ``stored`` are the descriptors,
    float16 [n, D]. ``attention`` [n] is the norm of each cell's activation, ``squares`` [n, 4] are its
    borders as fractions of the picture, and ``grid`` (rows, columns) is the size of the map at the first
    scale. ``keypoints`` are the detected keypoints of the picture, where results are verified by them.
    """

    attention: np.ndarray = field(repr=False)
    squares: np.ndarray = field(repr=False)
    grid: tuple[int, int]
    keypoints: LocalFeatures | None = field(default=None, repr=False)
    extent: ClassVar[float] = 1.0

    @property
    def boxes(self) -> np.ndarray:
        """The borders of each cell as fractions of the picture: [n, 4]."""
        return self.squares

    def heatmap(self, values: torch.Tensor | np.ndarray) -> np.ndarray:
        """Values of cells [n] on the cells of the first scale's map, each spread evenly over its square."""
        rows, columns = self.grid
        across = _shares(self.squares[:, 0], self.squares[:, 2], columns)
        down = _shares(self.squares[:, 1], self.squares[:, 3], rows)
        return np.asarray(np.einsum("n,ny,nx->yx", np.asarray(values, float), down, across))


def smooth(maps: torch.Tensor) -> torch.Tensor:
    """The mean over 3×3 cells of maps [B, C, H, W], at the border over those of them that exist."""
    return torch.nn.functional.avg_pool2d(
        maps, SMOOTHING, stride=1, padding=SMOOTHING // 2, count_include_pad=False
    )


def attention(maps: torch.Tensor) -> torch.Tensor:
    """The L2 norm [B, H, W] of the activations of maps [B, C, H, W] (section 3 of the paper)."""
    return maps.norm(dim=1)


def strongest_cells(
    maps: Sequence[torch.Tensor], whitening: Whitening | None, stride: int, most: int = MOST
) -> CellFeatures:
    """The ``most`` cells of strongest attention of a picture's maps [1, C, H, W], one for each scale.

    Without ``whitening`` a descriptor has a dimension for each channel. ``stride`` is the side of a cell in
    pixels of the picture at the first scale. Equal attention keeps the order of scales, rows and columns.
    """
    strengths, places = [], []
    for number, scale_map in enumerate(maps):
        height, width = scale_map.shape[2:]
        strengths.append(attention(scale_map)[0].flatten())
        y, x = np.divmod(np.arange(height * width), width)
        squares = np.stack([x / width, y / height, (x + 1) / width, (y + 1) / height], 1)
        places.append((np.full(len(x), number), np.arange(len(x)), squares))
    strength = torch.cat(strengths).float().numpy()
    scales, cells, squares = (np.concatenate(parts) for parts in zip(*places, strict=True))
    order = np.argsort(-strength, kind="stable")[:most]
    order = order[strength[order] > 0]
    rows, columns = maps[0].shape[2:]
    size = (columns * stride, rows * stride)
    vectors = _descriptors(maps, scales[order], cells[order])
    vectors = vectors if whitening is None else whitening.apply(vectors)
    return CellFeatures(
        _points(squares[order], size),
        vectors.to(torch.float16).numpy(),
        size,
        strength[order],
        squares[order].astype(np.float32),
        (rows, columns),
    )


def _descriptors(maps: Sequence[torch.Tensor], scales: np.ndarray, cells: np.ndarray) -> torch.Tensor:
    """The smoothed activations [n, C] of cells given by scale and position in the flattened map."""
    vectors = torch.empty(len(cells), maps[0].shape[1])
    for number, scale_map in enumerate(maps):
        of_scale = np.flatnonzero(scales == number)
        vectors[of_scale] = smooth(scale_map.float())[0].flatten(1).T[cells[of_scale]]
    return vectors


def _points(squares: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    pixels = squares * np.tile(size, 2)
    sides = pixels[:, 2:] - pixels[:, :2]
    middle = (pixels[:, 2:] + pixels[:, :2]) / 2
    points = np.column_stack([middle, np.sqrt(sides.prod(1)), np.zeros(len(squares))])
    return points.astype(np.float32)


def _shares(starts: np.ndarray, ends: np.ndarray, count: int) -> np.ndarray:
    """The share of each interval [n] of 0…1 that lies in each of ``count`` equal parts of it: [n, count]."""
    edges = np.arange(count + 1) / count
    overlap = np.minimum(ends[:, None], edges[1:]) - np.maximum(starts[:, None], edges[:-1])
    return np.asarray(overlap.clip(0) / (ends - starts)[:, None])
