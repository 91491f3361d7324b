"""Pooling: many regions of a feature map to vectors, in one pass over the map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from torch.autograd.function import once_differentiable

from workbench.config import Step, WorkbenchError


def pool(maps: torch.Tensor | np.ndarray, regions: np.ndarray, scheme: str | Step) -> torch.Tensor:
    """Pool maps [B, C, H, W] over regions [N, 4] (x0, y0, x1, y1, ends left out): [B, N, C].

    Regions [B, N, 4] are each map's own, as proposals are.

    ``scheme`` is ``max`` (MAC), ``mean`` (SPoC without its prior), ``gem:p`` (Radenović et al. 2018:
    (mean x^p)^(1/p) of the non-negative part), ``crow`` (Kalantidis et al. 2016) or ``code`` (the
    values of a map of one cell). Each is homogeneous of degree one in the maps, with CroW's weights
    held fixed. Raises WorkbenchError where a region is empty or leaves the map.
    """
    step = Step.parse("pooling", scheme) if isinstance(scheme, str) else scheme
    maps, regions = torch.as_tensor(maps), np.asarray(regions)
    own = regions.ndim == 3 and maps.ndim == 4 and len(regions) == len(maps)
    if maps.ndim != 4 or not (own or regions.ndim == 2) or regions.shape[-1] != 4 or regions.shape[-2] == 0:
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
    if step.name != "max" or maps.requires_grad:  # only a maximum itself is exact in half precision
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    return POOLINGS[step.name](maps, regions, *step.args)


class _Max(torch.autograd.Function):
    """The maximum of each region. Backward goes to the winning cells alone; those that tie share alike.

    A maximum of nought gives nothing back: it adds nothing to map x gradient, and behind a ReLU, where
    a silent region has its noughts from, no gradient gets through anyway.
    """

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
        pooled = _maxima(maps, regions) if regions.ndim == 2 else _own_maxima(maps, regions)
        ctx.save_for_backward(maps, pooled)
        ctx.regions = regions
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        maps, pooled = ctx.saved_tensors
        cells = maps.permute(0, 2, 3, 1).cpu().numpy()
        sought = pooled.masked_fill(pooled == 0, torch.nan).cpu().numpy()
        back, given = np.zeros_like(cells, order="C"), gradient.cpu().numpy()
        if ctx.regions.ndim == 2:
            _credit(back, cells, sought, given, ctx.regions)
        else:
            for n, regions in enumerate(ctx.regions):
                some = slice(n, n + 1)
                _credit(back[some], cells[some], sought[some], given[some], regions)
        return torch.from_numpy(back).to(maps.device).permute(0, 3, 1, 2), None


def _credit(
    back: np.ndarray, cells: np.ndarray, sought: np.ndarray, given: np.ndarray, regions: np.ndarray
) -> None:
    """Add to ``back`` [B, H, W, C] what is ``given`` [B, N, C] to the cells that are what is ``sought``."""
    for n, (x0, y0, x1, y1) in enumerate(regions.tolist()):
        # In numpy, where comparing and finding take a tenth of the time.
        wins = cells[:, y0:y1, x0:x1] == sought[:, n, None, None]
        image, y, x, channel = np.unravel_index(np.flatnonzero(wins), wins.shape)
        owner = image * wins.shape[3] + channel
        alike = given[:, n].ravel() / np.bincount(owner, minlength=given[:, n].size).clip(1)
        cell = (image * back.shape[1] + y + y0) * back.shape[2] + x + x0
        back.reshape(-1, back.shape[3])[cell, channel] += alike[owner]


def _max(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(_Max.apply(maps, regions))


def _mean(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    return _sums(maps, shares(regions, *maps.shape[2:]))


def _gem(maps: torch.Tensor, regions: np.ndarray, p: float) -> torch.Tensor:
    positive = maps.clamp(min=0)
    # Relative to each channel's maximum, so that no power overflows; it cancels out of the result.
    top = positive.detach().amax((2, 3)).clamp(min=1e-12)
    mean = _mean((positive / top[:, :, None, None]) ** p, regions)
    silent = mean <= 0  # the root has no derivative there
    return torch.where(silent, 0.0, mean.masked_fill(silent, 1.0) ** (1 / p)) * top[:, None]


def _crow(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    held = maps.detach()
    mass = held.sum(1).clamp(min=0)
    norm = mass.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-12)
    cells = shares(regions, *maps.shape[2:])
    pooled = _sums(maps, (cells > 0) * (mass / norm).sqrt()[:, None].to(cells))
    share = _mean(held.sign().clamp(min=0), regions)  # Q_k
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
    """Each region's cells with equal shares that sum to one: [N, H, W], or [B, N, H, W] of [B, N, 4]."""
    x0, y0, x1, y1 = torch.as_tensor(np.asarray(regions))[..., None].unbind(-2)
    x, y = torch.arange(width), torch.arange(height)
    across, down = (x >= x0) & (x < x1), (y >= y0) & (y < y1)
    return (down[..., None] & across[..., None, :]) / ((x1 - x0) * (y1 - y0))[..., None]


def _sums(maps: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sums of the cells of maps with the weights [N, H, W] or [B, N, H, W] of each region: one product."""
    cells = maps.permute(0, 2, 3, 1).flatten(1, 2)
    return torch.bmm(weights.to(maps).flatten(-2).expand(len(maps), -1, -1), cells)


def _maxima(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    """The maximum of each region: over the distinct row intervals first, then over the columns of those.

    The ends of the row intervals cut the map into bands. Those are reduced once, in a single pass over
    the maps, and each interval then is a run of few bands.
    """
    rows, row_of = np.unique(regions[:, [1, 3]], axis=0, return_inverse=True)
    cuts = np.unique(rows)
    # In the order in which the maps lie in memory, so that reducing runs along it.
    axis, order = (0, (2, 3, 0, 1)) if maps.stride(1) == 1 else (2, (2, 0, 1, 3))
    covered = maps.permute(order)[cuts[0] : cuts[-1]]
    bands = torch.stack([band.amax(0) for band in covered.split(np.diff(cuts).tolist())])
    by_row = [bands[a:b].amax(0) for a, b in np.searchsorted(cuts, rows).tolist()]
    columns = zip(row_of.ravel().tolist(), regions[:, 0].tolist(), regions[:, 2].tolist(), strict=True)
    return torch.stack([by_row[row].narrow(axis, x0, x1 - x0).amax(axis) for row, x0, x1 in columns], 1)


def _own_maxima(maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    """The maximum of each map's own regions [B, N, 4], which have no bands in common."""
    cells = maps.detach().permute(0, 2, 3, 1).float().contiguous().cpu().numpy()
    best = np.empty((*regions.shape[:2], cells.shape[3]), np.float32)
    _greatest(cells, np.ascontiguousarray(regions, np.int64), best)
    return torch.from_numpy(best).to(maps)


@numba.njit(nogil=True, error_model="numpy")
def _greatest(cells: np.ndarray, regions: np.ndarray, best: np.ndarray) -> None:
    """Fill ``best`` [B, N, C] with the maxima of cells [B, H, W, C] over regions [B, N, 4]."""
    for image in range(regions.shape[0]):
        for n in range(regions.shape[1]):
            x0, y0, x1, y1 = regions[image, n]
            so_far = best[image, n]
            so_far[:] = cells[image, y0, x0]
            for y in range(y0, y1):
                for x in range(x0, x1):
                    cell = cells[image, y, x]
                    for c in range(cell.shape[0]):
                        so_far[c] = cell[c] if cell[c] > so_far[c] else so_far[c]
