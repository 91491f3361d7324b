"""The graph of a network for OpenVINO, converted from PyTorch."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import torch

from workbench.config.errors import WorkbenchError
from workbench.features.network import Network, forward
from workbench.features.photographs import photographs
from workbench.features.rounding import round_convolutions, round_kernels, rounding_error

_TRACED = (256, 320)  # height and width of the image by which a network is traced
_CONVOLUTIONS = ("Convolution", "GroupConvolution")
_CENTRES = 13  # that are compared, halves of the range from 0 to 6
_ADJUSTED = 384  # side in pixels of the photographs by which a network is adjusted to its rounding


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
    """The ``openvino.Model`` from pixels, uint8 [B, H, W, 3], to maps [B, h, w, C] in float16.

    ``network`` is one of float32 on the CPU, and ``side`` its only size of input, if it has one. ``half``:
    prepare it for bfloat16, in which it is to be run: round its kernels, and, if it has depthwise
    convolutions, all of them so that means stay, and centre the input of the first depthwise one.
    A network whose graph computes with the size of its image (a transformer with interpolated positions) is
    converted only for one size: in bfloat16 such computations are wrong.
    Raises Unconvertible.
    """
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.preprocess import PrePostProcessor

    model, first = network.model, None
    if half:
        model = copy.deepcopy(model)
        first = _round(network, model, side)
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
        if first is not None:
            _centre_input(graph, *first)
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


def _round(
    network: Network, model: torch.nn.Module, side: int | None
) -> tuple[torch.nn.Conv2d, torch.Tensor] | None:
    """Round a copy of the model of a network; return its first depthwise convolution and maps given to it."""
    convolutions = (module for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    depthwise = next((module for module in convolutions if 1 < module.groups == module.in_channels), None)
    if depthwise is None:
        round_kernels(model)
        return None
    pixels = torch.from_numpy(np.stack(photographs(side or _ADJUSTED)))
    images = ((pixels - network.mean) * network.scale).permute(0, 3, 1, 2)
    given: list[torch.Tensor] = []
    hook = depthwise.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    round_convolutions(model, lambda: forward(model, network.layer, images))
    hook.remove()
    return (depthwise, given[0]) if given else None


def _centre_input(graph: Any, convolution: torch.nn.Conv2d, maps: torch.Tensor) -> None:
    """Centre the input of the first depthwise convolution, which is limited by a clamp, around 0.

    A depthwise kernel whose weights add up to nothing takes differences of neighbours, and amplifies their
    rounding: half of the error of EfficientNet-Lite0 in bfloat16 came from one channel of 0 to 6, most of it
    near 3.6. Around 0 such numbers are rounded less. The centre is the number whose subtraction leaves the
    least error with ``maps`` [B, C, H, W], 0 for MobileNetV2. Outputs stay the same: the map is padded by
    what 0 has become, and the sum of the kernel times the centre is added.
    """
    from openvino import opset13 as operations

    node = next(filter(_is_depthwise, graph.get_ordered_ops()), None)
    clamp = None if node is None else node.input_value(0).get_node()
    if node is None or clamp is None or clamp.get_type_name() != "Clamp":
        return
    facts, limits, kernels = node.get_attributes(), clamp.get_attributes(), node.input_value(1)
    low, high = limits["min"], limits["max"]
    centres = np.linspace(0, high, _CENTRES, dtype=np.float32)
    centre = min(centres, key=lambda number: rounding_error(convolution, maps, float(number)))
    if facts["auto_pad"] != "explicit" or not centre:
        return
    centred = operations.clamp(operations.subtract(clamp.input_value(0), centre), low - centre, high - centre)
    before, after = ([0, 0, *facts[name]] for name in ("pads_begin", "pads_end"))
    padded = operations.pad(centred, before, after, "constant", -centre)
    convolved = operations.group_convolution(
        padded, kernels, facts["strides"], [0, 0], [0, 0], facts["dilations"]
    )
    sums = operations.reduce_sum(kernels, np.array([2, 3, 4]), keep_dims=False)
    shape = np.array([1, -1, 1, 1])
    shift = operations.reshape(operations.multiply(sums, centre), shape, special_zero=False)
    moved = operations.add(convolved, shift)
    for user in node.output(0).get_target_inputs():
        user.replace_source_output(moved.output(0))
    graph.validate_nodes_and_infer_types()


def _is_depthwise(node: Any) -> bool:
    """Whether a node is a convolution with a kernel of one channel for each of its groups."""
    if node.get_type_name() != "GroupConvolution":
        return False
    return bool(node.input_value(1).get_partial_shape()[2] == 1)


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
