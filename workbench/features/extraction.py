"""Extraction: decode, resize, run the network, store; in parallel, resumable, with flat memory."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from filelock import FileLock, Timeout
from PIL import Image

from workbench.collections import images
from workbench.collections.collection import Box
from workbench.config import WorkbenchError
from workbench.features.hardware import one_thread_each
from workbench.features.network import Network
from workbench.features.store import MapStore, Store
from workbench.progress import Progress, silent

VERSION = 2  # of this work: goes up when the same image and weights come to give other maps
BATCH = 8  # images a file of the store; fixed, so that every run plans the same files


class Maker(Protocol):
    """Makes of images what a store keeps."""

    def __call__(self, pictures: Sequence[np.ndarray]) -> Any:
        """What comes of images of one shape, uint8 [height, width, 3]."""
        ...

    def together(self, size: tuple[int, int]) -> int:
        """How many images of that (width, height) it takes at a time."""
        ...

    def keep(self, keys: Sequence[str], made: Sequence[Any], unreadable: dict[str, str]) -> None:
        """Store what was made of a batch, part by part."""
        ...


@dataclass(frozen=True)
class Item:
    """One image to extract: the file, its crop, and the (width, height) it is resized to."""

    key: str
    path: Path
    box: Box | None
    size: tuple[int, int]


def target_size(
    width: float, height: float, longest: int, stride: int, scale: float = 1.0
) -> tuple[int, int]:
    """The (width, height) in pixels that an image is resized to before the network.

    The longest side becomes at most ``longest`` (smaller images are not enlarged), times ``scale``;
    then each side is rounded to whole cells of ``stride`` pixels, at least two, so that every cell
    sees a full patch and images of like shape share a batch.
    """
    factor = min(1.0, longest / max(width, height)) * scale
    most = max(2, longest // stride)

    def cells(side: float) -> int:
        return min(most, max(2, math.floor(side * factor / stride + 0.5)))

    return cells(width) * stride, cells(height) * stride


def item(path: Path, header: images.Header, box: Box | None, longest: int, stride: int, scale: float) -> Item:
    """Describe the work on one image. The key changes with the file, the crop and nothing else."""
    width: float = header.width
    height: float = header.height
    key = header.fingerprint
    if box is not None:
        # The whole pixels that a crop takes, so that a crop decoded elsewhere is resized alike.
        x0, y0, x1, y1 = max(int(box[0]), 0), max(int(box[1]), 0), math.ceil(box[2]), math.ceil(box[3])
        width, height = max(min(x1, width) - x0, 1), max(min(y1, height) - y0, 1)
        key += ":" + ",".join(f"{v:g}" for v in box)
    return Item(key, path, box, target_size(width, height, longest, stride, scale))


def pixels(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """An RGB image resized to (width, height), as uint8 [height, width, 3]."""
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(picture)


def run(network: Network, pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Images of one shape, uint8 [height, width, 3], to float16 maps [B, h, w, C] on the processor."""
    maps = network(torch.from_numpy(np.stack(pictures))).permute(0, 2, 3, 1)
    return maps.clamp(-65504, 65504).to(torch.float16).cpu().nan_to_num_(0.0)


