"""The graph of a network, as PyTorch traces it."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from workbench.common.lazy import lazy_module
from workbench.config.errors import WorkbenchError
from workbench.export.builder import OPSET
from workbench.export.convertible import convertible
from workbench.features.map_source import MapSource
from workbench.features.network import Network, forward

onnx = lazy_module("onnx")

_TRACED = 8, 10  # height and width, in cells, of the picture by which a network is traced


class _Traced(torch.nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.model, self.layer = network.model, network.layer

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return forward(self.model, self.layer, pixels)


def network_graph(network: Network, source: MapSource) -> Any:
    """The ONNX model of a network: ``pixels`` [1, 3, H, W] to ``maps`` [1, C, h, w].

    Traced, as torch.export needs a minute and cannot follow a network that is cut at a layer. Raises
    WorkbenchError if PyTorch cannot convert it.
    """
    side = source.fixed.side if source.fixed else None
    stride = source.card.stride
    file: Any = io.BytesIO()  # which torch.onnx takes, although its annotation says a path
    shape = (side, side) if side else (_TRACED[0] * stride, _TRACED[1] * stride)
    axes = {} if side else {"pixels": {2: "height", 3: "width"}}
    try:
        with torch.no_grad(), warnings.catch_warnings(), _silent_output(), convertible(network.model):
            warnings.simplefilter("ignore")  # of tracing, whose result is checked
            torch.onnx.export(
                _Traced(network).eval(),
                (torch.zeros(1, 3, *shape),),
                file,
                dynamo=False,
                input_names=["pixels"],
                output_names=["maps"],
                dynamic_axes=axes,
                opset_version=OPSET,
            )
    except Exception as error:  # PyTorch raises any exception for operations it does not know
        reason = str(error).strip().split("\n")[0].split(". ")[0][:200]
        raise WorkbenchError(
            f"backbone {source.spec.name} cannot be exported: PyTorch does not convert it ({reason})"
        ) from None
    return onnx.load_model_from_string(file.getvalue())


@contextmanager
def _silent_output() -> Iterator[None]:
    """Discard standard output, to which PyTorch prints, from C++, the graph that it cannot convert."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
