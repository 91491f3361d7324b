"""A small Faster R-CNN on the map of a frozen backbone: where there is a thing, and its exact box."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import clip_boxes_to_image, roi_align

from workbench.config import WorkbenchError

MOST = 300  # proposals of an image
CELLS = 5  # a side of what RoI align makes of a box: of so coarse a map, 7 would be the same cells twice
ANCHORS = (3.0, 5.0, 8.0, 12.0)  # sides in cells: on pictures of 512 pixels, a fifth to three quarters
RATIOS = (0.5, 1.0, 2.0)  # height to width
PICTURE = "picture."  # what tensors are called that are no weights, but JPEGs of scenes to show
Target = dict[str, torch.Tensor]


class Found(NamedTuple):
    """Boxes float [n, 4] in cells (x0, y0, x1, y1), best first, and how sure they hold a thing, [n] 0…1."""

    boxes: torch.Tensor
    scores: torch.Tensor


class Detector(torch.nn.Module):
    """A narrow ``neck``, a region proposal network, and a head that scores boxes and moves their sides.

    Ren, He, Girshick and Sun (NIPS 2015), of torchvision's parts and for one class, *thing*. Boxes are in
    pixels of a picture with ``stride`` pixels a cell, as torchvision rounds its anchors to pixels.
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
            post_nms_top_n={"training": MOST, "testing": MOST},
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
            detections_per_img=MOST,
        )

    def losses(self, maps: torch.Tensor, targets: list[Target]) -> dict[str, torch.Tensor]:
        """Faster R-CNN's four losses on maps [B, C, H, W], with each image's boxes [n, 4] in pixels."""
        features, sized = {"0": self.neck(maps)}, pictures(maps, self.stride)
        boxes, ours = self.rpn(sized, features, targets)
        _, theirs = self.heads(features, boxes, sized.image_sizes, targets)
        return {**ours, **theirs}

    def propose(self, maps: torch.Tensor) -> Found:
        """The proposals of one map [1, C, H, W]: at most 300, no two of which overlap by 0.7 or more."""
        with torch.no_grad():
            return proposed(self.rpn, [self.neck(maps.float())], pictures(maps, self.stride), self.stride)

    @torch.no_grad()
    def refine(self, maps: torch.Tensor, boxes: torch.Tensor) -> Found:
        """Boxes [n, 4] of one map [1, C, H, W] moved to what they show, in their order, and scored anew."""
        pixels, sizes = boxes.float() * self.stride, pictures(maps, self.stride).image_sizes
        pooled = self.heads.box_roi_pool({"0": self.neck(maps.float())}, [pixels], sizes)
        scores, shifts = self.heads.box_predictor(self.heads.box_head(pooled))
        moved = self.heads.box_coder.decode(shifts, [pixels])[:, 1]
        return Found(clip_boxes_to_image(moved, sizes[0]) / self.stride, scores.softmax(1)[:, 1])


def pictures(maps: torch.Tensor, stride: int) -> ImageList:
    """What torchvision wants to know of the pictures, which are long gone: their sizes."""
    size = maps.shape[2] * stride, maps.shape[3] * stride
    return ImageList(maps.new_zeros((len(maps), 0, *size)), [size] * len(maps))


def proposed(
    rpn: RegionProposalNetwork, features: list[torch.Tensor], sized: ImageList, stride: int
) -> Found:
    """What a region proposal network proposes in one picture, with the scores that torchvision drops."""
    scores, shifts = rpn.head(features)
    anchors = rpn.anchor_generator(sized, features)
    per_level = [level[0].numel() for level in scores]
    scores, shifts = concat_box_prediction_layers(scores, shifts)
    boxes = rpn.box_coder.decode(shifts, anchors).view(1, -1, 4)
    kept, sure = rpn.filter_proposals(boxes, scores, sized.image_sizes, per_level)
    return Found(kept[0] / stride, sure[0])


class _Align(torch.nn.Module):
    """RoI align on the one map there is (He et al. 2017); torchvision's own guesses the stride."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(
        self, features: dict[str, torch.Tensor], boxes: list[torch.Tensor], _: list[tuple[int, int]]
    ) -> torch.Tensor:
        return torch.as_tensor(roi_align(features["0"], boxes, CELLS, 1 / self.stride, 2, aligned=True))


@dataclass(frozen=True)
class Trained:
    """A detector ready for use, with its card: what it was trained for, on and how.

    ``pictures`` are the scenes (JPEG) in which its card's ``figures`` tell what each epoch proposed.
    """

    detector: Any  # proposes; and refines, where its head is there
    about: dict[str, Any] = field(default_factory=dict)
    pictures: tuple[bytes, ...] = ()


def load(path: Path) -> Trained:
    """A trained detector of a file. Raises WorkbenchError where the file is missing or something else."""
    try:
        status = path.stat()
    except OSError:
        raise WorkbenchError(f"the proposals' weights {str(path)!r} are missing; train them anew") from None
    return _load(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _load(path: Path, size: int, changed: int) -> Trained:
    try:
        with safe_open(str(path), framework="pt") as file:
            about = json.loads((file.metadata() or {})["proposals"])
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        shown = [name for name in tensors if name.startswith(PICTURE)]
        pictures = tuple(tensors.pop(name).numpy().tobytes() for name in shown)
        state = {name: one.float() for name, one in tensors.items()}
        width, channels = state["neck.0.weight"].shape[:2]
        detector = Detector(channels, int(about["stride"]), width, len(state["heads.box_head.fc6.bias"]))
        detector.load_state_dict(state)
        if not all(bool(one.isfinite().all()) for one in state.values()):
            raise ValueError("not finite")
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError, RuntimeError, OSError) as error:
        raise WorkbenchError(
            f"{str(path)!r} holds no region proposals ({type(error).__name__}); train them anew"
        ) from None
    return Trained(detector.eval().requires_grad_(False), about, pictures)
