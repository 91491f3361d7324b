"""Regional attention: weights of regions from their content and that of the whole image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save

from workbench.common.checksums import require_intact, sealed
from workbench.common.damage import DAMAGE
from workbench.common.files import Stamp, stamp
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.pooling import pool
from workbench.features.cards import (
    SHIPPED_WEIGHTS,
    card_differences,
    source_card,
    trained_path,
)
from workbench.features.map_source import MapSource

_ORIGIN = ("collection", "photos", "targets", "composites", "seed")
_TENSORS = ("hidden", "hidden_bias", "output", "output_bias")


@dataclass(frozen=True)
class Attention:
    """The weight of a region: softplus(output · tanh(hidden · [its mean; the image's mean] + bias) + bias).

    The context-aware network of Kim and Yoon (BMVC 2018, section 3.2): ``hidden`` [64, 2C] and its bias
    [64], ``output`` [64] and its bias []. ``about`` is the card: the layer, data and settings of the
    training. If it contains ``area``, the weight is multiplied by the region's share of the map.
    """

    hidden: torch.Tensor
    hidden_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor
    about: dict[str, Any] = field(default_factory=dict)

    def __call__(
        self, regions: torch.Tensor, images: torch.Tensor, owner: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute weights [...] of regions from their means [..., C] and those of their images (broadcast).

        ``owner`` [R]: the row of ``images`` to which each row of ``regions`` belongs.
        """
        region_weights, context = self.hidden.chunk(2, dim=1)
        context = images @ context.T
        activation = (
            regions @ region_weights.T + (context if owner is None else context[owner]) + self.hidden_bias
        )
        return torch.nn.functional.softplus(torch.tanh(activation) @ self.output + self.output_bias)

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], about: dict[str, Any] | None = None) -> Attention:
        """Create attention from its four tensors by name."""
        hidden, bias, output, output_bias = (tensors[name] for name in _TENSORS)
        return cls(hidden, bias, output, output_bias, about or {})

    def weights(self, maps: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
        """Compute weights [B, N, 1] of the regions of maps [B, C, H, W], constant under differentiation."""
        channels = self.hidden.shape[1] // 2
        if maps.shape[1] != channels:
            raise WorkbenchError(
                f"this attention weights maps of {channels} channels, not {maps.shape[1]}; "
                "train one for this layer"
            )
        with torch.no_grad():
            detached = maps.detach()
            weights = self(pool(detached, regions, "mean"), detached.float().mean((2, 3))[:, None])
            if self.about.get("area"):
                weights = weights * areas(regions, *maps.shape[2:])
            return weights[..., None]

    @property
    def origin(self) -> dict[str, Any]:
        """The entries of the card that describe the training data."""
        return {part: self.about[part] for part in _ORIGIN if part in self.about}

    def to_bytes(self) -> bytes:
        """Serialise to a safetensors file with the card in its metadata."""
        tensors = {name: getattr(self, name).detach().contiguous() for name in _TENSORS}
        return b"".join(sealed(save(tensors, {"attention": json.dumps(self.about, ensure_ascii=False)})))

    @classmethod
    def load(cls, path: Path | str) -> Attention:
        """Load a file that ``to_bytes`` produced. Raises WorkbenchError for other and for damaged files."""
        require_intact(Path(path), "train it again")
        try:
            with safe_open(str(path), framework="pt") as file:
                about = json.loads((file.metadata() or {})["attention"])
                hidden, bias, output, output_bias = (file.get_tensor(name).float() for name in _TENSORS)
            width, channels = hidden.shape
            shapes = [tuple(tensor.shape) for tensor in (bias, output, output_bias)]
            if channels % 2 or shapes != [(width,), (width,), ()] or not isinstance(about, dict):
                raise ValueError("shapes")
            if not all(bool(tensor.isfinite().all()) for tensor in (hidden, bias, output, output_bias)):
                raise ValueError("not finite")
        except DAMAGE as error:
            raise WorkbenchError(
                f"{str(path)!r} is not a regional attention ({type(error).__name__}); train it again"
            ) from None
        return cls(hidden, bias, output, output_bias, about)


def areas(regions: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Return the fraction of a map of height x width cells that each region [..., 4] covers, [...]."""
    x0, y0, x1, y1 = np.moveaxis(np.asarray(regions), -1, 0)
    return torch.from_numpy((x1 - x0) * (y1 - y0) / (height * width)).float()


def weights_path(config: Config, source: MapSource) -> Path | None:
    """Return the file of a pipeline's attention, shipped or trained under its name; None without one."""
    step = next((step for step in config.weightings if step.name == "attention"), None)
    if step is None:
        return None
    if step.learned is not None:
        return trained_path(source.options.cache, step.learned)
    return SHIPPED_WEIGHTS / f"attention_{source.spec.name.replace('/', '_')}.safetensors"


def load_attention(config: Config, source: MapSource) -> Attention | None:
    """Load the attention of a pipeline, or None. Raises WorkbenchError if it is missing or does not fit."""
    path = weights_path(config, source)
    if path is None:
        return None
    step = config.weightings[0]
    advice = (
        f"train one: workbench train attention FOLDER --backbone {config.backbone} --name NAME, "
        "then write attention:NAME"
    )
    try:
        status = path.stat()
    except OSError:
        reason = f"{str(path)!r} is missing" if step.learned else "none comes with this backbone"
        raise WorkbenchError(f"step {step}: {reason}; {advice}") from None
    loaded = _load(path, stamp(status))
    differing = card_differences(loaded.about, source_card(source))
    if differing:
        raise WorkbenchError(f"step {step}: it was trained for {differing}; {advice}")
    return loaded


@lru_cache(maxsize=16)
def _load(path: Path, changed: Stamp) -> Attention:
    return Attention.load(path)
