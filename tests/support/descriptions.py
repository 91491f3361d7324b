"""Local features of small photographs, in this or another process, and HardNet trained on them."""

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
from workbench.local.local_source import LocalSource

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
    """Extract the local features of a folder; returns their source, the keys and the read errors by row."""
    source = LocalSource(name, options(cache))
    keys, problems = source.extract([Picture(path) for path in sorted(folder.rglob("*.*"))])
    return source, keys[0], problems


def files(folder: Path) -> dict[str, bytes]:
    """The content of all files below a folder by relative path, except locks and the images' hashes."""
    contents = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock" and not path.name.startswith("contents.sqlite"):
            with contextlib.suppress(FileNotFoundError):  # renamed meanwhile by another process
                contents[str(path.relative_to(folder))] = path.read_bytes()
    return contents


class Run:
    """Extraction by a local ``source`` in another process. ``most``: the file size limit in bytes."""

    def __init__(self, folder: Path, cache: Path, source: str, most: int | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.support.descriptions"])
        self.news, sender = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=_run, args=(folder, cache, source, most, sender))
        self.process.start()
        sender.close()

    def reached(self, expected: object) -> None:
        """Wait for a message of the process: ``begun``."""
        while self.news.poll(120):
            if self.news.recv() == expected:
                return
        raise AssertionError(f"{expected!r} was not reached")

    def kill(self) -> bool:
        """Kill the process; returns whether it was still running."""
        self.process.kill()
        self.process.join(60)
        return self.process.exitcode != 0

    def end(self) -> str:
        """Wait for the end; returns the message of its WorkbenchError, or an empty string."""
        while self.news.poll(120):
            message = self.news.recv()
            if isinstance(message, list):
                self.process.join(60)
                assert self.process.exitcode == 0
                return "".join(message)
        raise AssertionError("it did not end")


def _run(folder: Path, cache: Path, source: str, most: int | None, news: Connection) -> None:
    torch.set_num_threads(1)
    if most is not None:  # bytes per file; with the signal ignored, writing more raises OSError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    news.send("begun")
    error = []
    try:
        described(source, folder, cache)
    except WorkbenchError as caught:
        error.append(str(caught))
    news.send(error)
