"""Rounding of convolutions to bfloat16 that keeps the sum of each kernel."""

from __future__ import annotations

import torch


def round_kernels(model: torch.nn.Module) -> None:
    """Round the kernels of a network to bfloat16 in place; the sum of each stays the same.

    A kernel is rounded from its largest weight to its smallest, and each weight takes the error of those
    before it. Where maps change slowly from cell to cell, errors then cancel; rounded each to its nearest
    value, the kernels of EfficientNet-Lite0 alone cost as much as all other roundings together.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight[0, 0].numel() > 1:
            module.weight.data = _rounded(module.weight.data)


def _rounded(weight: torch.Tensor) -> torch.Tensor:
    kernels = weight.flatten(2).double()  # [out, in, taps]
    order = kernels.abs().argsort(-1, descending=True)
    ordered = kernels.gather(-1, order)
    rounded = torch.empty_like(ordered)
    error = torch.zeros_like(ordered[..., 0])
    for tap in range(ordered.shape[-1]):
        wanted = ordered[..., tap] + error
        rounded[..., tap] = wanted.to(torch.bfloat16).double()
        error = wanted - rounded[..., tap]
    return torch.zeros_like(kernels).scatter_(-1, order, rounded).reshape(weight.shape).to(weight.dtype)
