"""Fine-tuning of a tiny network on generated pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.collections.folder import open_folder
from workbench.common.progress import Progress, silent
from workbench.config.options import Options
from workbench.learning.finetuning.train import FinetuningSettings, finetune
from workbench.learning.trainer import Report, no_report

NETWORK = "timm:test_resnet@random"
SETTINGS = FinetuningSettings(
    loss="contrastive",
    pooling="mean",
    blocks=1,
    epochs=3,
    rate=1e-2,
    classes=3,
    each=3,
    views=2,
    side=64,
    held_out=0.3,
    patience=9,
)


def options(cache: Path) -> Options:
    return Options(size=128, device="cpu", precision="float32", cache=cache)


def train(
    folder: Path,
    cache: Path,
    name: str = "net",
    progress: Progress = silent,
    report: Report = no_report,
    backbone: str = NETWORK,
    **changed: object,
) -> Path:
    settings = replace(SETTINGS, **changed)  # type: ignore[arg-type]
    collection = open_folder(folder, "folders")
    return finetune(collection, options(cache), name, backbone, settings, progress, report)
