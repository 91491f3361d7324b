"""The region proposals of torchvision's own detectors, as far as the map that is stored decides them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator

from workbench.config import WorkbenchError
from workbench.descriptors.detector import Found, Trained, pictures, proposed
from workbench.features import models, weights
from workbench.features.backbones import DETECTORS
from workbench.features.maps import MapSource


class Pyramid(torch.nn.Module):
    """The top of a feature pyramid (Lin et al., CVPR 2017) and the region proposal network on it.

    The top two levels come of the last map alone, with nothing added from above, so that their proposals are
    those of the whole detector. They are of sides of 256 pixels and more, in pictures of the size that was
    described; smaller things are for levels below, whose maps are not kept.
    """

    def __init__(self, model: Any, stride: int) -> None:
        super().__init__()
        self.stride = stride
        fpn = model.backbone.fpn
        self.inner: torch.nn.Module = fpn.inner_blocks[-1]
        self.outer: torch.nn.Module = fpn.layer_blocks[-1]
        self.rpn = model.rpn
        every = self.rpn.anchor_generator
        self.rpn.anchor_generator = AnchorGenerator(every.sizes[-2:], every.aspect_ratios[-2:])

    def levels(self, maps: torch.Tensor) -> list[torch.Tensor]:
        """The top two levels' maps, of a last map [1, C, H, W]."""
        top = torch.as_tensor(self.outer(self.inner(maps.float())))
        return [top, torch.nn.functional.max_pool2d(top, 1, 2)]

    def propose(self, maps: torch.Tensor) -> Found:
        """The proposals of one map [1, C, H, W], best first."""
        with torch.no_grad():
            found = proposed(self.rpn, self.levels(maps), pictures(maps, self.stride), self.stride)
        order = found.scores.argsort(descending=True, stable=True)
        return Found(found.boxes[order], found.scores[order])


def pyramid(source: MapSource) -> Trained | None:
    """What proposes regions on the maps of a torchvision detector, or None where the backbone is none.

    Raises WorkbenchError where the maps are of another layer than its last, or its weights lack a part.
    """
    if source.card.model not in DETECTORS:
        return None
    if source.layer != source.card.layer:
        raise WorkbenchError(
            f"{source.spec.name} proposes regions on its last map, not on {source.layer!r}; leave out @LAYER"
        )
    path = None if source.spec.random else weights.locate(source.spec, source.options.weights)
    return _pyramid(source.card.model, source.card.stride, path, source.fingerprint, source.options.seed)


@lru_cache(maxsize=4)
def _pyramid(model: str, stride: int, path: Path | None, fingerprint: str, seed: int) -> Trained:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        whole = models.detector(model)
    if path is not None:
        state = weights.read(path)
        missing = whole.load_state_dict(state, strict=False).missing_keys
        lost = [key for key in missing if key.startswith(("backbone.fpn", "rpn"))]
        if lost:
            raise WorkbenchError(
                f"weight file {str(path)!r} lacks {lost[0]!r}, which proposes regions; fetch all of it"
            )
    made = Pyramid(whole, stride).eval().requires_grad_(False)
    return Trained(made, {"collection": "COCO" if path else "none: random weights", "weights": fingerprint})
