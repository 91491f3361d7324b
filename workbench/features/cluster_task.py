"""The task of a cluster: some batches of an extraction, processed by a worker."""

from __future__ import annotations

import pickle
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.config.errors import WorkbenchError
    from workbench.features.cluster import Recipe

# What determines the bytes of a store; Dask itself compares the versions of its own parts.
PACKAGES = "retrieval-workbench torch timm numpy pillow av opencv-python-headless openvino".split()
_CHECKED = 0.2  # seconds between two looks at the file of a run
_building = threading.Lock()


@dataclass(frozen=True)
class Job:
    """What all batches of a run have in common.

    ``mark`` is a file in the store that exists while the run goes on. ``versions``: those of ``PACKAGES``
    where the run was started, none where a package is missing. ``recipe``: a pickled Recipe.
    """

    mark: Path
    versions: tuple[str | None, ...]
    recipe: bytes


class RunEnded(threading.Event):
    """Whether a run has ended or was cancelled, or its starter was killed and another run has begun.

    The file of the run tells it. It is opened, since file systems of a network remember what ``stat`` said.
    """

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self._mark, self._next = mark, 0.0

    def is_set(self) -> bool:
        if not super().is_set() and time.monotonic() >= self._next:
            try:
                self._mark.open("rb").close()
            except OSError:
                self.set()
            self._next = time.monotonic() + _CHECKED
        return super().is_set()


@lru_cache(maxsize=1)
def versions() -> tuple[str | None, ...]:
    """The versions of ``PACKAGES`` that are installed here."""

    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return tuple(map(installed, PACKAGES))


def process_batches(job: bytes, batches: bytes) -> dict[str, WorkbenchError]:
    """Extract and store pickled batches of Items. Returns {key: error} of those that cannot be read now.

    Raises WorkbenchError, which names the worker, if it cannot make the same bytes as the run's starter.
    """
    import torch

    from workbench.collections.video.stopping import Stopped, stop_on
    from workbench.features.extraction import process

    torch.set_num_threads(1)  # of this thread: the worker has as many threads as it was given
    described = _unpickled(job)
    ended = RunEnded(described.mark)
    stop_on(ended)
    try:
        with _building:
            extractor = _extractor(job)
        errors: dict[str, WorkbenchError] = {}
        for batch in pickle.loads(batches):
            errors |= process(batch, extractor, ended, lambda count: None)
        return errors
    except Stopped:
        return {}


@lru_cache(maxsize=2)
def _unpickled(job: bytes) -> Job:
    unpickled: Job = pickle.loads(job)
    return unpickled


@lru_cache(maxsize=1)  # a worker keeps one network in memory, which the next run may use
def _built(recipe: bytes) -> Any:
    from workbench.features.device import keep_freed_memory

    keep_freed_memory()  # a worker's nanny sets a limit from which each image would allocate its pages again
    build: Recipe = pickle.loads(recipe)
    return build()


@lru_cache(maxsize=1)
def _extractor(job: bytes) -> Any:
    """The extractor of a job, after a check that this worker is set up as the starter of the run."""
    from workbench.config.errors import WorkbenchError

    described = _unpickled(job)
    different = [
        f"{package} {here or 'missing'} (here {there or 'missing'})"
        for package, there, here in zip(PACKAGES, described.versions, versions(), strict=True)
        if here != there
    ]
    if different:
        raise WorkbenchError(
            f"worker {_name()} has other versions than this machine: {', '.join(different)}; install the "
            "same ones there and run again"
        )
    if RunEnded(described.mark).is_set():
        raise WorkbenchError(
            f"worker {_name()} does not see the folder {str(described.mark.parent)!r} of this run; share the "
            "cache folder with it under the same path, and name it by --cache"
        )
    try:
        return _built(described.recipe)
    except WorkbenchError as error:
        raise WorkbenchError(f"worker {_name()}: {error}") from None


def _name() -> str:
    from distributed import get_worker

    return str(get_worker().address)
