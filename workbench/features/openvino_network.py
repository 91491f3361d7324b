"""A network run by OpenVINO."""

from __future__ import annotations

import importlib.util
import os
import queue
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from workbench.config.errors import WorkbenchError
from workbench.features.network import Network, UnsuitableSize
from workbench.features.openvino_graph import convert

INSTALL = "pip install 'retrieval-workbench[openvino]'"


def is_installed() -> bool:
    """Whether OpenVINO is installed; it is not imported."""
    try:
        return importlib.util.find_spec("openvino") is not None
    except ValueError:  # a module without a specification
        return False


def check_installed() -> None:
    """Raise WorkbenchError with the install command if OpenVINO is missing."""
    if not is_installed():
        raise WorkbenchError(f"runtime 'openvino' needs the package openvino; run {INSTALL}")


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
        settings = {
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        }
        self._compiled = openvino.Core().compile_model(convert(network, side, half), "CPU", settings)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def gives_vectors(self) -> bool:
        """Whether the layer gives a vector for each image, and not a map."""
        return self._vectors

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        try:
            request = self._idle.get_nowait()
        except queue.Empty:  # as many as there are threads
            request = self._compiled.create_infer_request()
        pixels = np.ascontiguousarray(images.numpy())
        try:
            request.infer([pixels], share_inputs=True)
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[-1]
            height, width = images.shape[1:3]
            raise UnsuitableSize(
                f"{self.name} cannot take images of {width}x{height} pixels ({reason}); "
                "choose another --size or another backbone"
            ) from None
        maps = torch.from_numpy(np.array(request.get_output_tensor(0).data))
        self._idle.put(request)
        return maps.permute(0, 3, 1, 2)
