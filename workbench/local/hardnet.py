"""HardNet: a small network that describes patches (Mishchuk et al., NIPS 2017)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch.nn.utils.fusion import fuse_conv_bn_eval

from workbench.common.damage import DAMAGE
from workbench.common.files import Stamp, stamp
from workbench.common.paths import user_path
from workbench.config.errors import WorkbenchError
from workbench.features.weights import read_tensors
from workbench.local.patches import SIDE

DIMENSIONS = 128
PUBLISHED = 32  # channels of the first layer
SHIPPED = Path(__file__).parents[1] / "weights" / "hardnet.safetensors"
_BATCH_PATCHES = 64  # described at a time, so that the intermediate results stay in the cache
_TINY = 1e-7


class HardNet(torch.nn.Module):
    """Seven convolutions with batch normalisation, from a patch to a unit vector of 128 numbers.

    Figure 2 of the paper has ``width`` 32; half of it gives 0.6 instead of 1.3 million parameters.
    Modules are named as in the published checkpoints.
    """

    def __init__(self, width: int = PUBLISHED, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        channels_in = 1
        for channels, stride in zip((1, 1, 2, 2, 4, 4), (1, 1, 2, 1, 2, 1), strict=True):
            channels_out = channels * width
            layers += [
                torch.nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
                torch.nn.BatchNorm2d(channels_out, affine=False),
                torch.nn.ReLU(),
            ]
            channels_in = channels_out
        layers += [
            torch.nn.Dropout(dropout),
            torch.nn.Conv2d(channels_in, DIMENSIONS, SIDE // 4, bias=False),
            torch.nn.BatchNorm2d(DIMENSIONS, affine=False),
        ]
        self.width = width
        self.features = torch.nn.Sequential(*layers)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Describe patches [n, 32, 32], of any brightness and contrast, by unit vectors float32 [n, 128]."""
        values = patches.float()
        deviation, mean = torch.std_mean(values, dim=(1, 2), keepdim=True)
        normalised = ((values - mean) / (deviation + _TINY))[:, None]
        vectors = self.features(normalised.contiguous(memory_format=torch.channels_last)).flatten(1).float()
        return torch.nn.functional.normalize(vectors, dim=1)


class PatchDescriber:
    """A trained network for inference, with batch normalisation folded into the convolutions."""

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
        """Describe patches uint8 [n, 32, 32] by unit vectors float32 [n, 128]."""
        parts = [np.zeros((0, DIMENSIONS), np.float32)]
        with torch.inference_mode():
            for batch in torch.from_numpy(patches).split(_BATCH_PATCHES):
                if len(batch):
                    parts.append(self.model(batch).numpy())
        return np.concatenate(parts)


def weight_path(name: str, cache: Path) -> Path | None:
    """Return a HardNet's weight file: shipped, trained under a name, or any path. None for SIFT."""
    if name == "sift":
        return None
    _, _, variant = name.partition(":")
    if not variant:
        return SHIPPED
    if "/" in variant or "." in variant:
        return user_path(variant, "HardNet's weights")
    path = cache / "learned" / f"{variant}.safetensors"
    if not path.is_file():
        raise WorkbenchError(
            f"{name!r}: {str(path)!r} is missing; train it (workbench train hardnet FOLDER --name {variant}),"
            " or name a file with its path, as in hardnet:./checkpoint.pth"
        )
    return path


def load(path: Path) -> HardNet:
    """Load a network of any width from a file trained here or from a published checkpoint.

    Raises WorkbenchError if the file is missing, damaged or not a HardNet; nothing is unpickled.
    """
    if not path.is_file():
        raise WorkbenchError(f"HardNet's weights {str(path)!r} are missing; check the path")
    named = {str(name).removeprefix("module."): tensor for name, tensor in read_tensors(path).items()}
    state = {name: tensor for name, tensor in named.items() if isinstance(tensor, torch.Tensor)}
    first = state.get("features.0.weight")
    if first is None or first.shape[1:] != (1, 3, 3) or not len(first):
        raise WorkbenchError(f"weight file {str(path)!r} is not a HardNet: it lacks 'features.0.weight'")
    with torch.device("meta"):  # allocates no memory, whatever width an untrusted file declares
        wanted = {name: tensor.shape for name, tensor in HardNet(len(first)).state_dict().items()}
    for name, shape in wanted.items():
        if name not in state and not name.endswith("num_batches_tracked"):
            raise WorkbenchError(f"weight file {str(path)!r} is an incomplete HardNet: it lacks {name!r}")
        if name in state and state[name].shape != shape:
            raise WorkbenchError(
                f"weight file {str(path)!r} does not fit HardNet: {name!r} is {list(state[name].shape)}, "
                f"not {list(shape)}"
            )
    model = HardNet(len(first))
    model.load_state_dict({name: state[name].float() for name in wanted if name in state}, strict=False)
    return model


def card(path: Path) -> dict[str, Any]:
    """Return the card of a file trained here; empty for other files."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(json.loads((file.metadata() or {})["card"]))
    except DAMAGE:
        return {}


def load_describer(path: Path) -> PatchDescriber:
    """Return the network of a file for inference; the last four are cached while the files are unchanged."""
    try:
        status = path.stat()
    except OSError:
        raise WorkbenchError(f"HardNet's weights {str(path)!r} are missing; check the path") from None
    return _describer(path, stamp(status))


@lru_cache(maxsize=4)
def _describer(path: Path, changed: Stamp) -> PatchDescriber:
    return PatchDescriber(load(path))
