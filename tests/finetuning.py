"""Fine-tuning of a tiny network on generated pictures, here or in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from workbench.collections.folder import open_folder
from workbench.config import WorkbenchError
from workbench.features.maps import Options
from workbench.learning.finetuning.train import Settings, finetune
from workbench.learning.trainer import Epoch
from workbench.progress import Progress, silent

NETWORK = "timm:test_resnet@random"
SETTINGS = Settings(
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
    report: Callable[[Epoch], None] = lambda epoch: None,
    backbone: str = NETWORK,
    **changed: object,
) -> Path:
    settings = replace(SETTINGS, **changed)  # type: ignore[arg-type]
    collection = open_folder(folder, "folders")
    return finetune(collection, options(cache), name, backbone, settings, progress, report)


class Run:
    """Fine-tuning in another process, which says each epoch's number."""

    def __init__(self, folder: Path, cache: Path, most: int | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["timm", "torchvision", "tests.finetuning"])
        self.news, theirs = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=_train, args=(folder, cache, most, theirs))
        self.process.start()
        theirs.close()

    def reached(self, epoch: int) -> None:
        """Wait until that epoch is done."""
        while self.news.poll(120):
            if self.news.recv() == epoch:
                return
        raise AssertionError(f"epoch {epoch} was not reached")

    def end(self) -> str:
        """Wait for its end: the error it met, or nothing."""
        while self.news.poll(120):
            word = self.news.recv()
            if isinstance(word, str):
                self.process.join(60)
                assert self.process.exitcode == 0
                return word
        raise AssertionError("training did not end")


def _train(folder: Path, cache: Path, most: int | None, news: Connection) -> None:
    torch.set_num_threads(1)  # as in the process it is compared with
    if most is not None:  # bytes a file may have; with the signal ignored, writing more is an error
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    error = ""
    try:
        train(folder, cache, report=lambda epoch: news.send(epoch.number))
    except WorkbenchError as caught:
        error = str(caught)
    news.send(error)
