"""Extraction in other processes, which are forked with torch already imported."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.map_source import MapSource, Picture

NETWORK = "timm:test_resnet@random"


def source(cache: Path, backbone: str = NETWORK, size: int = 128, resize: str = "exact") -> MapSource:
    options = Options(size=size, resize=resize, device="cpu", precision="float32", cache=cache)
    return MapSource.of(Config.parse(f"{backbone}/max/whole"), options)


def pictures(folder: Path) -> list[Picture]:
    return [Picture(path) for path in sorted(folder.rglob("*.*"))]


class Run:
    """Extraction of a folder in another process. ``most``: the file size limit in bytes."""

    def __init__(
        self, folder: Path, cache: Path, backbone: str = NETWORK, size: int = 128, most: int | None = None
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["timm", "torchvision", "tests.support.extraction"])
        self.news, sender = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(
            target=_extract, args=(folder, cache, backbone, size, most, sender)
        )
        self.process.start()
        sender.close()

    def begun(self) -> None:
        """Wait until the extraction has started."""
        assert self.news.poll(60), "extraction did not begin"
        assert self.news.recv() == "begun"

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the peak memory in bytes and the error message, or an empty string."""
        while self.news.poll(60):
            message = self.news.recv()
            if message != "begun":
                self.process.join(60)
                assert self.process.exitcode == 0
                return message
        raise AssertionError("extraction did not end")


def _extract(folder: Path, cache: Path, backbone: str, size: int, most: int | None, news: Connection) -> None:
    if most is not None:  # bytes per file; with the signal ignored, writing more raises OSError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    news.send("begun")
    error = ""
    try:
        source(cache, backbone, size).extract(pictures(folder))
    except WorkbenchError as caught:
        error = str(caught)
    news.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, error))


def stored(cache: Path) -> dict[str, bytes]:
    """The content of all files of the stores of maps and local features below a cache, except locks."""
    files = {}
    for path in sorted(path for kind in ("maps", "local") for path in (cache / kind).rglob("*")):
        if path.is_file() and path.name != ".lock":
            with contextlib.suppress(FileNotFoundError):  # renamed meanwhile by another process
                files[str(path.relative_to(cache))] = path.read_bytes()
    return files
