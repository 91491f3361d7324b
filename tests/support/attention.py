"""Training of attention on generated pictures, with a small random network."""

from __future__ import annotations

from pathlib import Path

import torch

import workbench as wb
from tests.support.extraction import NETWORK
from workbench.collections.collection import Collection
from workbench.common.progress import Progress, silent
from workbench.config.options import Options
from workbench.descriptors.attention import Attention
from workbench.learning.attention.train import AttentionSettings, train_attention

QUICK = AttentionSettings(composites=12, epochs=3, batch=8, levels=2)


def options_in(cache: Path) -> Options:
    return Options(size=128, device="cpu", precision="float32", cache=cache)


def collection_of(folder: Path) -> Collection:
    return wb.open(folder, cache=folder / ".cache").collection


def trained(
    folder: Path, cache: Path, settings: AttentionSettings = QUICK, progress: Progress = silent
) -> Attention:
    path = train_attention(collection_of(folder), options_in(cache), "mine", NETWORK, settings, progress)
    return Attention.load(path)


def same(first: Attention, second: Attention) -> bool:
    """Whether all parameters are equal."""
    names = ("hidden", "hidden_bias", "output", "output_bias")
    if (first.place is None) != (second.place is None):
        return False
    if first.place is not None and second.place is not None and not torch.equal(first.place, second.place):
        return False
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in names)
