"""A small Faster R-CNN on the map of a frozen backbone: region proposals and refined boxes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision  # noqa: F401 - before its modules: see import_after_torchvision
from safetensors import safe_open
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import clip_boxes_to_image, roi_align

from workbench.common.checksums import require_intact
from workbench.common.damage import DAMAGE
from workbench.common.files import Stamp, stamp
from workbench.config.errors import WorkbenchError

MAX_PROPOSALS = 300  # proposals per image
CELLS = 5  # side of a RoI-aligned box; on so coarse a map, 7 would repeat the same cells
ANCHORS = (3.0, 5.0, 8.0, 12.0)  # sides in cells: in pictures of 512 pixels, a fifth to three quarters
RATIOS = (0.5, 1.0, 2.0)  # height to width
_MAX_STRIDE = 256  # pixels
PICTURE_PREFIX = "picture."  # prefix of tensors that are JPEGs of scenes, not weights
Target = dict[str, torch.Tensor]


class BoxProposals(NamedTuple):
    """Boxes float [n, 4] in cells (x0, y0, x1, y1), best first, and their objectness scores [n], 0…1."""

    boxes: torch.Tensor
    scores: torch.Tensor


class Detector(torch.nn.Module):
    """A narrow ``neck``, a region proposal network, and a head that scores and refines boxes.

    Ren, He, Girshick and Sun (NIPS 2015), from torchvision's modules, for one class, *thing*. Boxes are in
    pixels of a picture with ``stride`` pixels per cell, as torchvision rounds its anchors to pixels.
    """

    def __init__(self, channels: int, stride: int = 32, width: int = 128, hidden: int = 256) -> None:
        super().__init__()
        self.stride = stride
        self.neck = torch.nn.Sequential(torch.nn.Conv2d(channels, width, 1), torch.nn.ReLU())
        anchors = AnchorGenerator((tuple(side * stride for side in ANCHORS),), (RATIOS,))
        self.rpn = RegionProposalNetwork(
            anchors,
            RPNHead(width, anchors.num_anchors_per_location()[0]),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=64,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 1000, "testing": 1000},
            post_nms_top_n={"training": MAX_PROPOSALS, "testing": MAX_PROPOSALS},
            nms_thresh=0.7,
        )
        self.heads = RoIHeads(
            _Align(stride),
            TwoMLPHead(width * CELLS**2, hidden),
            FastRCNNPredictor(hidden, 2),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=32,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=0.05,
            nms_thresh=0.5,
            detections_per_img=MAX_PROPOSALS,
        )

    def losses(self, maps: torch.Tensor, targets: list[Target]) -> dict[str, torch.Tensor]:
        """Return Faster R-CNN's four losses on maps [B, C, H, W] with each image's boxes [n, 4] in pixels."""
        features, image_list = {"0": self.neck(maps)}, blank_image_list(maps, self.stride)
        boxes, proposal_losses = self.rpn(image_list, features, targets)
        _, head_losses = self.heads(features, boxes, image_list.image_sizes, targets)
        return {**proposal_losses, **head_losses}

    def propose(self, maps: torch.Tensor) -> BoxProposals:
        """Propose boxes on one map [1, C, H, W]: at most 300, with pairwise overlap below 0.7."""
        with torch.no_grad():
            return run_rpn(
                self.rpn, [self.neck(maps.float())], blank_image_list(maps, self.stride), self.stride
            )

    @torch.no_grad()
    def refine(self, maps: torch.Tensor, boxes: torch.Tensor) -> BoxProposals:
        """Refine boxes [n, 4] of one map [1, C, H, W] to the objects in them, in order, with new scores."""
        pixels, sizes = boxes.float() * self.stride, blank_image_list(maps, self.stride).image_sizes
        pooled = self.heads.box_roi_pool({"0": self.neck(maps.float())}, [pixels], sizes)
        scores, shifts = self.heads.box_predictor(self.heads.box_head(pooled))
        refined = self.heads.box_coder.decode(shifts, [pixels])[:, 1]
        return BoxProposals(clip_boxes_to_image(refined, sizes[0]) / self.stride, scores.softmax(1)[:, 1])


def blank_image_list(maps: torch.Tensor, stride: int) -> ImageList:
    """Describe the sizes of the pictures of maps to torchvision, without their pixels."""
    size = maps.shape[2] * stride, maps.shape[3] * stride
    return ImageList(maps.new_zeros((len(maps), 0, *size)), [size] * len(maps))


def run_rpn(
    rpn: RegionProposalNetwork, features: list[torch.Tensor], image_list: ImageList, stride: int
) -> BoxProposals:
    """Run a region proposal network on one picture and keep the scores that torchvision drops."""
    scores, shifts = rpn.head(features)
    anchors = rpn.anchor_generator(image_list, features)
    per_level = [level[0].numel() for level in scores]
    scores, shifts = concat_box_prediction_layers(scores, shifts)
    boxes = rpn.box_coder.decode(shifts, anchors).view(1, -1, 4)
    kept, objectness = rpn.filter_proposals(boxes, scores, image_list.image_sizes, per_level)
    return BoxProposals(kept[0] / stride, objectness[0])


class _Align(torch.nn.Module):
    """RoI align on a single map (He et al. 2017); torchvision's own module guesses the stride."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(
        self, features: dict[str, torch.Tensor], boxes: list[torch.Tensor], _: list[tuple[int, int]]
    ) -> torch.Tensor:
        return torch.as_tensor(roi_align(features["0"], boxes, CELLS, 1 / self.stride, 2, aligned=True))


