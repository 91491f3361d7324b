"""The batches of an extraction on a cluster, given to the threads of workers a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import queue
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.config.errors import WorkbenchError
from workbench.features.batch_queue import BatchQueue
from workbench.features.batches import Item
from workbench.features.cluster_task import process_batches

if TYPE_CHECKING:
    from distributed import Client, Future

AHEAD = 2  # tasks that each thread of a worker has, so that it need not wait for the next
MOST_TOGETHER = 8  # batches in a task
MOST_LOSSES = 3  # times that a batch is done again after its worker was lost
KEPT = "what is stored is kept, and the same call goes on from it"
_PACE = 0.1  # seconds between two reports
_WORKERS_PACE = 1.0  # seconds between two looks at the list of workers
_Thread = tuple[str, int]  # the address of a worker, and the number of one of its threads


class _Running(NamedTuple):
    """Batches that a thread of a worker processes, and the wait for their result."""

    thread: _Thread
    batches: list[list[Item]]
    future: Future


class _Call:
    """A call of ``process_batches`` that is made where it is unpickled.

    So that a worker without the workbench fails in its task and goes on: a function that a worker cannot
    unpickle ends its connection without a word.
    """

    def __init__(self, job: bytes, batches: bytes) -> None:
        self._arguments = job, batches

    def __reduce__(self) -> tuple[Any, ...]:
        return process_batches, self._arguments


class Dispatch:
    """The batches of a run, given to the threads of workers a few at a time.

    A worker that is lost has its batches done by others. Dask would leave them waiting for its address.
    """

    def __init__(self, client: Client, job: bytes, batches: Sequence[list[Item]], task: str) -> None:
        self._client, self._job, self._name = client, job, task
        self._queue = BatchQueue(batches, 1)  # nobody is the first worker, from whom the others take
        self._left = self._waiting = len(batches)
        self._parts: dict[_Thread, int] = {}  # the part of the queue of each thread
        self._running: dict[str, _Running] = {}  # by the key of the task
        self._lost: list[list[Item]] = []  # to be done again
        self._losses: Counter[str] = Counter()  # by the key of the first image of a batch
        self._ended: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()  # results and exceptions
        self._closed = threading.Event()
        self.workers: dict[str, int] | None = None  # their threads; None until the scheduler has told them
        threading.Thread(target=self._watch, name="cluster-workers", daemon=True).start()

    @property
    def finished(self) -> bool:
        return not self._left

    def _watch(self) -> None:
        """Follow the list of workers, in a thread of its own, as the scheduler may take long to answer."""
        while not self._closed.is_set():
            try:
                self.workers = self._client.nthreads()
            except (Exception, asyncio.CancelledError) as error:  # of many types while a connection ends
                self._ended.put(("", ConnectionError(str(error))))  # raised in the thread of the run
                return
            self._closed.wait(_WORKERS_PACE if self.workers else _PACE)

    def wait(self) -> Iterator[tuple[list[Item], dict[str, WorkbenchError]]]:
        """Submit batches, and yield the images of those that have ended within a moment, and their errors."""
        self._submit()
        with contextlib.suppress(queue.Empty):
            key, result = self._ended.get(timeout=_PACE)
            while True:
                ended = self._running.pop(key, None)
                if isinstance(result, ImportError) and ended is not None:
                    raise WorkbenchError(
                        f"worker {ended.thread[0]} does not have this version of the workbench ({result}); "
                        "install the same packages there and run again"
                    )
                if isinstance(result, BaseException) and (ended is not None or not key):
                    raise result
                if ended is not None:
                    self._left -= len(ended.batches)
                    yield [item for batch in ended.batches for item in batch], result
                key, result = self._ended.get_nowait()

    def _submit(self) -> None:
        """Give batches to the threads of all workers that have fewer than they should."""
        threads = {
            (worker, number) for worker, count in (self.workers or {}).items() for number in range(count)
        }
        for thread in self._parts.keys() - threads:
            del self._parts[thread]  # the others take what remains of its part
        for thread in sorted(threads - self._parts.keys()):
            self._parts[thread] = self._queue.add()
        for key in [key for key, running in self._running.items() if running.thread not in threads]:
            self._do_again(self._running.pop(key))
        count = Counter(running.thread for running in self._running.values())
        for thread, part in self._parts.items():
            for _ in range(AHEAD - count[thread]):
                batches = self._next(part)
                if not batches:
                    return
                self._start(thread, batches)

    def _next(self, part: int) -> list[list[Item]]:
        """Batches for a thread: many at the beginning, so that a scheduler of many workers has little to do,
        and single ones at the end, so that all end together (Polychronopoulos & Kuck, 1987)."""
        if self._lost:
            return [self._lost.pop()]
        most = min(MOST_TOGETHER, max(1, self._waiting // (4 * AHEAD * len(self._parts))))
        batches = list[list[Item]]()
        while len(batches) < most and (batch := self._queue.next(part)) is not None:
            batches.append(batch)
            self._waiting -= 1
        return batches

    def _start(self, thread: _Thread, batches: list[list[Item]]) -> None:
        absolute = [[replace(item, path=item.path.absolute()) for item in batch] for batch in batches]
        key = f"{self._name}-{uuid.uuid4().hex}"
        call = pickle.dumps(_Call(self._job, pickle.dumps(absolute)))
        future = self._client.submit(pickle.loads, call, key=key, workers=[thread[0]])
        loop: Any = self._client.loop
        asyncio.run_coroutine_threadsafe(self._fetch(key, future), loop.asyncio_loop)
        self._running[key] = _Running(thread, batches, future)

    async def _fetch(self, key: str, future: Future) -> None:
        """Wait for the result of a task, which may be lost with its worker."""
        try:
            result = await future
        except asyncio.CancelledError as error:
            result = ConnectionError(str(error))
        except Exception as error:
            result = error
        self._ended.put((key, result))

    def _do_again(self, lost: _Running) -> None:
        """Do the batches of a worker that is lost again, each by itself."""
        self._client.cancel([lost.future])  # which ends the wait for it
        self._lost.extend(lost.batches)
        if len(lost.batches) == 1:
            first = lost.batches[0][0]
            self._losses[first.key] += 1
            if self._losses[first.key] > MOST_LOSSES:
                raise WorkbenchError(
                    f"{MOST_LOSSES + 1} workers ended at the batch of {str(first.path)!r}, most likely for "
                    f"want of memory; give each more with 'dask worker --memory-limit'; {KEPT}"
                )

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(Exception):  # where the connection is lost
            self._client.cancel([running.future for running in self._running.values()])
