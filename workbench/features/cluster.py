"""Extraction on a cluster: planned batches are tasks of Dask, whose workers write to the shared store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
                progress(f"waiting for a worker; start one with: dask worker {address}", 0, 0)
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
    for name in ("client", "batched"):  # they tell of what is lost, which is handled or raised here
        logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL)

    def connect() -> Client:
        _check_scheduler(address)
        client = Client(address, timeout=_CONNECT, set_as_default=False, name="workbench")
        if left.is_set():
            client.close()
        return client

    try:
        client = interruptible(connect, progress, f"connecting to {address}")
    except OSError:
        raise WorkbenchError(
            f"scheduler {address!r} does not answer within {_CONNECT} s; start one with 'dask scheduler', "
            "and on each machine 'dask worker ADDRESS'"
        ) from None
    except BaseException:
        left.set()
        raise
    try:
        yield client
    finally:
        # Where the network is cut, it takes long to say good-bye.
        threading.Thread(target=client.close, name="cluster-close", daemon=True).start()


def _check_scheduler(address: str) -> None:
    """Raise OSError if nothing answers at an address, and WorkbenchError if that is no scheduler.

    A client of anything else waits without end, or fails with any exception.
    """
    from distributed import Security
    from distributed.core import rpc

    arguments = Security().get_connection_args("client")
    if address.startswith("tls:") and arguments.get("ssl_context") is None:
        raise WorkbenchError(
            f"scheduler {address!r} needs certificates: name them in the configuration of Dask, as "
            "distributed.comm.tls"
        )

    async def ask() -> str:
        async with rpc(address, timeout=_CONNECT, connection_args=arguments) as remote:
            kind = str((await remote.identity())["type"]).lower()
        return kind if kind == "scheduler" else f"a {kind} of Dask"

    with ThreadPoolExecutor(1) as thread:  # this one may run the event loop of a notebook
        try:
            kind = thread.submit(asyncio.run, asyncio.wait_for(ask(), _CONNECT)).result()
        except OSError:
            raise
        except Exception as error:  # of any type, by what it takes the answer for
            kind = f"another program than Dask ({type(error).__name__})"
    if kind != "scheduler":
        raise WorkbenchError(
            f"at {address!r} is {kind}, which is not a scheduler; give the address that 'dask scheduler' "
            "prints"
        )


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
