"""The graph of a network for OpenVINO, converted from PyTorch."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch

from workbench.config.errors import WorkbenchError
from workbench.features.network import Network, forward
from workbench.features.rounding import round_kernels

_TRACED = (256, 320)  # height and width of the image by which a network is traced
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


class Unconvertible(WorkbenchError):
    """A network cannot be run by OpenVINO."""


class _Traced(torch.nn.Module):
    """Pixels [B, H, W, 3] as floats to maps [B, h, w, C]."""

    def __init__(self, network: Network, model: torch.nn.Module) -> None:
        super().__init__()
        self.model, self.layer = model, network.layer
        self.mean, self.scale = network.mean, network.scale

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        images = ((pixels - self.mean) * self.scale).permute(0, 3, 1, 2)
        return forward(self.model, self.layer, images).permute(0, 2, 3, 1)


def convert(network: Network, side: int | None, half: bool) -> Any:
    """An ``openvino.Model`` from pixels, uint8 [B, H, W, 3], to maps [B, h, w, C] in float16.

    ``network`` is one of float32 on the CPU, and ``side`` its only size of input, if it has one. ``half``:
    round its kernels for bfloat16. A network whose graph computes with the size of its image (a transformer
    with interpolated positions) is converted only for one size: in bfloat16 such computations are wrong.
    Raises Unconvertible.
    """
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.preprocess import PrePostProcessor

    model = network.model
    if half:
        model = copy.deepcopy(model)
        round_kernels(model)
    height, width = (side, side) if side else _TRACED
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of tracing
            example = torch.zeros(1, height, width, 3)
            # Not by ``convert_model``, which reports its use to a server.
            frontend = FrontEndManager().load_by_framework("pytorch")
            decoder = TorchScriptPythonDecoder(_Traced(network, model), example_input=example)
            graph = frontend.convert(frontend.load(decoder))
        _pad_same(graph)
        steps = PrePostProcessor(graph)
        steps.input().tensor().set_element_type(openvino.Type.u8)
        steps.input().preprocess().convert_element_type(openvino.Type.f32)
        steps.output().tensor().set_element_type(openvino.Type.f16)
        graph = steps.build()
        graph.reshape([-1, height, width, 3] if side else [-1, -1, -1, 3])
    except Exception as error:  # OpenVINO raises any exception for operations it does not know
        reason = str(error).strip().split("\n")[0]
        raise Unconvertible(f"{network.name} cannot be converted to OpenVINO ({reason})") from None
    if side is None and any(node.get_type_name() == "ShapeOf" for node in graph.get_ordered_ops()):
        raise Unconvertible(
            f"{network.name} cannot be converted to OpenVINO: it computes with the size of its image"
        )
    return graph


def _pad_same(graph: Any) -> None:
    """Let convolutions pad by themselves what TensorFlow's networks pad by the size of their image.

    Without it, sizes are divided in bfloat16, which is wrong for some.
    """
    from openvino import opset13 as operations

    for node in graph.get_ordered_ops():
        if node.get_type_name() not in _CONVOLUTIONS:
            continue
        pad = node.input_value(0).get_node()
        if pad.get_type_name() != "Pad" or not _computed(pad.input_value(1)):
            continue
        make = operations.convolution
        if node.get_type_name() == "GroupConvolution":
            make = operations.group_convolution
        facts = node.get_attributes()
        none = [0, 0]
        padded = make(
            pad.input_value(0),
            node.input_value(1),
            facts["strides"],
            none,
            none,
            facts["dilations"],
            "same_upper",
        )
        for user in node.output(0).get_target_inputs():
            user.replace_source_output(padded.output(0))
    graph.validate_nodes_and_infer_types()


def _computed(output: Any) -> bool:
    """Whether a value depends on the shape of another."""
    node = output.get_node()
    return node.get_type_name() == "ShapeOf" or any(map(_computed, node.input_values()))
