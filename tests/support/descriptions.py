"""Local features of a few small photographs, here or in another process, and HardNet trained on them."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import signal
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from tests.support.things import THINGS, thing
from workbench.collections.folder import open_folder
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.map_source import Picture
from workbench.learning.hardnet.train import HardNetSettings, train_hardnet
from workbench.learning.trainer import Report, no_report
from workbench.local.features import LocalSource

SIDE = 160
SETTINGS = HardNetSettings(width=4, steps=12, rate=5e-3, views=2, at_once=3, each=8, every=4)


def photos(root: Path) -> Path:
    """A folder of five photographs of 160 x 120 pixels."""
    root.mkdir(parents=True, exist_ok=True)
    for name in THINGS:
        thing(name).resize((SIDE, 120)).save(root / f"{name}.png")
    return root


def options(cache: Path, size: int = SIDE) -> Options:
    return Options(size=size, device="cpu", precision="float32", cache=cache)


def trained(
    folder: Path,
    cache: Path,
    name: str = "mine",
    progress: Progress = silent,
    report: Report = no_report,
    **changed: Any,
) -> Path:
    settings = replace(SETTINGS, **changed)
    return train_hardnet(open_folder(folder), options(cache), name, settings, progress, report, "the command")


def described(name: str, folder: Path, cache: Path) -> tuple[LocalSource, list[str], dict[int, str]]:
    """The source of local features, the keys of all pictures of a folder, and what could not be read."""
    source = LocalSource(name, options(cache))
    keys, lost = source.extract([Picture(path) for path in sorted(folder.rglob("*.*"))])
    return source, keys[0], lost


def files(place: Path) -> dict[str, bytes]:
    """All files below a folder and their bytes, locks apart."""
    found = {}
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.name != ".lock":
            with contextlib.suppress(FileNotFoundError):  # renamed this moment, by a process at work
                found[str(path.relative_to(place))] = path.read_bytes()
    return found


class Run:
    """The extraction of local features of a ``source`` in another process."""

    def __init__(self, folder: Path, cache: Path, source: str, most: int | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.describing"])
        self.news, theirs = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=_run, args=(folder, cache, source, most, theirs))
        self.process.start()
        theirs.close()

    def reached(self, word: object) -> None:
        """Wait for that word: ``begun``."""
        while self.news.poll(120):
            if self.news.recv() == word:
                return
        raise AssertionError(f"{word!r} was not reached")

    def kill(self) -> bool:
        """Kill it; whether it was still at work."""
        self.process.kill()
        self.process.join(60)
        return self.process.exitcode != 0

    def end(self) -> str:
        """Wait for its end: the error it met, or nothing."""
        while self.news.poll(120):
            word = self.news.recv()
            if isinstance(word, list):
                self.process.join(60)
                assert self.process.exitcode == 0
                return "".join(word)
        raise AssertionError("it did not end")


def _run(folder: Path, cache: Path, source: str, most: int | None, news: Connection) -> None:
    torch.set_num_threads(1)
    if most is not None:  # bytes a file may have; with the signal ignored, writing more is an error
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    news.send("begun")
    error = []
    try:
        described(source, folder, cache)
    except WorkbenchError as caught:
        error.append(str(caught))
    news.send(error)
