"""Constants of a graph in fewer bits; all computations stay in single precision.

ONNX Runtime has few operations in half precision on a CPU, and converts such weights once, when it reads the
file. So only the file becomes smaller, and numbers that are not weights lose nothing.
"""

from __future__ import annotations

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.export.builder import Builder

onnx = lazy_module("onnx")

PRECISIONS = ("fp32", "fp16", "int8")
_LEAST = 1024  # numbers of a constant that is worth it
_AXES = {"Conv": 0, "Gemm": 0, "MatMul": 1}  # the output channels of a weight


def reduced(graph: Builder, precision: str) -> Builder:
    """A graph whose large constants are float16, or int8 with a factor for each output channel.

    In int8 are the weights of layers; whitenings and other constants are float16 then, and those that decide
    bits of a code too.
    """
    if precision == "fp32":
        return graph
    axes = {node.input[1]: (_AXES[node.op_type], node) for node in graph.nodes if node.op_type in _AXES}
    result, conversions = Builder(), []
    for name, values in graph.constants.items():
        if values.dtype != np.float32 or values.size < _LEAST:
            result.constants[name] = values
            continue
        axis, node = axes.get(name, (0, None))
        if precision == "int8" and name.startswith("network.") and node is not None and _plain(node):
            factor = (
                np.abs(values).max(tuple(i for i in range(values.ndim) if i != axis), keepdims=True) / 127
            )
            factor = np.maximum(factor, np.float32(1e-30)).astype(np.float32)
            result.constants[f"{name}.int8"] = np.rint(values / factor).astype(np.int8)
            result.constants[f"{name}.factor"] = factor
            conversions += [
                onnx.helper.make_node("Cast", [f"{name}.int8"], [f"{name}.whole"], to=1),
                onnx.helper.make_node("Mul", [f"{name}.whole", f"{name}.factor"], [name]),
            ]
        else:
            result.constants[f"{name}.half"] = values.astype(np.float16)
            conversions.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=1))
    result.nodes = [*conversions, *graph.nodes]
    return result


def _plain(node: object) -> bool:
    """Whether the output channels of a layer's weight are on the axis of the table."""
    transposed = [a.i for a in node.attribute if a.name == "transB"]  # type: ignore[attr-defined]
    return node.op_type != "Gemm" or transposed == [1]  # type: ignore[attr-defined]
