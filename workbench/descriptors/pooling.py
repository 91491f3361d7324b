"""Pooling: reduce many regions of a feature map to vectors, in one pass over the map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from workbench.common.lazy import compiled
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step


def pool(maps: torch.Tensor | np.ndarray, regions: np.ndarray, scheme: str | Step) -> torch.Tensor:
    """Pool maps [B, C, H, W] over regions [N, 4] (x0, y0, x1, y1, ends exclusive): [B, N, C].

    Regions [B, N, 4] give each map its own regions, as proposals do.

    ``scheme`` is ``max`` (MAC), ``mean`` (SPoC without its prior), ``gem:p`` (Radenović et al. 2018:
    (mean x^p)^(1/p) of the non-negative part), ``crow`` (Kalantidis et al. 2016) or ``code`` (the
    values of a map of one cell). Each is homogeneous of degree one in the maps, with CroW's weights
    constant. Raises WorkbenchError if a region is empty or leaves the map.
    """
    step = Step.parse("pooling", scheme) if isinstance(scheme, str) else scheme
    maps, regions = torch.as_tensor(maps), np.asarray(regions)
    per_map = regions.ndim == 3 and maps.ndim == 4 and len(regions) == len(maps)
    if (
        maps.ndim != 4
        or not (per_map or regions.ndim == 2)
        or regions.shape[-1] != 4
        or regions.shape[-2] == 0
    ):
        raise WorkbenchError(
            f"pool takes maps [B, C, H, W] and regions [N, 4] or [B, N, 4], not {maps.ndim}-D and "
            f"{regions.shape}"
        )
    height, width = maps.shape[2:]
    x0, y0, x1, y1 = np.moveaxis(regions, -1, 0)
    if (x0 < 0).any() or (y0 < 0).any() or (x1 > width).any() or (y1 > height).any():
        raise WorkbenchError(f"a region leaves the map of {height}x{width} cells")
    if (x0 >= x1).any() or (y0 >= y1).any():
        raise WorkbenchError("a region holds no cell")
    if step.name == "code" and (height, width) != (1, 1):
        raise WorkbenchError(f"pooling 'code' takes a layer that gives vectors, not a {height}x{width} map")
    if step.name not in POOLINGS:
        raise WorkbenchError(f"pooling {step} is not available; valid: {', '.join(POOLINGS)}")
    if step.name != "max" or maps.requires_grad:  # only the maximum is exact in half precision
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    return POOLINGS[step.name](maps, regions, *step.args)


class _Max(torch.autograd.Function):
    """The maximum of each region. The gradient goes to the maximal cells, split equally between ties.

    A maximum of zero has gradient zero: it adds nothing to map x gradient, and behind a ReLU, which causes
    such maxima, no gradient passes.
    """

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
        pooled = _shared_maxima(maps, regions) if regions.ndim == 2 else _own_maxima(maps, regions)
        ctx.save_for_backward(maps, pooled)
        ctx.regions = regions
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        maps, pooled = ctx.saved_tensors
        cells = maps.permute(0, 2, 3, 1).cpu().numpy()
        maxima = pooled.masked_fill(pooled == 0, torch.nan).cpu().numpy()
        cell_gradients, region_gradients = np.zeros_like(cells, order="C"), gradient.cpu().numpy()
        if ctx.regions.ndim == 2:
            _credit(cell_gradients, cells, maxima, region_gradients, ctx.regions)
        else:
            for index, regions in enumerate(ctx.regions):
                image = slice(index, index + 1)
                _credit(cell_gradients[image], cells[image], maxima[image], region_gradients[image], regions)
        return torch.from_numpy(cell_gradients).to(maps.device).permute(0, 3, 1, 2), None


def _credit(
    cell_gradients: np.ndarray,
    cells: np.ndarray,
    maxima: np.ndarray,
    region_gradients: np.ndarray,
    regions: np.ndarray,
) -> None:
    """Add ``region_gradients`` [B, N, C] to ``cell_gradients`` [B, H, W, C] where cells equal ``maxima``."""
    for index, (x0, y0, x1, y1) in enumerate(regions.tolist()):
        # In NumPy, where comparing and finding take a tenth of the time.
        wins = cells[:, y0:y1, x0:x1] == maxima[:, index, None, None]
        image, y, x, channel = np.unravel_index(np.flatnonzero(wins), wins.shape)
        owner = image * wins.shape[3] + channel
        shared_gradient = region_gradients[:, index].ravel() / np.bincount(
            owner, minlength=region_gradients[:, index].size
        ).clip(1)
        cell = (image * cell_gradients.shape[1] + y + y0) * cell_gradients.shape[2] + x + x0
        cell_gradients.reshape(-1, cell_gradients.shape[3])[cell, channel] += shared_gradient[owner]


def _max(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(_Max.apply(maps, regions))


def _mean(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    return _sums(maps, shares(regions, *maps.shape[2:]))


def _gem(maps: torch.Tensor, regions: np.ndarray, p: float) -> torch.Tensor:
    positive = maps.clamp(min=0)
    # Relative to each channel's maximum, so that no power overflows; it cancels out of the result.
    channel_maxima = positive.detach().amax((2, 3)).clamp(min=1e-12)
    mean = _mean((positive / channel_maxima[:, :, None, None]) ** p, regions)
    inactive = mean <= 0  # the root has no derivative there
    return torch.where(inactive, 0.0, mean.masked_fill(inactive, 1.0) ** (1 / p)) * channel_maxima[:, None]


def _crow(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    detached = maps.detach()
    mass = detached.sum(1).clamp(min=0)
    norm = mass.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-12)
    cells = shares(regions, *maps.shape[2:])
    pooled = _sums(maps, (cells > 0) * (mass / norm).sqrt()[:, None].to(cells))
    share = _mean(detached.sign().clamp(min=0), regions)  # Q_k
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


def shares(regions: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Return uniform weights of each region's cells, which sum to one: [N, H, W], or [B, N, H, W]."""
    x0, y0, x1, y1 = torch.as_tensor(np.asarray(regions))[..., None].unbind(-2)
    x, y = torch.arange(width), torch.arange(height)
    across, down = (x >= x0) & (x < x1), (y >= y0) & (y < y1)
    return (down[..., None] & across[..., None, :]) / ((x1 - x0) * (y1 - y0))[..., None]


