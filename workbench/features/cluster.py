"""Extraction on a cluster: planned batches are tasks of Dask, whose workers write to the shared store."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import pickle
import queue
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from workbench.collections import images
from workbench.common.progress import Progress, interruptible
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.batch_queue import BatchQueue
from workbench.features.batches import Item
from workbench.features.cluster_task import Job, process_batch, versions
from workbench.features.extraction import Extractor, Runner

if TYPE_CHECKING:
    from distributed import Client, Future

INSTALL = "pip install 'retrieval-workbench[cluster]'"
AHEAD = 2  # batches that each thread of a worker has, so that it need not wait for the next
_PACE = 0.1  # seconds between two reports
_WORKERS_PACE = 1.0  # seconds between two looks at the list of workers
_CONNECT = 10  # seconds in which a scheduler answers
Result = TypeVar("Result")


class Recipe(Protocol):
    """Builds an extractor on a worker; it is pickled."""

    def __call__(self) -> Extractor: ...


def check_installed() -> None:
    """Raise WorkbenchError with the install command if Dask is missing; it is not imported."""
    try:
        missing = importlib.util.find_spec("distributed") is None
    except ValueError:  # a module without a specification
        missing = True
    if missing:
        raise WorkbenchError(f"a scheduler needs the packages dask and distributed; run {INSTALL}")


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
        job = pickle.dumps(Job(mark, versions(), recipe))
        tasks = _Tasks(client, job, batches, task)

        def report() -> None:
            if tasks.workers == {}:
                progress(f"waiting for a worker of {address}", 0, 0)
            else:
                progress(task, done, total)

        try:
            while not tasks.finished:
                report()
                for items, errors in tasks.wait(report):
                    missing.update(errors)
                    done += len(items)
                    _check_seen(items, errors, address)
            progress(task, done, total)
        except WorkbenchError:
            raise
        except Exception as error:
            raise _explained(error, address) from error
        finally:
            tasks.close()
    return missing


class _Tasks:
    """The batches of a run, given to the workers of a client a few at a time."""

    def __init__(self, client: Client, job: bytes, batches: Sequence[list[Item]], task: str) -> None:
        self._client, self._job, self._name = client, job, task
        self._queue = BatchQueue(batches, 1)  # nobody is the first worker, from whom the others take
        self._left = len(batches)
        self.threads: dict[tuple[str, int], int] = {}  # worker and number of thread to its part of the queue
        self._running: dict[Future, tuple[tuple[str, int], list[Item]]] = {}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._closed = threading.Event()
        self.workers: dict[str, int] | None = None  # their threads; None until the scheduler has told them
        self._error: BaseException | None = None
        threading.Thread(target=self._watch, name="cluster-workers", daemon=True).start()

    @property
    def finished(self) -> bool:
        return not self._left

    def _watch(self) -> None:
        """Follow the list of workers, in a thread of its own, as the scheduler may take long to answer."""
        while not self._closed.is_set():
            try:
                self.workers = self._client.nthreads()
            except Exception as error:  # reported by the thread of the run
                self._error = self._error or error
                return
            self._closed.wait(_WORKERS_PACE if self.workers else _PACE)

    def wait(self, report: Callable[[], None]) -> Iterator[tuple[list[Item], dict[str, WorkbenchError]]]:
        """Submit batches, and yield those that have ended within a moment, with their errors."""
        self._submit()
        futures = []
        with contextlib.suppress(queue.Empty):
            futures.append(self._ended.get(timeout=_PACE))
            while True:
                futures.append(self._ended.get_nowait())
        if self._error is not None:
            raise self._error
        if futures:
            gathered = self._client.gather(futures, asynchronous=True)
            for future, errors in zip(futures, _awaited(self._client, gathered, report), strict=True):
                _, items = self._running.pop(future)
                self._left -= 1
                yield items, errors
            self._submit()

    def _submit(self) -> None:
        """Give batches to the threads of all workers that have fewer than they should."""
        workers = self.workers or {}
        present = {(worker, number) for worker, threads in workers.items() for number in range(threads)}
        for thread in self.threads.keys() - present:
            del self.threads[thread]  # the others take what remains of its part
        for thread in sorted(present - self.threads.keys()):
            self.threads[thread] = self._queue.add()
        count = dict.fromkeys(self.threads, 0)
        for thread, _ in self._running.values():
            if thread in count:
                count[thread] += 1
        for thread, part in self.threads.items():
            for _ in range(AHEAD - count[thread]):
                items = self._queue.next(part)
                if items is None:
                    return
                future = self._client.submit(
                    process_batch,
                    self._job,
                    pickle.dumps([replace(item, path=item.path.absolute()) for item in items]),
                    key=f"{self._name}-{uuid.uuid4().hex}",
                    workers=[thread[0]],
                    allow_other_workers=True,  # if this one is lost
                )
                self._running[future] = thread, items
                future.add_done_callback(self._ended.put)

    def close(self) -> None:
        self._closed.set()
        for future in self._running:
            future.release()


def _awaited(client: Client, awaitable: Awaitable[Result], report: Callable[[], None]) -> Result:
    """The result of a call of the client. ``report`` may raise Cancelled meanwhile."""

    async def call() -> Result:
        return await awaitable

    loop: Any = client.loop
    result = asyncio.run_coroutine_threadsafe(call(), loop.asyncio_loop)
    while True:
        try:
            return result.result(timeout=_PACE)
        except NotYet:
            if result.done():
                raise
            report()


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
    kept = "what is stored is kept, and the same call goes on from it"
    kind, text = type(error).__name__, str(error).split("\n")[0]
    if kind == "KilledWorker":
        return WorkbenchError(
            f"a batch ended {getattr(error, 'allowed_failures', 3) + 1} workers of {address}, most likely "
            f"for want of memory; give each more with 'dask worker --memory-limit'; {kept}"
        )
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
        return WorkbenchError(f"the connection to scheduler {address!r} is lost; {kept}")
    return WorkbenchError(f"a worker of {address} failed ({kind}: {text}); {kept}")
