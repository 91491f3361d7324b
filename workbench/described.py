"""A collection described by a pipeline: pictures to maps to vectors, kept while the files stay the same."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from workbench.collections import images
from workbench.collections.collection import Collection, Query
from workbench.config import Config, WorkbenchError
from workbench.descriptors.attention import attention
from workbench.descriptors.bulk import Described, describe, finish
from workbench.descriptors.elsewhere import elsewhere
from workbench.descriptors.proposals import proposals
from workbench.features.maps import MapSource, Options, Picture
from workbench.local import words
from workbench.local.features import Features, LocalSource
from workbench.local.words import Words
from workbench.progress import Progress

KEPT = 16  # described pipelines held in memory,
MOST_BYTES = 2**30  # as far as their vectors take no more than this; the newest always
NO_FEATURES = Features(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), (1, 1))
_PATIENCE = 0.1  # seconds between two looks at whether the work was cancelled


def picture_of(collection: Collection, query: Query) -> Picture:
    """What of a query is described: its image, cropped to its box."""
    return Picture(collection.path(query.image), query.box)


@dataclass(frozen=True)
class Ready:
    """A collection described by one pipeline. Rows: the database in order, then further query pictures."""

    config: Config
    collection: Collection
    source: MapSource | LocalSource
    pictures: tuple[Picture, ...]
    keys: list[list[str]]  # [scale][row]
    described: Described
    seconds: float
    words: Words | None = None  # of a bag of words

    @property
    def database(self) -> torch.Tensor:
        """The descriptors of the database, [N, D]."""
        return self.described.vectors[: len(self.collection.images)]

    def maps(self, row: int) -> list[torch.Tensor]:
        """The stored maps [1, C, H, W] of a row, a scale each."""
        source = mapped(self.source)
        stored = (next(source.batches([names[row]], n))[1] for n, names in enumerate(self.keys))
        return [maps.float() for maps in stored]

    def image_rows(self) -> dict[str, int]:
        """The row of each image of the database."""
        return {image: row for row, image in enumerate(self.collection.images)}

    def row(self, query: Query | None) -> int | None:
        """The row of a query of the collection; None where it is none, or could not be read."""
        picture = query and picture_of(self.collection, query)
        return self.pictures.index(picture) if picture in self.pictures else None

    def query_rows(self) -> list[int]:
        """The row of each query, in the collection's order."""
        row_of = {picture: row for row, picture in enumerate(self.pictures)}
        return [row_of[picture_of(self.collection, query)] for query in self.collection.queries]

    def truth(self) -> list[dict[Any, Any]]:
        """For each query {row: grade} of what is known, and under ``self`` the row of its own image."""
        row_of, relevance = self.image_rows(), self.collection.relevance
        truth = []
        for query in self.collection.queries:
            grades: dict[Any, Any] = {row_of[i]: grade for i, grade in relevance.get(query.id, {}).items()}
            if query.image in row_of:
                grades["self"] = row_of[query.image]
            truth.append(grades)
        return truth

    def fresh(self) -> bool:
        """Whether the files are those that were described: a changed or vanished one is noticed."""
        try:
            if not self.source.fresh():
                return False
            if isinstance(self.source, MapSource):
                trained = (
                    attention(self.config, self.source),
                    proposals(self.config, self.source),
                    *elsewhere(self.config, self.source).values(),
                )
                described = self.described
                used = described.attention, described.proposals, *described.regional, *described.final
                if any(all(one is not other for other in used) for one in trained):
                    return False  # trained anew under the same name
        except WorkbenchError:
            return False
        for picture, key in zip(self.pictures, self.keys[0], strict=True):
            try:
                if not key.startswith(images.header(picture.path).fingerprint):
                    return False
            except WorkbenchError:
                return False
        return True


@dataclass(frozen=True)
class Keypoints:
    """The local features of a described collection's pictures, by row; the last ones stay in memory."""

    source: LocalSource
    keys: list[str]

    def of(self, row: int) -> Features:
        """A picture's features; none where it has no row, or could not be read."""
        key = self.keys[row] if row < len(self.keys) else ""
        return _features(self.source, key) if key in self.source.store else NO_FEATURES

    def stored(self, count: int) -> Iterator[tuple[int, Features]]:
        """Yield (row, features) of the first ``count`` pictures, a file at a time; of all that were read."""
        rows = [row for row in range(count) if self.keys[row] in self.source.store]
        for position, features in self.source.read([self.keys[row] for row in rows]):
            yield rows[position], features

    @property
    def bytes(self) -> float:
        """What the first pictures' features take on average."""
        some = [self.of(row) for row in range(min(20, len(self.keys)))]
        return sum(one.points.nbytes + one.stored.nbytes for one in some) / max(1, len(some))


@lru_cache(maxsize=1024)
def _features(source: LocalSource, key: str) -> Features:
    _, found = next(source.read([key]))
    return Features(found.points.copy(), found.stored.copy(), found.size)


def mapped(source: MapSource | LocalSource) -> MapSource:
    """The source of maps. Raises WorkbenchError where a pipeline is made of keypoints instead."""
    if isinstance(source, LocalSource):
        raise WorkbenchError(
            f"{source.spec.name} has no feature map, so there are no cells, channels or regions to look at; "
            "see its keypoints in the panel 'Local matches'"
        )
    return source


class OneAtATime:
    """Threads that do the same thing wait for one another, those that do others do not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of the dict, held for moments only
        self._locks: dict[str, threading.Lock] = {}

    @contextlib.contextmanager
    def __call__(self, name: str, progress: Progress) -> Iterator[None]:
        """Be the only one at work of that name; whoever waits for it can still be stopped."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        while not lock.acquire(timeout=_PATIENCE):
            progress("waiting for the same work", 0, 0)
        try:
            yield
        finally:
            lock.release()


