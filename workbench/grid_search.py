"""Which pipelines a grid of parts makes, and which of its combinations have no meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from workbench.config import Config, WorkbenchError
from workbench.features.backbones import Spec


@dataclass(frozen=True)
class Grid:
    """``pipelines`` that are valid, each once, and those ``left_out`` with the reason."""

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
    """Every combination of the parts, the last varying quickest; "" leaves one of the last three out."""
    valid: dict[str, None] = {}
    left_out = {}
    for parts in product(backbones, poolings, regions, weightings, whitenings, rerankings):
        text = "/".join(filter(None, parts))
        try:
            config = Config.parse(text)
            Spec.parse(config.backbone).module(config.pooling.name)  # has it a layer for this pooling?
        except WorkbenchError as error:
            left_out[text] = str(error)
        else:
            valid[str(config)] = None
    return Grid(tuple(valid), left_out)
