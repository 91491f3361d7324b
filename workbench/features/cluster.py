"""Extraction on a cluster: planned batches are tasks of Dask, whose workers write to the shared store."""

from __future__ import annotations

import contextlib
import pickle
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench.collections import images
from workbench.common.packages import require_extra
from workbench.common.progress import Progress, interruptible
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.batches import Item
from workbench.features.cluster_dispatch import KEPT, Dispatch
from workbench.features.cluster_task import Job, versions
from workbench.features.extraction import Extractor, Runner

if TYPE_CHECKING:
    from distributed import Client

_CONNECT = 10  # seconds in which a scheduler answers


class Recipe(Protocol):
    """Builds an extractor on a worker; it is pickled."""

    def __call__(self) -> Extractor: ...


def check_installed() -> None:
    """Raise WorkbenchError with the install command if Dask is missing; it is not imported."""
    require_extra("cluster", "extraction by a scheduler", "dask", "distributed")


def portable(options: Options) -> Options:
    """The options of a run for a worker, whose working folder may be another."""
    weights = None if options.weights is None else options.weights.absolute()
    return replace(options, cache=options.cache.absolute(), weights=weights, scheduler="local")


def cluster_runner(address: str, folder: Path, recipe: Recipe) -> Runner:
    """The Runner of a cluster, which fills the store in ``folder``. Raises WorkbenchError without Dask."""
    check_installed()
    return partial(_work, address, folder.absolute(), recipe)


def _work(
    address: str,
    folder: Path,
    recipe: Recipe,
    batches: list[list[Item]],
    total: int,
    progress: Progress,
    task: str,
) -> dict[str, WorkbenchError]:
    """Process batches on the workers that the scheduler has meanwhile. See ``Runner``."""
    missing: dict[str, WorkbenchError] = {}
    done = total - sum(map(len, batches))
    with _connected(address, progress) as client, _marked(folder) as mark:
        job = pickle.dumps(Job(mark, versions(), pickle.dumps(recipe)))
        tasks = Dispatch(client, job, batches, task)

        def report() -> None:
            if tasks.workers == {}:
                progress(f"waiting for a worker of {address}", 0, 0)
            else:
                progress(task, done, total)

        try:
            while not tasks.finished:
                report()
                try:
                    ended = list(tasks.wait())
                except WorkbenchError:
                    raise
                except Exception as error:
                    raise _explained(error, address) from error
                for items, errors in ended:
                    missing.update(errors)
                    done += len(items)
                    _check_seen(items, errors, address)
            progress(task, done, total)
        finally:
            tasks.close()
    return missing


@contextlib.contextmanager
def _connected(address: str, progress: Progress) -> Iterator[Client]:
    """A client of a scheduler. Raises WorkbenchError if it does not answer."""
    from distributed import Client

    left = threading.Event()

    def connect() -> Client:
        client = Client(address, timeout=_CONNECT, set_as_default=False, name="workbench")
        if left.is_set():
            client.close()
        return client

    try:
        client = interruptible(connect, progress, f"connecting to {address}")
    except (OSError, ValueError) as error:
        raise WorkbenchError(
            f"scheduler {address!r} does not answer ({str(error).splitlines()[0]}); start one with "
            "'dask scheduler', and on each machine 'dask worker ADDRESS'"
        ) from None
    except BaseException:
        left.set()
        raise
    try:
        yield client
    finally:
        # Where the network is cut, it takes long to say good-bye.
        threading.Thread(target=client.close, name="cluster-close", daemon=True).start()


@contextlib.contextmanager
def _marked(folder: Path) -> Iterator[Path]:
    """A file of the store that exists while the block runs; workers stop when it is gone.

    That of a killed process is deleted by the next holder of the store's lock, as all parts are.
    """
    mark = folder / f"run-{uuid.uuid4().hex}.part"  # a new name each time, which no file system remembers
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def _check_seen(items: Sequence[Item], errors: dict[str, WorkbenchError], address: str) -> None:
    """Raise WorkbenchError if a worker does not find a file that is here."""
    for item in items:
        if "missing" in str(errors.get(item.key, "")) and images.exists(item.path):
            raise WorkbenchError(
                f"a worker of {address} does not find {str(item.path)!r}; share the folder of the images "
                "with it under the same path"
            )


def _explained(error: Exception, address: str) -> WorkbenchError:
    """The error of a cluster as one sentence."""
    kind, text = type(error).__name__, str(error).split("\n")[0]
    if isinstance(error, ImportError) or "deserializ" in text.lower():
        return WorkbenchError(
            f"{address} does not run this version of the workbench ({text}); install the same packages for "
            "its scheduler and workers"
        )
    if isinstance(error, OSError) or kind in (
        "CancelledError",
        "FutureCancelledError",
        "FuturesCancelledError",
    ):
        return WorkbenchError(f"the connection to scheduler {address!r} is lost; {KEPT}")
    return WorkbenchError(f"a worker of {address} failed ({kind}: {text}); {KEPT}")