class Describer:
    """Describes one collection by any pipeline. ``collection`` loses what turns out unreadable."""

    def __init__(self, collection: Collection, options: Options) -> None:
        self.collection = collection
        self.options = options
        self._sources: dict[tuple[str, str], MapSource | LocalSource] = {}
        self._ready: dict[str, Ready] = {}
        self._lock = threading.Lock()  # of the two dicts, held for moments only
        self._alone = OneAtATime()  # for each pipeline, and for each source

    def describe(self, config: Config, progress: Progress) -> Ready:
        """The collection described by a pipeline; nothing is done that is done already.

        Threads that ask for the same pipeline wait for one another, those that ask for others do not.
        """
        name = str(config)
        with self._alone(name, progress):
            with self._lock:
                known = self._ready.pop(name, None)
            if known is None or known.collection is not self.collection or not known.fresh():
                known = self._anew(config, progress)
            with self._lock:
                self._ready[name] = known  # the newest last
                while len(self._ready) > KEPT or (len(self._ready) > 1 and self._bytes() > MOST_BYTES):
                    self._ready.pop(next(iter(self._ready)))
            return known

    def _bytes(self) -> int:
        return sum(ready.described.vectors.nbytes for ready in self._ready.values())

    def keypoints(self, ready: Ready, name: str, progress: Progress) -> Keypoints:
        """The local features of all pictures that were described; extracted where they are not yet."""
        if isinstance(ready.source, LocalSource) and ready.source.spec.name == name:
            return Keypoints(ready.source, ready.keys[0])
        source = self.local(name)
        with self._alone(f"maps {name}", progress):
            keys, _ = source.extract(ready.pictures, 1, progress)
        return Keypoints(source, keys[0])

    def local(self, name: str) -> LocalSource:
        """The source of the local features of that name."""
        source = self._source(name, "words", lambda: LocalSource(name, self.options))
        assert isinstance(source, LocalSource)
        return source

    def _source(
        self, backbone: str, kind: str, make: Callable[[], MapSource | LocalSource]
    ) -> MapSource | LocalSource:
        with self._lock:
            known = self._sources.get((backbone, kind))
            if known is None or not known.fresh():
                known = self._sources[backbone, kind] = make()
            return known

    def _source_of(self, config: Config) -> MapSource | LocalSource:
        if config.pooling.name == "bow":
            return self.local(config.backbone)
        kind = "code" if config.pooling.name == "code" else "map"
        return self._source(config.backbone, kind, lambda: MapSource.of(config, self.options))

    def _anew(self, config: Config, progress: Progress) -> Ready:
        started = time.perf_counter()
        source = self._source_of(config)
        # Two pipelines of one backbone do not extract the same maps side by side.
        with self._alone(f"maps {source.spec.name}", progress):
            collection, pictures, keys = self._extract(source, config.scales, progress)
        fit_on, provenance = fitted_on(collection), {"collection": collection.name}
        learned = any(s.name == "lw" and not s.learned for s in config.whitenings)
        pairs = matching_rows(collection, pictures) if learned else None
        bag = None
        if isinstance(source, LocalSource):
            bag = words.describe(source, keys[0], int(config.pooling.args[0]), fit_on, progress)
            vectors = torch.from_numpy(bag.vectors())
            described = finish(vectors, config.vector_steps, {}, fit_on, pairs, provenance)
        else:
            described = describe(source, keys, config, fit_on, pairs, provenance, self.options.seed, progress)
        seconds = time.perf_counter() - started
        return Ready(config, collection, source, pictures, keys, described, seconds, bag)

    def _extract(
        self, source: MapSource | LocalSource, scales: int, progress: Progress
    ) -> tuple[Collection, tuple[Picture, ...], list[list[str]]]:
        """Extract all pictures; what is unreadable goes to the collection's report, the rest goes on."""
        while True:
            collection = self.collection
            if not collection.images:
                raise WorkbenchError(
                    f"{collection.name!r} has no image that can be read; "
                    f"its report names {len(collection.problems)}"
                )
            database = [Picture(collection.path(image)) for image in collection.images]
            queries = [picture_of(collection, query) for query in collection.queries]
            pictures = list(dict.fromkeys([*database, *queries]))
            keys, lost = source.extract(pictures, scales, progress)
            if not lost:
                return collection, tuple(pictures), keys
            named = [*collection.images, *(query.image for query in collection.queries)]
            name_at = {collection.path(image): image for image in named}
            with self._lock:  # another backbone may have found others
                self.collection = self.collection.without(
                    (name_at[pictures[row].path], why) for row, why in lost.items()
                )


def fitted_on(collection: Collection) -> list[int]:
    """Rows of the database that whitenings are fitted on: no distractors, which so change no descriptor."""
    own = [row for row, image in enumerate(collection.images) if not collection.is_distractor(image)]
    return own or list(range(len(collection.images)))


def matching_rows(collection: Collection, pictures: Sequence[Picture]) -> np.ndarray:
    """Rows [m, 2] of pictures that match by the ground truth: each query with each of its positives."""
    row_of = {picture: row for row, picture in enumerate(pictures)}
    image_at = {image: row for row, image in enumerate(collection.images)}
    pairs = [
        (row_of[picture_of(collection, query)], image_at[image])
        for query in collection.queries
        for image, grade in collection.relevance[query.id].items()
        if grade != "junk"
    ]
    return np.array([(a, b) for a, b in pairs if a != b], np.int64).reshape(-1, 2)
