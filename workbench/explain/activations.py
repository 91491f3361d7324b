"""The response of a layer to a picture, and the contributions of channels and regions to a score."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.config.steps import Step
from workbench.descriptors.aggregation import pool_regions
from workbench.descriptors.attention import Attention
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac
from workbench.descriptors.weighting import cell_weights
from workbench.features.backbones import BackboneCard, BackboneSpec
from workbench.features.map_source import MapSource
from workbench.local.cells import attention as cell_attention

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from workbench.descriptors.rpn import ProposalModel


@dataclass(frozen=True)
class Activations(Drawable):
    """A picture's map at one layer, and the pipeline's regions on it.

    ``maps`` [C, H, W]; ``cells`` [H, W] are the pipeline's weights of the cells (ones if it has no
    weighting; the attention by which ``asmk`` selects cells). ``regions`` [N, 4] are fractions of width and
    height, ``levels`` [N] their levels in R-MAC from 1 (0: the whole map, or no levels), ``weights`` [N] the
    factors of the regions' vectors, and ``norms`` [N] the L2 norms of these vectors before normalisation.
    There are none where cells are compared by words. ``picture`` is that of the collection of that name,
    under the pipeline.
    """

    maps: np.ndarray = field(repr=False)
    cells: np.ndarray = field(repr=False)
    regions: np.ndarray = field(repr=False)
    levels: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    norms: np.ndarray = field(repr=False)
    picture: NamedPicture | None = field(default=None, repr=False, compare=False)
    collection: str = field(default="", repr=False, compare=False)
    pipeline: str = field(default="", repr=False, compare=False)

    def __repr__(self) -> str:
        channels, height, width = self.maps.shape
        name = f"{self.picture.name!r}: " if self.picture else ""
        return (
            f"Activations({name}{width} × {height} cells, {channels} channels, {len(self.regions)} regions)"
        )

    def figure(self, kind: str | int = "norm", regions: bool = True) -> Figure:
        """The picture under its heat: a kind of ``heat``, the weights of ``cells``, or a channel's number.

        ``regions``: draw them, with their weights as opacity. Raises WorkbenchError for another kind.
        """
        return draw("activations", self, kind=kind, regions=regions)

    def heat(self, kind: str, channel: int = 0) -> np.ndarray:
        """The map as one image [H, W]: ``norm`` (L2 over channels), ``max``, ``mean``, or one ``channel``.

        Sum pooling adds up the mean. ``max`` is the number of channels whose maximum over the map lies in
        the cell, which max pooling takes from there: several cells with one maximum share it evenly, and a
        channel whose maximum is 0 contributes nothing and is not counted, as in the explanation of a score.
        Raises WorkbenchError for an unknown kind or channel.
        """
        if kind == "channel" and not 0 <= channel < len(self.maps):
            raise WorkbenchError(f"channel {channel} is not in this layer; it has 0 to {len(self.maps) - 1}")
        if kind == "channel":
            return np.asarray(self.maps[channel])
        if kind == "max":
            return _maxima(self.maps)
        if kind == "mean":
            return np.asarray(self.maps.mean(0))
        if kind == "norm":
            return np.asarray(np.linalg.norm(self.maps, axis=0))
        raise WorkbenchError(f"heat {kind!r} is not known; valid: norm, max, mean, channel")


def _maxima(maps: np.ndarray) -> np.ndarray:
    """The number of channels of a map [C, H, W] whose maximum lies in each cell [H, W]."""
    top = maps.max((1, 2), keepdims=True)
    wins = (maps == top) & (top != 0)
    counts = (wins / wins.sum((1, 2), keepdims=True).clip(1)).sum(0)
    return np.asarray(counts, np.float32)


def activations(
    maps: torch.Tensor,
    config: Config,
    attention: Attention | None = None,
    proposals: ProposalModel | None = None,
) -> Activations:
    """The cells, regions and weights of a pipeline, with its attention and proposals, on a map [1, C, H, W].

    Raises WorkbenchError if the layer gives vectors.
    """
    height, width = maps.shape[2:]
    if (height, width) == (1, 1):
        raise WorkbenchError(
            f"{config.backbone} gives vectors, which have no map to show: a fully connected layer responds "
            "to the whole picture; choose a convolutional layer"
        )
    with torch.no_grad():
        if config.has_cells:  # which are not pooled
            none = np.zeros(0)
            strengths = cell_attention(maps)[0].numpy()
            return Activations(maps[0].numpy(), strengths, np.zeros((0, 4)), none.astype(int), none, none)
        cells = cell_weights(maps, config)
        weighted = maps * cells if cells is not None and config.regions.name == "whole" else maps
        pools = pool_regions(maps, config, attention, proposals)
        norms = pool(weighted, pools.regions, config.pooling).norm(dim=-1)[0]
    weights = torch.ones(len(norms)) if pools.weights is None else pools.weights[0, :, 0]
    return Activations(
        maps[0].numpy(),
        np.ones((height, width), np.float32) if cells is None else cells[0, 0].numpy(),
        pools.of(0) / np.array([width, height, width, height], float),
        region_levels(config.regions, height, width)[: len(norms)],  # there may be fewer proposals
        weights.numpy(),
        norms.numpy(),
    )


def region_levels(step: Step, height: int, width: int) -> np.ndarray:
    """The level of each region of a grid [N]: 1…L for R-MAC, 0 for the whole map and for plain grids."""
    if not step.name.startswith("rmac"):
        return np.zeros(int(np.prod(step.args or 1)), np.int64)
    top = int(step.args[0])
    counts = np.diff([0, *(len(rmac(height, width, level)) for level in range(1, top + 1))])
    levels = np.repeat(np.arange(1, top + 1), counts)
    return np.concatenate([[0], levels]) if step.name == "rmac+" else levels


def map_layers(card: BackboneCard) -> list[str]:
    """The named layers of a backbone that give maps, in the order of its card."""
    return [name for name in card.layers if name not in ("pool", "logits") and not name.startswith("fc")]


def at_layer(config: Config, layer: str) -> Config:
    """The pipeline at another layer of its backbone that gives maps: ``code`` is replaced by ``max``.

    Regional attention and proposals, which are trained for one layer, are left out.
    """
    spec = BackboneSpec.parse(config.backbone)
    backbone = f"{spec.name}@{layer}" + ("@random" if spec.random else "")
    pooling = Step("max") if config.pooling.name == "code" else config.pooling
    steps = tuple(step for step in config.steps if step.name != "attention")
    regions = Step("whole") if config.regions.name == "proposals" else config.regions
    return replace(config, backbone=backbone, pooling=pooling, regions=regions, steps=steps)


def layer_source(backbone: str, options: Options) -> MapSource:
    """A backbone cut at any layer, for maps of single pictures that are not stored."""
    source = _layer_source(backbone, options)
    if not source.fresh():
        _layer_source.cache_clear()
        source = _layer_source(backbone, options)
    return source


@lru_cache(maxsize=2)  # networks, so that choosing another layer need not load it again
def _layer_source(backbone: str, options: Options) -> MapSource:
    return MapSource(BackboneSpec.parse(backbone), "max", options)
