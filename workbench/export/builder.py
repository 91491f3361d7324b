"""A graph of ONNX operations, built in their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.config.errors import WorkbenchError

onnx = lazy_module("onnx")

OPSET = 18  # the first in which Resize has the anti-aliasing of Pillow and PyTorch


class Builder:
    """Operations and constants in the order in which they are added; values are known by name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self._count = 0

    def __call__(self, kind: str, *inputs: str | np.ndarray, **attributes: Any) -> str:
        """Add an operation and return the name of its output; arrays become constants."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        output = self.name(kind.lower())
        self.nodes.append(onnx.helper.make_node(kind, names, [output], **attributes))
        return output

    def name(self, word: str) -> str:
        self._count += 1
        return f"{word}_{self._count}"

    def constant(self, value: np.ndarray, name: str = "") -> str:
        """Add a constant under a name of its own."""
        name = name or self.name("constant")
        self.constants[name] = np.asarray(value, order="C")
        return name

    def insert(self, model: Any, inputs: dict[str, str], prefix: str) -> str:
        """Add the operations of a model with one output, whose constants are shared by all insertions."""
        renamed = dict(inputs)
        for tensor in model.graph.initializer:
            renamed[tensor.name] = f"network.{tensor.name}"
            if renamed[tensor.name] not in self.constants:
                self.constant(onnx.numpy_helper.to_array(tensor), renamed[tensor.name])
        for node in model.graph.node:
            if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
                raise WorkbenchError(f"the operation {node.op_type} of the network depends on its values")
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = ""
            del copy.input[:], copy.output[:]
            copy.input.extend(renamed.get(value, value) for value in node.input)
            for value in node.output:
                renamed[value] = f"{prefix}.{value}"
                copy.output.append(renamed[value])
            self.nodes.append(copy)
        return renamed[model.graph.output[0].name]


def integers(*values: int) -> np.ndarray:
    """Whole numbers as a constant [n]."""
    return np.array(values, np.int64)


def whole(value: int) -> np.ndarray:
    """A whole number as a constant []."""
    return np.array(value, np.int64)


def single(value: float) -> np.ndarray:
    """A number in single precision as a constant []."""
    return np.array(value, np.float32)


def double(value: float) -> np.ndarray:
    """A number in double precision as a constant []."""
    return np.array(value, np.float64)