def _sums(maps: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum the cells of maps with region weights [N, H, W] or [B, N, H, W], by one matrix product."""
    cells = maps.permute(0, 2, 3, 1).flatten(1, 2)
    return torch.bmm(weights.to(maps).flatten(-2).expand(len(maps), -1, -1), cells)


def _shared_maxima(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    """Return the maximum of each region, the same regions for all maps.

    Numbers in half precision that are not negative are in the order of their bits, whose comparison takes two
    fifths of the time; any of them is above the bits of all negative numbers.
    """
    if maps.dtype == torch.float16 and maps.device.type == "cpu":
        bits = _maxima(maps.view(torch.int16), regions)
        if not bool((bits < 0).any()):  # else a region is negative everywhere
            return bits.view(torch.float16)
    return _maxima(maps, regions)


def _maxima(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    """Return the maximum of each region: first over the distinct row intervals, then over their columns.

    The ends of the row intervals divide the map into bands. The bands are reduced once, in a single pass
    over the maps; each interval is then a run of a few bands.
    """
    rows, row_of = np.unique(regions[:, [1, 3]], axis=0, return_inverse=True)
    cuts = np.unique(rows)
    # In the memory order of the maps, so that the reduction reads contiguous memory.
    axis, order = (0, (2, 3, 0, 1)) if maps.stride(1) == 1 else (2, (2, 0, 1, 3))
    covered = maps.permute(order)[cuts[0] : cuts[-1]]
    bands = torch.stack([band.amax(0) for band in covered.split(np.diff(cuts).tolist())])
    by_row = [bands[a:b].amax(0) for a, b in np.searchsorted(cuts, rows).tolist()]
    columns = zip(row_of.ravel().tolist(), regions[:, 0].tolist(), regions[:, 2].tolist(), strict=True)
    return torch.stack([by_row[row].narrow(axis, x0, x1 - x0).amax(axis) for row, x0, x1 in columns], 1)


def _own_maxima(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    """Return the maximum of each map's own regions [B, N, 4], which share no bands."""
    cells = maps.detach().permute(0, 2, 3, 1).float().contiguous().cpu().numpy()
    best = np.empty((*regions.shape[:2], cells.shape[3]), np.float32)
    _greatest(cells, np.ascontiguousarray(regions, np.int64), best)
    return torch.from_numpy(best).to(maps)


@compiled(nogil=True, error_model="numpy")
def _greatest(cells: np.ndarray, regions: np.ndarray, best: np.ndarray) -> None:
    """Fill ``best`` [B, N, C] with the maxima of cells [B, H, W, C] over regions [B, N, 4]."""
    for image in range(regions.shape[0]):
        for region in range(regions.shape[1]):
            x0, y0, x1, y1 = regions[image, region]
            maxima = best[image, region]
            maxima[:] = cells[image, y0, x0]
            for y in range(y0, y1):
                for x in range(x0, x1):
                    cell = cells[image, y, x]
                    for c in range(cell.shape[0]):
                        maxima[c] = cell[c] if cell[c] > maxima[c] else maxima[c]
