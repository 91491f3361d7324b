"""Region proposals: regions that a trained network proposes on a map, and their weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.features.cards import SHIPPED_WEIGHTS, card_differences, source_card, trained_path
from workbench.features.map_source import MapSource

if TYPE_CHECKING:
    from workbench.descriptors.rpn import ProposalModel

_ORIGIN = ("collection", "scenes", "epochs", "seed")
MIN_OBJECTNESS = 0.05  # boxes below this are no proposals


class ProposedRegions(NamedTuple):
    """Regions int64 [B, N, 4] in cells, one set per map, and their weights [B, N, 1].

    A map with fewer proposals than others is padded with its first proposal at weight zero. ``without`` is
    the number of maps without proposals, which use the whole map instead.
    """

    regions: np.ndarray
    weights: torch.Tensor
    without: int


def propose_regions(maps: torch.Tensor, count: int, trained: ProposalModel) -> ProposedRegions:
    """Return the ``count`` best proposals of each map [B, C, H, W]; their weight is the objectness.

    Maps are processed one at a time, so that the regions of one do not depend on the others in the batch.
    """
    height, width = maps.shape[2:]
    per_map = []
    for single_map in maps.split(1):
        proposed = trained.detector.propose(single_map)
        accepted = proposed.scores >= MIN_OBJECTNESS
        cells = to_cells(proposed.boxes[accepted].numpy(), height, width)
        _, first = np.unique(cells, axis=0, return_index=True)  # rounding may merge two proposals
        first = np.sort(first)[:count]
        per_map.append((cells[first], proposed.scores[accepted][torch.from_numpy(first)]))
    max_count = max(1, *(len(cells) for cells, _ in per_map))
    regions = np.empty((len(maps), max_count, 4), np.int64)
    weights = torch.zeros(len(maps), max_count, 1)
    for row, (cells, scores) in enumerate(per_map):
        regions[row] = cells[0] if len(cells) else (0, 0, width, height)
        regions[row, : len(cells)] = cells
        weights[row, : len(cells), 0] = scores
        if not len(cells):
            weights[row, 0] = 1
    return ProposedRegions(regions, weights, sum(not len(cells) for cells, _ in per_map))


def to_cells(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Round boxes float [n, 4] in cells to int64, clipped to the map and at least one cell in size."""
    sides = np.array([width, height])
    upper_left = np.rint(boxes[:, :2].clip(0, sides)).clip(0, sides - 1)
    lower_right = np.maximum(np.rint(boxes[:, 2:].clip(0, sides)), upper_left + 1)
    return np.concatenate([upper_left, lower_right], 1).astype(np.int64)


def origin(trained: ProposalModel) -> dict[str, Any]:
    """Return the entries of the card that describe the training data."""
    return {part: trained.about[part] for part in _ORIGIN if part in trained.about}


def weights_path(config: Config, source: MapSource) -> Path:
    """Return the file of a pipeline's proposals, shipped or trained under its name."""
    if config.regions.learned is not None:
        return trained_path(source.options.cache, config.regions.learned)
    return SHIPPED_WEIGHTS / f"proposals_{source.spec.name.replace('/', '_')}.safetensors"


def load_proposal_model(config: Config, source: MapSource) -> ProposalModel | None:
    """Load the model that proposes a pipeline's regions, or None.

    Raises WorkbenchError if it is missing or does not fit.
    """
    if config.regions.name != "proposals":
        return None
    # torchvision's detectors take seconds to import, and few pipelines need them.
    from workbench.descriptors import rpn
    from workbench.descriptors.fpn import load_pyramid

    bundled = load_pyramid(source) if config.regions.learned is None else None
    if bundled is not None:
        return bundled
    path = weights_path(config, source)
    advice = (
        f"train them: workbench train proposals posters --backbone {config.backbone} --name NAME, then write "
        f"proposals:{config.regions.args[0]:g}:NAME"
    )
    if not path.is_file():
        reason = f"{str(path)!r} is missing" if config.regions.learned else "none come with this backbone"
        raise WorkbenchError(f"regions {config.regions}: {reason}; {advice}")
    trained = rpn.load(path)
    differing = card_differences(trained.about, source_card(source))
    if differing:
        raise WorkbenchError(f"regions {config.regions}: they were trained for {differing}; {advice}")
    return trained
