"""Training of attention on generated pictures, with a small random network."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import torch

import workbench as wb
from tests.extracting import NETWORK
from workbench.collections.collection import Collection
from workbench.descriptors.attention import Attention
from workbench.features.maps import Options
from workbench.learning.attention.train import Settings, train
from workbench.progress import Progress, silent

QUICK = Settings(composites=12, epochs=3, batch=8, levels=2)
CONTEXT = multiprocessing.get_context("forkserver")
# imported once for all processes
CONTEXT.set_forkserver_preload(["timm", "torchvision", "workbench.learning.attention.train"])


def options_in(cache: Path) -> Options:
    return Options(size=128, device="cpu", precision="float32", cache=cache)


def collection_of(folder: Path) -> Collection:
    return wb.open(folder, cache=folder / ".cache").collection


def trained(folder: Path, cache: Path, settings: Settings = QUICK, progress: Progress = silent) -> Attention:
    path = train(collection_of(folder), options_in(cache), "mine", NETWORK, settings, progress)
    return Attention.load(path)


def same(one: Attention, other: Attention) -> bool:
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("hidden", "hidden_bias", "output", "output_bias")
    )
