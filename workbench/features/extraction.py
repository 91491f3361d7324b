"""Extraction: decode, resize, run the network and store; parallel, resumable, with constant memory."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from filelock import FileLock

from workbench.collections import images
from workbench.collections.video.stopping import Stopped, stop_on
from workbench.common.file_lock import acquire
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.features.batch_queue import BatchQueue
from workbench.features.batches import BATCH, Item, decode, plan
from workbench.features.device import single_threaded_operations
from workbench.features.network import UnsuitableSize
from workbench.features.store import Store

CLUSTER_LEAST = 64  # fewer images are sooner processed here than by a cluster

# Processes batches: (batches, number of all images, progress, task) to {key: error} of the images that cannot
# be processed now. Finished batches are in the store, also if it raises.
Runner = Callable[[list[list[Item]], int, Progress, str], dict[str, WorkbenchError]]


class Extractor(Protocol):
    """Computes the content of a store from images."""

    def __call__(self, pictures: Sequence[np.ndarray]) -> Any:
        """Process images of one shape, uint8 [height, width, 3]."""
        ...

    def together(self, size: tuple[int, int]) -> int:
        """The number of images of that (width, height) to process at a time."""
        ...

    def keep(self, keys: Sequence[str], made: Sequence[Any], unreadable: dict[str, str]) -> None:
        """Store a batch: the results ``made`` of its parts, and {key: reason} of its unreadable images."""
        ...


def fill_store(
    items: Sequence[Item],
    store: Store,
    maker: Callable[[], Extractor],
    progress: Progress = silent,
    task: str = "extracting",
    together: int = BATCH,
    cluster: Runner | None = None,
) -> dict[str, str]:
    """Add the missing results of all items to the store. Returns {key: reason} of unreadable images.

    ``together`` images are stored at a time. ``maker`` is called only if results are missing. Each worker
    processes whole batches, from decoding to writing, on one thread, so that all cores are busy and none
    waits for another. With a ``cluster``, its workers do so, unless there are only a few images. ``progress``
    may raise Cancelled; finished batches are kept.
    """
    store.refresh()
    batches, distinct = plan(items, together), {item.key for item in items}
    unreadable: dict[str, str] = {}
    keys = [item.key for batch in batches for item in batch]
    if store.missing(keys):
        lock = FileLock(store.folder / ".lock")
        try:
            store.folder.mkdir(parents=True, exist_ok=True)
            acquire(lock, progress)
        except OSError as error:
            raise WorkbenchError(
                f"the store {str(store.folder)!r} cannot be written ({error.strerror or error}); "
                "choose another folder with --cache"
            ) from None
        try:
            store.remove_parts()
            store.refresh()
            absent = store.missing(keys)
            incomplete = [[item for item in batch if item.key in absent] for batch in batches]
            missing = [batch for batch in incomplete if batch]
            if missing:
                few = sum(map(len, missing)) < CLUSTER_LEAST
                run = partial(_work, maker) if cluster is None or few else cluster
                unreadable = _reasons(run(missing, len(distinct), progress, task), len(distinct))
                store.pack(progress, keys)
        finally:
            lock.release()
    for item in items:
        reason = store.unreadable(item.key)
        if reason is not None:
            unreadable[item.key] = reason
    return unreadable


def _reasons(errors: dict[str, WorkbenchError], total: int) -> dict[str, str]:
    """The reasons of the images that cannot be processed now.

    Raises UnsuitableSize if the network can take none of all ``total`` images.
    """
    unsuitable = [error for error in errors.values() if isinstance(error, UnsuitableSize)]
    if unsuitable and len(unsuitable) == total:
        raise unsuitable[0]
    return {key: str(error) for key, error in errors.items()}


def _work(
    maker: Callable[[], Extractor], batches: list[list[Item]], total: int, progress: Progress, task: str
) -> dict[str, WorkbenchError]:
    """The Runner of this process: batches on worker threads."""
    done = total - sum(map(len, batches))
    progress(task, done, total)
    make = maker()
    # One more than there are cores, to use the time in which a file is read or written.
    threads = 1 + (os.cpu_count() or 1)
    waiting = BatchQueue(batches, threads)
    # Events are numbers of images done, the exception of a worker, or None at its end.
    events: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()
    missing: dict[str, WorkbenchError] = {}

    def work(number: int) -> None:
        torch.set_num_threads(1)
        stop_on(stop)
        try:
            while not stop.is_set() and (batch := waiting.next(number)) is not None:
                missing.update(process(batch, make, stop, events.put))
        except Stopped:
            pass
        except BaseException as error:  # raised in the caller's thread
            events.put(error)
        finally:
            events.put(None)

    workers = [
        threading.Thread(target=work, args=[number], name=f"extract-{number}", daemon=True)
        for number in range(threads)
    ]
    with single_threaded_operations():
        try:
            for worker in workers:
                worker.start()
            running = len(workers)
            while running:
                event: int | BaseException | None = 0
                with contextlib.suppress(queue.Empty):
                    event = events.get(timeout=0.1)
                if isinstance(event, BaseException):
                    raise event
                if event is None:
                    running -= 1
                else:
                    done += event
                    progress(task, done, total)
        finally:
            stop.set()
            for worker in workers:
                worker.join()
    return missing


def process(
    batch: list[Item], make: Extractor, stop: threading.Event, report: Callable[[int], object]
) -> dict[str, WorkbenchError]:
    """Decode, process and store a batch. Returns {key: error} of the images that cannot be processed now."""
    pictures, keys = [], []
    damaged: dict[str, str] = {}
    missing: dict[str, WorkbenchError] = {}
    for item in batch:
        if stop.is_set():
            return {}
        try:
            pictures.append(decode(item))
            keys.append(item.key)
        except images.TemporarilyUnreadable as error:
            missing[item.key] = error
        except WorkbenchError as error:
            damaged[item.key] = str(error)
    parts = []
    together = make.together(batch[0].size)
    for start in range(0, len(pictures), together):
        if stop.is_set():
            return {}
        part = pictures[start : start + together]
        try:
            parts.append(make(part))
        except UnsuitableSize as error:  # of all images of the batch: they have one size
            report(len(pictures) - start)
            missing.update(dict.fromkeys(keys, error))
            keys, parts = [], []
            break
        report(len(part))
    if (keys or damaged) and not stop.is_set():
        make.keep(keys, parts, damaged)
    report(len(batch) - len(pictures))
    return missing
