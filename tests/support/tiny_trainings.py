"""Four trainings of about a second each, in this process or in another one that can be killed."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from tests.support import attention, descriptions, finetuning
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.collections.folder import open_folder
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.learning.attention.train import train_attention
from workbench.learning.finetuning.train import finetune
from workbench.learning.hardnet.train import train_hardnet
from workbench.learning.proposals.train import ProposalSettings as ProposalsSettings
from workbench.learning.proposals.train import train_proposals
from workbench.learning.trainer import Report, no_report

TASKS = ("attention", "finetuning", "hardnet", "proposals")
EPOCHS = 3
NAME = "mine"
FILE = Path("learned") / f"{NAME}.safetensors"
FOLDER = Path("learned") / f"{NAME}.training"
CHECKPOINT = FOLDER / "checkpoint.safetensors"


def make_data(root: Path) -> Path:
    """Write one folder of pictures for each training."""
    folder_of(root / "attention", 8)
    folder_of(root / "finetuning", 24, kinds=3)
    descriptions.photos(root / "hardnet")
    folder_of(root / "proposals", 1)
    return root


def train(
    task: str,
    data: Path,
    cache: Path,
    progress: Progress = silent,
    report: Report = no_report,
    **changed: Any,
) -> Path:
    """Run a training for three epochs, with some settings ``changed``; returns its file."""
    options = attention.options_in(cache)
    if task == "attention":
        settings = replace(attention.QUICK, composites=8, batch=4, **changed)
        collection = open_folder(data / "attention")
        return train_attention(collection, options, NAME, NETWORK, settings, progress, report)
    if task == "finetuning":
        collection = open_folder(data / "finetuning", "folders")
        tuning = replace(finetuning.SETTINGS, **changed)
        return finetune(collection, options, NAME, NETWORK, tuning, progress, report)
    if task == "hardnet":
        hardnet = replace(descriptions.SETTINGS, **changed)
        size = descriptions.options(cache)
        return train_hardnet(open_folder(data / "hardnet"), size, NAME, hardnet, progress, report)
    # Proposals use none of the collection's pictures, so another collection replaces it.
    posters = replace(open_folder(data / "proposals"), name="posters")
    small = ProposalsSettings(scenes=4, epochs=EPOCHS, batch=2, width=8, hidden=8)
    return train_proposals(posters, options, NAME, NETWORK, replace(small, **changed), progress, report)


class Run:
    """A training in another process with one thread. ``most``: the file size limit in bytes."""

    def __init__(self, task: str, data: Path, cache: Path, most: int | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["timm", "torchvision", "tests.support.tiny_trainings"])
        self._news, sender = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=_run, args=(task, data, cache, most, sender))
        self.process.start()
        sender.close()

    def labels(self) -> Iterator[str]:
        """The label of each call of the progress callback, until the training ends."""
        while self._news.poll(120):
            try:
                kind, text = self._news.recv()
            except EOFError:
                return
            if kind == "end":
                self.process.join(60)
                self.error = text
                return
            yield text
        raise AssertionError("the training made no progress for 120 seconds")

    def wait_for(self, wanted: Callable[[str], bool], count: int = 1) -> bool:
        """Wait for the ``count``-th label that is ``wanted``; False if the training ends first."""
        for label in self.labels():
            count -= wanted(label)
            if not count:
                return True
        return False

    def kill(self) -> None:
        """End the process by SIGKILL."""
        self.process.kill()
        self.process.join(60)
        assert self.process.exitcode == -signal.SIGKILL

    def end(self) -> str:
        """Wait for the end; returns the message of its WorkbenchError, or an empty string."""
        for _ in self.labels():
            pass
        assert self.process.exitcode == 0
        return str(self.error)


def _run(task: str, data: Path, cache: Path, most: int | None, news: Connection) -> None:
    torch.set_num_threads(1)  # the card of HardNet records it
    if most is not None:  # with the signal ignored, writing more raises OSError, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    error = ""
    try:
        train(task, data, cache, lambda label, done, total: news.send(("label", label)))
    except WorkbenchError as caught:
        error = str(caught)
    news.send(("end", error))
