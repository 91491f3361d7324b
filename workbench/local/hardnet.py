"""HardNet: a small network that describes patches (Mishchuk et al., NIPS 2017)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch.nn.utils.fusion import fuse_conv_bn_eval

from workbench.config import WorkbenchError
from workbench.features.weights import read
from workbench.local.patches import SIDE

DIMENSIONS = 128
PUBLISHED = 32  # channels of the first layer
SHIPPED = Path(__file__).parents[1] / "weights" / "hardnet.safetensors"
_TOGETHER = 64  # patches at a time: what lies between the layers stays near the processor
_TINY = 1e-7


class HardNet(torch.nn.Module):
    """Seven convolutions, each normalised over the batch, from a patch to a unit vector of 128 numbers.

    Figure 2 of the paper has ``width`` 32; half of it makes 0.6 instead of 1.3 million parameters.
    Modules are named as in the published checkpoints.
    """

    def __init__(self, width: int = PUBLISHED, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        before = 1
        for channels, stride in zip((1, 1, 2, 2, 4, 4), (1, 1, 2, 1, 2, 1), strict=True):
            after = channels * width
            layers += [
                torch.nn.Conv2d(before, after, 3, stride, 1, bias=False),
                torch.nn.BatchNorm2d(after, affine=False),
                torch.nn.ReLU(),
            ]
            before = after
        layers += [
            torch.nn.Dropout(dropout),
            torch.nn.Conv2d(before, DIMENSIONS, SIDE // 4, bias=False),
            torch.nn.BatchNorm2d(DIMENSIONS, affine=False),
        ]
        self.width = width
        self.features = torch.nn.Sequential(*layers)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Patches [n, 32, 32], of any brightness and contrast, to unit vectors float32 [n, 128]."""
        values = patches.float()
        deviation, mean = torch.std_mean(values, dim=(1, 2), keepdim=True)
        upright = ((values - mean) / (deviation + _TINY))[:, None]
        out = self.features(upright.contiguous(memory_format=torch.channels_last)).flatten(1).float()
        return torch.nn.functional.normalize(out, dim=1)


class Describer:
    """A trained network ready to describe: normalisations folded into the convolutions before them."""

    def __init__(self, model: HardNet) -> None:
        model = model.eval().requires_grad_(False)
        folded, layers = list[torch.nn.Module](), list(model.features)
        for layer, after in zip(layers, [*layers[1:], None], strict=True):
            if isinstance(layer, torch.nn.Conv2d):
                assert isinstance(after, torch.nn.BatchNorm2d)
                folded.append(fuse_conv_bn_eval(layer, after))
            elif isinstance(layer, torch.nn.ReLU):
                folded.append(torch.nn.ReLU(inplace=True))
        self.model = HardNet(model.width).eval().requires_grad_(False)
        self.model.features = torch.nn.Sequential(*folded).to(memory_format=torch.channels_last)

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Patches uint8 [n, 32, 32] to unit vectors float32 [n, 128]."""
        parts = [np.zeros((0, DIMENSIONS), np.float32)]
        with torch.inference_mode():
            for some in torch.from_numpy(patches).split(_TOGETHER):
                if len(some):
                    parts.append(self.model(some).numpy())
        return np.concatenate(parts)


def load(path: Path) -> HardNet:
    """A network from a file that was trained here, or from a published checkpoint, of any width.

    Raises WorkbenchError where the file is missing, damaged or something else; nothing is unpickled.
    """
    if not path.is_file():
        raise WorkbenchError(f"HardNet's weights {str(path)!r} are missing; check the path")
    named = {str(name).removeprefix("module."): one for name, one in read(path).items()}
    state = {name: one for name, one in named.items() if isinstance(one, torch.Tensor)}
    first = state.get("features.0.weight")
    if first is None or first.shape[1:] != (1, 3, 3) or not len(first):
        raise WorkbenchError(f"weight file {str(path)!r} is no HardNet: it lacks 'features.0.weight'")
    with torch.device("meta"):  # of any width without the memory: who knows what the file says
        wanted = {name: one.shape for name, one in HardNet(len(first)).state_dict().items()}
    for name, shape in wanted.items():
        if name not in state and not name.endswith("num_batches_tracked"):
            raise WorkbenchError(f"weight file {str(path)!r} is no whole HardNet: it lacks {name!r}")
        if name in state and state[name].shape != shape:
            raise WorkbenchError(
                f"weight file {str(path)!r} does not fit HardNet: {name!r} is {list(state[name].shape)}, "
                f"not {list(shape)}"
            )
    model = HardNet(len(first))
    model.load_state_dict({name: state[name].float() for name in wanted if name in state}, strict=False)
    return model


def card(path: Path) -> dict[str, Any]:
    """What a file trained here says of itself; nothing of others."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(json.loads((file.metadata() or {})["card"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return {}


def describer(path: Path) -> Describer:
    """The network of a file, ready to describe; the last few stay in memory while their files do."""
    try:
        status = path.stat()
    except OSError:
        raise WorkbenchError(f"HardNet's weights {str(path)!r} are missing; check the path") from None
    return _describer(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _describer(path: Path, size: int, changed: int) -> Describer:
    return Describer(load(path))
