"""A network run by OpenVINO."""

from __future__ import annotations

import os
import queue
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from workbench.features.network import Network, UnsuitableSize
from workbench.features.openvino_graph import convert

VERSION = 3  # increased when the same image and weights give other maps than before by this runtime
MANY = 200  # images of a shape from which a graph of its own, compiled in 0.2 s to 0.6 s, saves time
_GRAPHS = 4  # most shapes with a graph of their own; each needs some 0.1 GB


class _Compiled:
    """A compiled graph and its idle requests."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        try:
            request = self.idle.get_nowait()
        except queue.Empty:  # there are as many as threads
            request = self._model.create_infer_request()
        request.infer([pixels], share_inputs=True)
        maps = np.array(request.get_output_tensor(0).data)
        self.idle.put(request)
        return maps


class OpenVINONetwork:
    """A network in OpenVINO, called as ``Network`` is: uint8 images [B, H, W, 3] to maps [B, C, h, w].

    Each core runs one image at a time; any number of threads may call it.
    """

    device = torch.device("cpu")

    def __init__(self, network: Network, side: int | None, precision: str) -> None:
        """Convert a network of float32 on the CPU; ``side`` is its only size of input, if it has one.

        Raises Unconvertible.
        """
        import openvino

        self.name = network.name
        self.runtime = f"openvino {version('openvino')}"
        self._vectors = network.gives_vectors()
        half = precision == "bfloat16"
        cores = os.cpu_count() or 1
        self._settings = {
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        }
        self._core = openvino.Core()
        self._graph, self._takes_any = convert(network, side, half), side is None
        self._any = self._compile(self._graph)
        self._special: dict[tuple[int, int], _Compiled] = {}  # by (height, width)

    def _compile(self, graph: Any) -> _Compiled:
        return _Compiled(self._core.compile_model(graph, "CPU", self._settings))

    def prepare(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Compile the graph for the most common (width, height) of the images that will be processed.

        Values are the same as those of the graph for any shape, which plans memory and kernels again for each
        image: 4 ms of a core for EfficientNet-Lite0 at 512 pixels. Earlier graphs are given up.
        """
        if not self._takes_any:
            return
        wanted = [
            (height, width) for (width, height), count in Counter(sizes).most_common(_GRAPHS) if count >= MANY
        ]
        earlier, special = self._special, {}
        for shape in wanted:
            if shape not in earlier:
                graph = self._graph.clone()
                graph.reshape([1, *shape, 3])
                earlier = {**earlier, shape: self._compile(graph)}
            special[shape] = earlier[shape]
        self._special = special

    def gives_vectors(self) -> bool:
        """Whether the layer gives a vector for each image, and not a map."""
        return self._vectors

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        count, height, width = images.shape[:3]
        compiled = self._special.get((height, width), self._any) if count == 1 else self._any
        pixels = np.ascontiguousarray(images.numpy())
        try:
            maps = torch.from_numpy(compiled(pixels))
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[-1]
            raise UnsuitableSize(
                f"{self.name} cannot take images of {width}x{height} pixels ({reason}); "
                "choose another --size or another backbone"
            ) from None
        return maps.permute(0, 3, 1, 2)
