"""Rounding of convolutions to bfloat16 that keeps the sum of each kernel and the mean of each output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

_STEPS = 20  # of the search for weights that give a mean


def round_kernels(model: torch.nn.Module) -> None:
    """Round the kernels of a network to bfloat16 in place; the sum of each stays the same.

    A kernel is rounded from its largest weight to its smallest, and each weight takes the error of those
    before it. Where maps change slowly from cell to cell, errors then cancel; rounded each to its nearest
    value, the kernels of EfficientNet-Lite0 alone cost as much as all other roundings together.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight[0, 0].numel() > 1:
            module.weight.data = _rounded(module.weight.data)


def round_convolutions(model: torch.nn.Module, run: Callable[[], object]) -> None:
    """Round the kernels, weights and biases of a network to bfloat16 in place; means of outputs stay.

    ``run`` sends photographs through the network. In a first pass the mean of each output channel of the
    pointwise convolutions is measured. In a second, each of them is rounded just before its turn, when its
    input has the errors of all before it, to weights that give the measured mean. That is the bias correction
    of Nagel et al. (Data-free quantization, ICCV 2019, section 4.2), by weights since biases are rounded too.
    """
    means = dict[torch.nn.Conv2d, torch.Tensor]()

    def measure(module: Any, inputs: Any, output: torch.Tensor) -> None:
        means[module] = _mean(output)

    def adjust(module: Any, inputs: Any) -> None:
        down, across = module.stride
        wanted = means[module] - (0 if module.bias is None else module.bias.double())
        module.weight.data = _with_mean(module.weight.data, _mean(inputs[0][..., ::down, ::across]), wanted)

    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    pointwise = [m for m in convolutions if m.groups == 1 and m.weight[0, 0].numel() == 1]
    with torch.no_grad():
        _run_with([module.register_forward_hook(measure) for module in pointwise], run)
        round_kernels(model)
        for module in convolutions:
            if module.bias is not None:
                module.bias.data = module.bias.data.bfloat16().float()
        _run_with([module.register_forward_pre_hook(adjust) for module in pointwise], run)


def rounding_error(layer: torch.nn.Conv2d, maps: torch.Tensor, shift: float) -> float:
    """The mean squared error of a convolution of maps, less a shift, that are rounded to bfloat16."""
    moved = maps - shift
    error = moved.bfloat16().float() - moved
    sums = torch.nn.functional.conv2d(
        error, layer.weight, None, layer.stride, 0, layer.dilation, layer.groups
    )
    return float(sums.square().mean())


def _run_with(hooks: Sequence[Any], run: Callable[[], object]) -> None:
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()


def _mean(maps: torch.Tensor) -> torch.Tensor:
    """The mean of each channel of maps [B, C, H, W]."""
    return maps.mean((0, 2, 3), dtype=torch.float64)


def _with_mean(weight: torch.Tensor, mean: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Weights [out, in, 1, 1] rounded so that an input of ``mean`` [in] gives the output ``wanted`` [out].

    What is left of the difference is subtracted in the direction that changes weights least, until the
    rounding of some of them changes it.
    """
    target = weight.flatten(1).double()
    direction = mean / (mean @ mean).clamp(min=1e-30)
    for _ in range(_STEPS):
        left = target.bfloat16().double() @ mean - wanted
        target = target - left[:, None] * direction
    return target.bfloat16().to(weight.dtype).reshape(weight.shape)


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
