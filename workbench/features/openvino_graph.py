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
_POINTWISE = ("Add", "Clamp", "Relu", "Swish", "HSwish")
_UNLIMITED = 3e38
_LATEST = 3  # a first depthwise convolution behind more convolutions than these is not run in float32


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


def convert(network: Network, side: int | None, half: bool) -> list[Any]:
    """Each ``openvino.Model`` from pixels, uint8 [B, H, W, 3], to maps [B, h, w, C] in float16, run in turn.

    ``network`` is one of float32 on the CPU, and ``side`` its only size of input, if it has one. ``half``:
    prepare it for bfloat16, in which the last model is to be run: round its kernels, and, if it has depthwise
    convolutions, keep its biases and its first layers in float32; those layers are a model before the last.
    A network whose graph computes with the size of its image (a transformer with interpolated positions) is
    converted only for one size: in bfloat16 such computations are wrong.
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
    return _parts(graph) if half else [graph]


def _parts(graph: Any) -> list[Any]:
    """Split a graph for bfloat16 behind its first depthwise convolution, and keep its biases in float32.

    The first depthwise convolution of EfficientNet-Lite0 amplifies the rounding of its input, and OpenVINO
    rounds biases: its maps have a cosine of 0.9987 to those of float32 with these two, 0.9996 without.
    Others stay as they are.
    """
    convolutions = [node for node in graph.get_ordered_ops() if node.get_type_name() in _CONVOLUTIONS]
    depthwise = [place for place, node in enumerate(convolutions) if _is_depthwise(node)]
    if not depthwise:
        return [graph]
    for node in convolutions:
        _keep_bias(node)
    graph.validate_nodes_and_infer_types()
    return _split(graph, convolutions[depthwise[0]]) if depthwise[0] < _LATEST else [graph]


def _is_depthwise(node: Any) -> bool:
    """Whether a convolution has a kernel of one channel for each of its groups."""
    kernels = node.input_value(1).get_partial_shape()
    return node.get_type_name() == "GroupConvolution" and bool(kernels[2] == 1)


def _keep_bias(node: Any) -> None:
    """Add the bias of a convolution in float32.

    OpenVINO rounds a bias that is added to a convolution directly. Behind a clamp that changes nothing it
    is a later step of the same kernel, which computes in float32.
    """
    from openvino import opset13 as operations

    users = [target.get_node() for target in node.output(0).get_target_inputs()]
    if len(users) != 1 or users[0].get_type_name() != "Add":
        return
    bias = users[0].input_value(1)
    if bias.get_node().get_type_name() != "Constant":
        return
    added = operations.add(operations.clamp(node.output(0), -_UNLIMITED, _UNLIMITED), bias)
    for user in users[0].output(0).get_target_inputs():
        user.replace_source_output(added.output(0))


def _split(graph: Any, node: Any) -> list[Any]:
    """Two graphs: up to a node with its bias and activation, and from there, by maps [B, h, w, C]."""
    import openvino
    from openvino import opset13 as operations
    from openvino.preprocess import PrePostProcessor

    value = node.output(0)
    while len(users := value.get_target_inputs()) == 1:
        following = next(iter(users)).get_node()
        if following.get_type_name() not in _POINTWISE:
            break
        value = following.output(0)
    between = operations.parameter(value.get_partial_shape(), openvino.Type.f32)
    for user in value.get_target_inputs():
        user.replace_source_output(between.output(0))
    first = PrePostProcessor(openvino.Model([operations.result(value)], graph.get_parameters()))
    first.output().tensor().set_layout(openvino.Layout("NHWC"))
    first.output().model().set_layout(openvino.Layout("NCHW"))
    second = PrePostProcessor(openvino.Model(graph.get_results(), [between]))
    second.input().tensor().set_layout(openvino.Layout("NHWC"))
    second.input().model().set_layout(openvino.Layout("NCHW"))
    return [first.build(), second.build()]


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
