"""The pipelines of a grid of parts, without the combinations that have no meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.features.backbones import BackboneSpec


@dataclass(frozen=True)
class Grid:
    """The valid ``pipelines``, each once, and {pipeline: reason} of the invalid ones in ``left_out``."""

    pipelines: tuple[str, ...]
    left_out: dict[str, str]


def grid(
    backbones: Sequence[str],
    poolings: Sequence[str],
    regions: Sequence[str],
    weightings: Sequence[str] = ("",),
    whitenings: Sequence[str] = ("",),
    rerankings: Sequence[str] = ("",),
) -> Grid:
    """All combinations of the parts, the last varying fastest; "" leaves out one of the last three."""
    valid: dict[str, None] = {}
    left_out = {}
    for parts in product(backbones, poolings, regions, weightings, whitenings, rerankings):
        text = "/".join(filter(None, parts))
        try:
            config = Config.parse(text)
            BackboneSpec.parse(config.backbone).module(
                config.pooling.name
            )  # raises if no layer fits the pooling
        except WorkbenchError as error:
            left_out[text] = str(error)
        else:
            valid[str(config)] = None
    return Grid(tuple(valid), left_out)
