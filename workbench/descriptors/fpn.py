"""The region proposals of torchvision's own detectors, as far as they depend on the stored map."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torchvision  # noqa: F401 - before its modules: see import_after_torchvision
from torchvision.models.detection.anchor_utils import AnchorGenerator

from workbench.config.errors import WorkbenchError
from workbench.descriptors.rpn import BoxProposals, ProposalModel, blank_image_list, run_rpn
from workbench.features import models, weights
from workbench.features.backbones import DETECTORS
from workbench.features.map_source import MapSource


class FeaturePyramid(torch.nn.Module):
    """The top of a feature pyramid (Lin et al., CVPR 2017) and the region proposal network on it.

    The top two levels depend on the last map alone, so that their proposals equal those of the whole
    detector. Their sides are 256 pixels and more, in pictures of the described size; smaller objects
    belong to lower levels, whose maps are not stored.
    """

    def __init__(self, model: Any, stride: int) -> None:
        super().__init__()
        self.stride = stride
        fpn = model.backbone.fpn
        self.inner: torch.nn.Module = fpn.inner_blocks[-1]
        self.outer: torch.nn.Module = fpn.layer_blocks[-1]
        self.rpn = model.rpn
        generator = self.rpn.anchor_generator
        self.rpn.anchor_generator = AnchorGenerator(generator.sizes[-2:], generator.aspect_ratios[-2:])

    def levels(self, maps: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of the top two levels from a last map [1, C, H, W]."""
        top = torch.as_tensor(self.outer(self.inner(maps.float())))
        return [top, torch.nn.functional.max_pool2d(top, 1, 2)]

    def propose(self, maps: torch.Tensor) -> BoxProposals:
        """Propose boxes on one map [1, C, H, W], best first."""
        with torch.no_grad():
            unsorted = run_rpn(self.rpn, self.levels(maps), blank_image_list(maps, self.stride), self.stride)
        order = unsorted.scores.argsort(descending=True, stable=True)
        return BoxProposals(unsorted.boxes[order], unsorted.scores[order])


def load_pyramid(source: MapSource) -> ProposalModel | None:
    """Load the proposal model of a torchvision detector, or None for other backbones.

    Raises WorkbenchError if the maps are of another layer than its last, or if its weights lack a part.
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
def _pyramid(model: str, stride: int, path: Path | None, fingerprint: str, seed: int) -> ProposalModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        detector = models.detector(model)
    if path is not None:
        state = weights.read_tensors(path)
        missing = detector.load_state_dict(state, strict=False).missing_keys
        absent = [key for key in missing if key.startswith(("backbone.fpn", "rpn"))]
        if absent:
            raise WorkbenchError(
                f"weight file {str(path)!r} lacks {absent[0]!r}, which proposes regions; fetch all of it"
            )
    pyramid_model = FeaturePyramid(detector, stride).eval().requires_grad_(False)
    return ProposalModel(
        pyramid_model, {"collection": "COCO" if path else "none: random weights", "weights": fingerprint}
    )
