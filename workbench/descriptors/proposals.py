"""The regions that a trained network proposes on a map, and how much each of them counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from workbench.config import Config, WorkbenchError
from workbench.descriptors import detector
from workbench.descriptors.attention import SHIPPED, differences, learned, made_for
from workbench.descriptors.detector import Trained
from workbench.descriptors.pyramid import pyramid
from workbench.features.maps import MapSource

_ORIGIN = ("collection", "scenes", "epochs", "seed")
LEAST = 0.05  # objectness, below which a box is no proposal


class Laid(NamedTuple):
    """Regions int64 [B, N, 4] in cells, each map's own, and their weights [B, N, 1].

    Of a map with fewer proposals than others the first is repeated, with weight nought. ``without``: how
    many maps have none, and the whole map in their place.
    """

    regions: np.ndarray
    weights: torch.Tensor
    without: int


def lay(maps: torch.Tensor, count: int, trained: Trained) -> Laid:
    """The ``count`` surest proposals of each of some maps [B, C, H, W]; their weight is the objectness.

    A map is looked at by itself, so that its regions do not depend on its company.
    """
    height, width = maps.shape[2:]
    every = []
    for one in maps.split(1):
        found = trained.detector.propose(one)
        sure = found.scores >= LEAST
        cells = to_cells(found.boxes[sure].numpy(), height, width)
        _, first = np.unique(cells, axis=0, return_index=True)  # rounding may make two of them one
        first = np.sort(first)[:count]
        every.append((cells[first], found.scores[sure][torch.from_numpy(first)]))
    most = max(1, *(len(cells) for cells, _ in every))
    regions = np.empty((len(maps), most, 4), np.int64)
    weights = torch.zeros(len(maps), most, 1)
    for row, (cells, scores) in enumerate(every):
        regions[row] = cells[0] if len(cells) else (0, 0, width, height)
        regions[row, : len(cells)] = cells
        weights[row, : len(cells), 0] = scores
        if not len(cells):
            weights[row, 0] = 1
    return Laid(regions, weights, sum(not len(cells) for cells, _ in every))


def to_cells(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes float [n, 4] in cells as whole cells int64: clipped to the map, rounded, of one cell at least."""
    sides = np.array([width, height])
    near = np.rint(boxes[:, :2].clip(0, sides)).clip(0, sides - 1)
    far = np.maximum(np.rint(boxes[:, 2:].clip(0, sides)), near + 1)
    return np.concatenate([near, far], 1).astype(np.int64)


def origin(trained: Trained) -> dict[str, Any]:
    """What of the card says where the proposals come from."""
    return {part: trained.about[part] for part in _ORIGIN if part in trained.about}


def place(config: Config, source: MapSource) -> Path:
    """The file of a pipeline's proposals, shipped or trained under the name it says."""
    if config.regions.learned is not None:
        return learned(source.options.cache, config.regions.learned)
    return SHIPPED / f"proposals_{source.spec.name.replace('/', '_')}.safetensors"


def proposals(config: Config, source: MapSource) -> Trained | None:
    """What proposes a pipeline's regions, or None. Raises WorkbenchError where it is not there or unfit."""
    if config.regions.name != "proposals":
        return None
    own = pyramid(source) if config.regions.learned is None else None
    if own is not None:
        return own
    path = place(config, source)
    advice = (
        f"train some: workbench train proposals posters --backbone {config.backbone} --name NAME, then write "
        f"proposals:{config.regions.args[0]:g}:NAME"
    )
    if not path.is_file():
        what = f"{str(path)!r} is missing" if config.regions.learned else "none come with this backbone"
        raise WorkbenchError(f"regions {config.regions}: {what}; {advice}")
    found = detector.load(path)
    differing = differences(found.about, made_for(source))
    if differing:
        raise WorkbenchError(f"regions {config.regions}: they were trained for {differing}; {advice}")
    return found
