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
from workbench.config.steps import Step
from workbench.descriptors.pooling import pool
from workbench.descriptors.weighting import centre_prior, region_weights
from workbench.features.cards import (
    SHIPPED_WEIGHTS,
    card_differences,
    source_card,
    trained_path,
)
from workbench.features.map_source import MapSource

_ORIGIN = ("collection", "photos", "targets", "composites", "seed")
_TENSORS = ("hidden", "hidden_bias", "output", "output_bias")
_PLACE = "place"  # missing in files of earlier versions


@dataclass(frozen=True)
class Attention:
    """The weight of a region from its content, that of its image, and its place in the image.

    The weight is softplus(output · tanh(hidden · [its mean; the image's mean] + place · p + bias) + bias):
    the context-aware network of Kim and Yoon (BMVC 2018, section 3.2), with ``hidden`` [64, 2C] and its bias
    [64], ``output`` [64] and its bias []. ``place`` [64, 4] multiplies the region's place p (``places``), and
    is None in attention without this input. ``about`` is the card: the layer, data and settings of the
    training. If it contains ``area``, the weight is multiplied by the region's share of the map, and with
    ``centre`` by that power of the centre prior, averaged over the region's cells.
    """

    hidden: torch.Tensor
    hidden_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor
    about: dict[str, Any] = field(default_factory=dict)
    place: torch.Tensor | None = None

    def __call__(
        self,
        regions: torch.Tensor,
        images: torch.Tensor,
        region_places: torch.Tensor,
        owner: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute weights [...] of regions from their means [..., C] and those of their images (broadcast).

        ``region_places`` [..., 4] are the places of the regions. ``owner`` [R]: the row of ``images`` to
        which each row of ``regions`` belongs.
        """
        region_weights, context = self.hidden.chunk(2, dim=1)
        context = images @ context.T
        activation = (
            regions @ region_weights.T + (context if owner is None else context[owner]) + self.hidden_bias
        )
        if self.place is not None:
            activation = activation + region_places @ self.place.T
        return torch.nn.functional.softplus(torch.tanh(activation) @ self.output + self.output_bias)

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], about: dict[str, Any] | None = None) -> Attention:
        """Create attention from its tensors by name; ``place`` may be missing."""
        hidden, bias, output, output_bias = (tensors[name] for name in _TENSORS)
        return cls(hidden, bias, output, output_bias, about or {}, tensors.get(_PLACE))

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
            means, images = pool(detached, regions, "mean"), detached.float().mean((2, 3))[:, None]
            weights = self(means, images, places(regions, *maps.shape[2:]))
            if self.about.get("area"):
                weights = weights * areas(regions, *maps.shape[2:])
            if self.about.get("centre"):
                weights = weights * centre_weights(regions, *maps.shape[2:]) ** self.about["centre"]
            return weights[..., None]

    @property
    def origin(self) -> dict[str, Any]:
        """The entries of the card that describe the training data."""
        return {part: self.about[part] for part in _ORIGIN if part in self.about}

    def to_bytes(self) -> bytes:
        """Serialise to a safetensors file with the card in its metadata."""
        tensors = {name: getattr(self, name).detach().contiguous() for name in _TENSORS}
        if self.place is not None:
            tensors[_PLACE] = self.place.detach().contiguous()
        return b"".join(sealed(save(tensors, {"attention": json.dumps(self.about, ensure_ascii=False)})))

    @classmethod
    def load(cls, path: Path | str) -> Attention:
        """Load a file that ``to_bytes`` produced. Raises WorkbenchError for other and for damaged files."""
        require_intact(Path(path), "train it again")
        try:
            with safe_open(str(path), framework="pt") as file:
                about = json.loads((file.metadata() or {})["attention"])
                names = [*_TENSORS, *({_PLACE} & set(file.keys()))]
                tensors = {name: file.get_tensor(name).float() for name in names}
            width, channels = tensors["hidden"].shape
            shapes = {"hidden_bias": (width,), "output": (width,), "output_bias": (), _PLACE: (width, 4)}
            shaped = all(tensors[name].shape == shape for name, shape in shapes.items() if name in tensors)
            if channels % 2 or not shaped or not isinstance(about, dict):
                raise ValueError("shapes")
            if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
                raise ValueError("not finite")
        except DAMAGE as error:
            raise WorkbenchError(
                f"{str(path)!r} is not a regional attention ({type(error).__name__}); train it again"
            ) from None
        return cls.of(tensors, about)


def areas(regions: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Return the fraction of a map of height x width cells that each region [..., 4] covers, [...]."""
    x0, y0, x1, y1 = np.moveaxis(np.asarray(regions), -1, 0)
    return torch.from_numpy((x1 - x0) * (y1 - y0) / (height * width)).float()


def centre_weights(regions: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Return the centre prior's mean over regions [..., 4] of a map of height x width cells, [...]."""
    prior = centre_prior(height, width)[None, None]
    weights = region_weights(prior, regions)[..., 0]
    return weights[0] if np.ndim(regions) == 2 else weights


def places(regions: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Return the place [..., 4] of regions [..., 4] on a map of height x width cells.

    It consists of the centre's x and y, the region's width and its height, as shares of the map scaled to
    −1…1: the middle is (0, 0), and the whole map is (0, 0, 1, 1).
    """
    x0, y0, x1, y1 = np.moveaxis(np.asarray(regions) / [width, height, width, height], -1, 0)
    place = np.stack([x0 + x1 - 1, y0 + y1 - 1, 2 * (x1 - x0) - 1, 2 * (y1 - y0) - 1], -1)
    return torch.from_numpy(place).float()


def weights_path(config: Config, source: MapSource) -> Path | None:
    """Return the file of a pipeline's attention, shipped or trained under its name; None without one."""
    step = _step(config)
    if step is None:
        return None
    if step.learned is not None:
        return trained_path(source.options.cache, step.learned)
    return SHIPPED_WEIGHTS / f"attention_{source.spec.name.replace('/', '_')}.safetensors"


def load_attention(config: Config, source: MapSource) -> Attention | None:
    """Load the attention of a pipeline, or None. Raises WorkbenchError if it is missing or does not fit."""
    path, step = weights_path(config, source), _step(config)
    if path is None or step is None:
        return None
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


def _step(config: Config) -> Step | None:
    return next((step for step in config.weightings if step.name == "attention"), None)


@lru_cache(maxsize=16)
def _load(path: Path, changed: Stamp) -> Attention:
    return Attention.load(path)
