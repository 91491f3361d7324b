"""Modules that PyTorch converts, in place of those of a network that it does not, while it is traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class _AdaptiveAverage(torch.nn.Module):
    """``torch.nn.AdaptiveAvgPool2d`` of maps of any size, by products of matrices.

    Part i of ``count`` has the cells from floor(i · length / count) to ceil((i + 1) · length / count).
    """

    def __init__(self, counts: tuple[int, int]) -> None:
        super().__init__()
        self.counts = counts

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        down, across = (_shares(maps.shape[2 + axis], count) for axis, count in enumerate(self.counts))
        return down @ maps @ across.T


def _shares(length: int, count: int) -> torch.Tensor:
    """The weights of the cells of each part, [count, length]."""
    part, cell = torch.arange(count)[:, None], torch.arange(length)
    inside = (cell >= part * length // count) & (cell * count < (part + 1) * length)
    return inside.float() / inside.float().sum(1, keepdim=True)


@contextmanager
def convertible(model: torch.nn.Module) -> Iterator[None]:
    """Exchange what PyTorch does not convert while a model is traced: poolings to a fixed size, as before the
    layers ``fc`` of AlexNet and VGG, and the fused attention of transformers."""
    kept, fused = dict[str, torch.nn.Module](), torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        for name, module in [*model.named_modules()]:
            size = module.output_size if isinstance(module, torch.nn.AdaptiveAvgPool2d) else 1
            rows, columns = size if isinstance(size, tuple) else (size, size)
            if rows and columns and rows * columns > 1:  # one cell is the mean, which ONNX has
                kept[name] = module
                model.set_submodule(name, _AdaptiveAverage((rows, columns)))
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for name, module in kept.items():
            model.set_submodule(name, module)
