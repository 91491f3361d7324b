"""Region proposals with random weights, for tests that need any proposals."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from workbench.config import Config
from workbench.descriptors.attention import learned, made_for
from workbench.descriptors.detector import Detector, Trained
from workbench.features.maps import MapSource, Options
from workbench.learning.checkpoints import to_bytes
from workbench.writing import replace_file


def untrained(channels: int, bias: float = 0.0, seed: int = 0) -> Trained:
    """A detector before training; ``bias`` is added to the logit of every proposal."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Detector(channels, width=8, hidden=8)
        torch.nn.init.normal_(model.rpn.head.cls_logits.weight, std=0.5)
        torch.nn.init.normal_(model.rpn.head.bbox_pred.weight, std=0.05)
    torch.nn.init.constant_(model.rpn.head.cls_logits.bias, bias)
    return Trained(model.eval().requires_grad_(False), {"stride": 32})


def keep(options: Options, backbone: str, name: str, bias: float = 0.0) -> Path:
    """Save an untrained detector for a backbone under a name, as training does."""
    source = MapSource.of(Config.parse(f"{backbone}/max/whole"), options)
    channels = source.network()(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape[1]
    state = untrained(channels, bias).detector.state_dict()
    path = learned(options.cache, name)
    about = {**made_for(source), "stride": 32, "collection": "nothing"}
    replace_file(path, to_bytes(state, {"proposals": json.dumps(about)}))
    return path