@dataclass(frozen=True)
class ProposalModel:
    """A trained detector with its card: the layer, data and settings of its training.

    ``pictures`` are the scenes (JPEG) for which the card's ``figures`` list the proposals of each epoch.
    """

    detector: Any  # has ``propose`` and, if it has a head, ``refine``
    about: dict[str, Any] = field(default_factory=dict)
    pictures: tuple[bytes, ...] = ()


def load(path: Path) -> ProposalModel:
    """Load a trained detector. Raises WorkbenchError if the file is missing or is not a detector."""
    try:
        status = path.stat()
    except OSError:
        raise WorkbenchError(f"the proposals' weights {str(path)!r} are missing; train them again") from None
    return _load(path, stamp(status))


@lru_cache(maxsize=8)
def _load(path: Path, changed: Stamp) -> ProposalModel:
    require_intact(path, "train them again")
    try:
        with safe_open(str(path), framework="pt") as file:
            about = json.loads((file.metadata() or {})["proposals"])
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        picture_names = [name for name in tensors if name.startswith(PICTURE_PREFIX)]
        pictures = tuple(tensors.pop(name).numpy().tobytes() for name in picture_names)
        state = {name: tensor.float() for name, tensor in tensors.items()}
        width, channels = state["neck.0.weight"].shape[:2]
        stride = int(about["stride"])
        if not isinstance(about, dict) or not isinstance(about.get("figures", []), list):
            raise TypeError("card")
        if not 1 <= stride <= _MAX_STRIDE:
            raise ValueError("stride")
        parts = channels, stride, width, len(state["heads.box_head.fc6.bias"])
        with torch.device("meta"):  # allocates no memory, whatever sizes an untrusted file declares
            shapes = {name: tensor.shape for name, tensor in Detector(*parts).state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in state.items()}:
            raise ValueError("shapes")
        detector = Detector(*parts)
        detector.load_state_dict(state)
        if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
            raise ValueError("not finite")
    except DAMAGE as error:
        raise WorkbenchError(
            f"{str(path)!r} holds no region proposals ({type(error).__name__}); train them again"
        ) from None
    return ProposalModel(detector.eval().requires_grad_(False), about, pictures)