@dataclass(frozen=True)
class Maps:
    """Makes maps, by a network."""

    network: Network
    store: MapStore

    def __call__(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        return run(self.network, pictures)

    def together(self, size: tuple[int, int]) -> int:
        # On the processor only as many at a time as stay in its cache.
        return max(1, 2**19 // (size[0] * size[1])) if self.network.device.type == "cpu" else BATCH

    def keep(self, keys: Sequence[str], made: Sequence[Any], unreadable: dict[str, str]) -> None:
        self.store.write(keys, torch.cat(list(made)) if made else None, unreadable)


def plan(items: Iterable[Item]) -> list[list[Item]]:
    """Batches of equal shape, from the whole collection: every run, resumed or not, plans the same."""
    by_shape: dict[tuple[int, int], list[Item]] = {}
    for one in {i.key: i for i in items}.values():
        by_shape.setdefault(one.size, []).append(one)
    return [
        same[start : start + BATCH]
        for _, same in sorted(by_shape.items())
        for start in range(0, len(same), BATCH)
    ]


def extract(
    items: Sequence[Item],
    store: MapStore,
    network: Callable[[], Network],
    progress: Progress = silent,
    what: str = "extracting",
) -> dict[str, str]:
    """Bring the maps of all items into the store; those it has are left. Returns {key: why unreadable}.

    ``network`` is called only where there is work.
    """
    return fill(items, store, lambda: Maps(network(), store), progress, what)


def fill(
    items: Sequence[Item],
    store: Store,
    maker: Callable[[], Maker],
    progress: Progress = silent,
    what: str = "extracting",
) -> dict[str, str]:
    """Bring what is made of all items into the store; what it has is left. Returns {key: why unreadable}.

    ``maker`` is called only where there is work. Each core takes batches of its own, from
    decoding to writing, and makes them on one thread: that keeps all cores busy without
    their waiting for each other. ``progress`` may raise Cancelled; finished batches stay.
    """
    store.refresh()
    batches = plan(items)
    lost: dict[str, str] = {}
    if any(one.key not in store for batch in batches for one in batch):
        lock = FileLock(store.folder / ".lock")
        try:
            store.folder.mkdir(parents=True, exist_ok=True)
            acquire(lock, progress)
        except OSError as error:
            raise WorkbenchError(
                f"the store {str(store.folder)!r} cannot be written ({error.strerror or error}); "
                "choose another place with --cache"
            ) from None
        try:
            store.remove_parts()
            store.refresh()
            missing = [rest for batch in batches if (rest := [one for one in batch if one.key not in store])]
            if missing:
                lost = _work(missing, len({i.key for i in items}), maker, progress, what)
                store.refresh()
        finally:
            lock.release()
    for one in items:
        reason = store.unreadable(one.key)
        if reason is not None:
            lost[one.key] = reason
    return lost


def acquire(lock: FileLock, progress: Progress) -> None:
    """Wait for a lock; ``progress`` may raise Cancelled meanwhile."""
    while True:
        try:
            lock.acquire(timeout=0.2)
            return
        except Timeout:
            progress("waiting for another process that extracts the same images", 0, 0)


def _work(
    batches: list[list[Item]],
    total: int,
    maker: Callable[[], Maker],
    progress: Progress,
    what: str,
) -> dict[str, str]:
    done = total - sum(map(len, batches))
    progress(what, done, total)
    make = maker()
    todo: queue.SimpleQueue[list[Item]] = queue.SimpleQueue()
    for batch in batches:
        todo.put(batch)
    news: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()
    lost: dict[str, str] = {}

    def work() -> None:
        torch.set_num_threads(1)
        try:
            while not stop.is_set():
                try:
                    batch = todo.get_nowait()
                except queue.Empty:
                    break
                lost.update(_one_batch(batch, make, stop, news.put))
        except BaseException as error:  # handed to the caller's thread
            news.put(error)
        finally:
            news.put(None)

    workers = [
        threading.Thread(target=work, name=f"extract-{i}", daemon=True)
        for i in range(1 + (os.cpu_count() or 1))  # one more, for when a file is read or written
    ]
    with one_thread_each():
        try:
            for worker in workers:
                worker.start()
            running = len(workers)
            while running:
                event: int | BaseException | None = 0
                with contextlib.suppress(queue.Empty):
                    event = news.get(timeout=0.1)
                if isinstance(event, BaseException):
                    raise event
                if event is None:
                    running -= 1
                else:
                    done += event
                    progress(what, done, total)
        finally:
            stop.set()
            for worker in workers:
                worker.join()
    return lost


def _one_batch(
    batch: list[Item], make: Maker, stop: threading.Event, tell: Callable[[int], None]
) -> dict[str, str]:
    """Decode, make and store one batch; returns what is missing now but may be there another time."""
    pictures, keys = [], []
    damaged: dict[str, str] = {}
    missing: dict[str, str] = {}
    for one in batch:
        if stop.is_set():
            return {}
        try:
            pictures.append(pixels(images.load(one.path, one.box, at_least=one.size), one.size))
            keys.append(one.key)
        except images.NotNow as error:
            missing[one.key] = str(error)
        except WorkbenchError as error:
            damaged[one.key] = str(error)
    parts = []
    together = make.together(batch[0].size)
    for start in range(0, len(pictures), together):
        if stop.is_set():
            return {}
        some = pictures[start : start + together]
        parts.append(make(some))
        tell(len(some))
    if keys or damaged:
        make.keep(keys, parts, damaged)
    tell(len(batch) - len(pictures))
    return missing
