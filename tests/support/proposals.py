"""Region proposals with random weights, for tests that need arbitrary proposals."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from workbench.common.files import replace_file
from workbench.config.config import Config
from workbench.config.options import Options
from workbench.descriptors.rpn import Detector, ProposalModel
from workbench.features.cards import source_card, trained_path
from workbench.features.map_source import MapSource
from workbench.learning.checkpoints import to_bytes


def untrained(channels: int, bias: float = 0.0, seed: int = 0) -> ProposalModel:
    """An untrained detector; ``bias`` is added to the logit of every proposal."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Detector(channels, width=8, hidden=8)
        torch.nn.init.normal_(model.rpn.head.cls_logits.weight, std=0.5)
        torch.nn.init.normal_(model.rpn.head.bbox_pred.weight, std=0.05)
    torch.nn.init.constant_(model.rpn.head.cls_logits.bias, bias)
    return ProposalModel(model.eval().requires_grad_(False), {"stride": 32})


def keep(options: Options, backbone: str, name: str, bias: float = 0.0) -> Path:
    """Save an untrained detector of a backbone under a name, in the format of a training."""
    source = MapSource.of(Config.parse(f"{backbone}/max/whole"), options)
    channels = source.network()(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape[1]
    state = untrained(channels, bias).detector.state_dict()
    path = trained_path(options.cache, name)
    about = {**source_card(source), "stride": 32, "collection": "nothing"}
    replace_file(path, to_bytes(state, {"proposals": json.dumps(about)}))
    return path
