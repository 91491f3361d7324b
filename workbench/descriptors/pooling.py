"""Pooling: many regions of a feature map to vectors, in one pass over rows and one over columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from workbench.config import Config, Step, WorkbenchError

Reduce = Callable[[torch.Tensor, int], torch.Tensor]


def pool(maps: torch.Tensor | np.ndarray, regions: np.ndarray, scheme: str | Step) -> torch.Tensor:
    """Pool maps [B, C, H, W] over regions [N, 4] (x0, y0, x1, y1, ends left out): [B, N, C].

    ``scheme`` is ``max`` (MAC), ``mean`` (SPoC without its prior), ``gem:p`` (Radenović et al. 2018:
    (mean x^p)^(1/p) of the non-negative part), ``crow`` (Kalantidis et al. 2016) or ``code`` (the
    values of a map of one cell). Each is homogeneous of degree one in the maps, with CroW's weights
    held fixed. Raises WorkbenchError where a region is empty or leaves the map.
    """
    step = Config.parse(f"x/{scheme}/whole").pooling if isinstance(scheme, str) else scheme
    maps, regions = torch.as_tensor(maps), np.asarray(regions)
    if maps.ndim != 4 or regions.ndim != 2 or regions.shape[1] != 4 or len(regions) == 0:
        raise WorkbenchError(
            f"pool takes maps [B, C, H, W] and regions [N, 4], not {maps.ndim}-D and {regions.shape}"
        )
    height, width = maps.shape[2:]
    x0, y0, x1, y1 = regions.T
    if (x0 < 0).any() or (y0 < 0).any() or (x1 > width).any() or (y1 > height).any():
        raise WorkbenchError(f"a region leaves the map of {height}x{width} cells")
    if (x0 >= x1).any() or (y0 >= y1).any():
        raise WorkbenchError("a region holds no cell")
    if step.name == "code" and (height, width) != (1, 1):
        raise WorkbenchError(f"pooling 'code' takes a layer that gives vectors, not a {height}x{width} map")
    if step.name not in POOLINGS:
        raise WorkbenchError(f"pooling {step} is not available; valid: {', '.join(POOLINGS)}")
    return POOLINGS[step.name](maps, regions, *step.args)


def _max(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    return _over(maps, regions, torch.amax)


def _mean(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    return _over(maps, regions, torch.sum) / _areas(maps, regions)


def _gem(maps: torch.Tensor, regions: np.ndarray, p: float) -> torch.Tensor:
    positive = maps.clamp(min=0)
    # Relative to each channel's maximum, so that no power overflows; it cancels out of the result.
    top = positive.detach().amax((2, 3)).clamp(min=1e-12)
    mean = _mean((positive / top[:, :, None, None]) ** p, regions)
    silent = mean <= 0  # the root has no derivative there
    return torch.where(silent, 0.0, mean.masked_fill(silent, 1.0) ** (1 / p)) * top[:, None]


def _crow(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    held = maps.detach()
    mass = held.sum(1, keepdim=True).clamp(min=0)
    norm = mass.square().sum((2, 3), keepdim=True).sqrt().clamp(min=1e-12)
    pooled = _over(maps * (mass / norm).sqrt(), regions, torch.sum)
    share = _mean((held > 0).to(maps.dtype), regions)  # Q_k
    rarity = torch.log(share.sum(2, keepdim=True) / share.clamp(min=1e-12))
    return pooled * torch.where(share > 0, rarity, 0.0)


def _code(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    return maps[:, :, 0, 0][:, None].expand(-1, len(regions), -1)


POOLINGS: dict[str, Callable[..., torch.Tensor]] = {
    "max": _max,
    "mean": _mean,
    "gem": _gem,
    "crow": _crow,
    "code": _code,
}


def _areas(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    areas = (regions[:, 2] - regions[:, 0]) * (regions[:, 3] - regions[:, 1])
    return torch.as_tensor(areas, dtype=maps.dtype, device=maps.device)[:, None]


def _over(maps: torch.Tensor, regions: np.ndarray, reduce: Reduce) -> torch.Tensor:
    """Reduce every region: the distinct row intervals first, then the distinct column intervals of those."""
    rows, row_of = np.unique(regions[:, [1, 3]], axis=0, return_inverse=True)
    columns, column_of = np.unique(regions[:, [0, 2]], axis=0, return_inverse=True)
    # In the order in which the maps lie in memory, so that reducing runs along it.
    last = maps.stride(1) == 1
    by_row = _intervals(maps.permute(2, 0, 3, 1) if last else maps.permute(2, 0, 1, 3), rows, reduce)
    # Small by now: the columns are brought to the front, where reducing is fast.
    table = _intervals(
        by_row.movedim(2 if last else 3, 0).contiguous(), columns, reduce
    )  # [columns, rows, B, C]
    flat = torch.as_tensor(column_of.ravel() * len(rows) + row_of.ravel(), device=maps.device)
    return table.flatten(0, 1).index_select(0, flat).transpose(0, 1)


def _intervals(maps: torch.Tensor, intervals: np.ndarray, reduce: Reduce) -> torch.Tensor:
    """Reduce along the first axis over many overlapping intervals [K, 2]; the axis then has K entries.

    The ends of all intervals cut the axis into segments. Those are reduced once, in a single pass
    over the maps, and each interval then is a run of few segments.
    """
    cuts = np.unique(intervals)
    if len(cuts) > 2:
        covered = maps[cuts[0] : cuts[-1]]
        # Split, not sliced: the gradient of slices would be as many tensors of the maps' full size.
        maps = torch.stack([reduce(segment, 0) for segment in covered.split(np.diff(cuts).tolist())])
        intervals = np.searchsorted(cuts, intervals)
    return torch.stack([reduce(maps[a:b], 0) for a, b in intervals.tolist()])
