"""Describe a collection by any pipeline, and cache the descriptions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.common.memory import release_freed_memory
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.descriptors.description import Descriptors, describe
from workbench.engine import stored_descriptions
from workbench.engine.collection_maps import CollectionMaps
from workbench.engine.description import DescribedCollection, picture_of, require_maps
from workbench.engine.keypoints import Keypoints
from workbench.engine.locks import NamedLocks
from workbench.engine.visual_words import describe_words
from workbench.engine.whitening_rows import Fit, fit_rows
from workbench.features.map_limit import delete_oldest, note_use
from workbench.features.map_source import MapSource, Picture, UnreadablePictures, scale_factor
from workbench.local.cell_source import CellSource, cell_source
from workbench.local.local_source import LocalSource

MAX_CACHED = 64  # most described pipelines held in memory: a sweep that is cancelled goes on
MAX_BYTES = 2**30  # most bytes of their vectors; the newest pipeline is always kept


class DescriptionCache:
    """Describe one collection by any pipeline, and keep the last results in memory.

    Images that turn out to be unreadable move from ``collection`` to its report.
    """

    def __init__(self, collection: Collection, options: Options) -> None:
        self.collection = collection
        self.options = options
        self._sources: dict[tuple[str, str], MapSource | LocalSource] = {}
        self._ready: dict[str, DescribedCollection] = {}
        self._lock = threading.Lock()  # protects the two dicts; held briefly
        self._last_keypoints: dict[str, tuple[tuple[Picture, ...], bytes, Keypoints]] = {}  # by name
        self._last_pictures: tuple[Collection, tuple[Picture, ...]] | None = None
        self._work_locks = NamedLocks()  # one for each pipeline and for each source

    def describe(self, config: Config, progress: Progress) -> DescribedCollection:
        """Describe the collection by a pipeline, or return the cached result if no file has changed.

        Threads that ask for the same pipeline wait for each other; threads that ask for others do not.
        """
        name = str(config)
        with self._work_locks(name, progress):
            with self._lock:
                described = self._ready.pop(name, None)
            if described is None or described.collection is not self.collection or not described.fresh():
                described = self._describe(config, progress)
            with self._lock:
                self._ready[name] = described  # the newest last
                while len(self._ready) > MAX_CACHED or (len(self._ready) > 1 and self._bytes() > MAX_BYTES):
                    self._ready.pop(next(iter(self._ready)))
            return described

    def _bytes(self) -> int:
        return sum(described.descriptors.vectors.nbytes for described in self._ready.values())

    def maps(self, config: Config, progress: Progress) -> CollectionMaps:
        """The stored maps of the collection's images, at the first scale; missing ones are extracted."""
        source = require_maps(self._source_of(config))
        while True:
            before = self.collection
            state = before.file_state()
            with self._work_locks(f"maps {source.spec.name}", progress):
                collection, _, keys = self._extract(source, 1, progress, stored=True)
            if collection is before:  # else unreadable images moved to the report
                return CollectionMaps(collection, source, keys[0][: len(collection.images)], state)

    def cells(self, config: Config, progress: Progress) -> CellSource:
        """The cells that a pipeline compares, with their whitening; missing maps are extracted."""
        source = require_maps(self._source_of(config))
        with self._work_locks(f"maps {source.spec.name}", progress):
            collection, pictures, keys = self._extract(source, config.scales, progress)
        fit = fit_rows(collection, pictures, config)
        return cell_source(source, keys[0], config, fit.rows, fit.provenance, progress)

    def compared(
        self, described: DescribedCollection, config: Config, progress: Progress
    ) -> Keypoints | None:
        """The local features that the index or the re-ranking of a pipeline compares; None without them."""
        keypoints = self.keypoints(described, config.compared, progress) if config.compared else None
        if described.cells is None:
            return keypoints
        return Keypoints(described.cells, described.keys[0], keypoints)

    def keypoints(self, described: DescribedCollection, name: str, progress: Progress) -> Keypoints:
        """The local features ``name`` of all described pictures; missing ones are extracted."""
        if isinstance(described.source, LocalSource) and described.source.spec.name == name:
            return Keypoints(described.source, described.keys[0])
        source = self.local(name)
        with self._work_locks(f"maps {name}", progress):
            pictures, state = described.pictures, described.collection.file_state()
            last = self._last_keypoints.get(name)
            if last is not None and last[0] is pictures and last[1] == state and last[2].source is source:
                return last[2]
            keys, unreadable = source.extract(pictures, 1, progress)
            keypoints = Keypoints(source, keys[0])
            if not unreadable:
                self._last_keypoints[name] = pictures, state, keypoints
        return keypoints

    def local(self, name: str) -> LocalSource:
        """The source of the local features ``name``."""
        source = self._source(name, "words", lambda: LocalSource(name, self.options))
        assert isinstance(source, LocalSource)
        return source

    def _source(
        self, backbone: str, kind: str, make: Callable[[], MapSource | LocalSource]
    ) -> MapSource | LocalSource:
        with self._lock:
            source = self._sources.get((backbone, kind))
            if source is None or not source.fresh():
                source = self._sources[backbone, kind] = make()
            return source

    def _source_of(self, config: Config) -> MapSource | LocalSource:
        if config.has_words and not config.has_cells:
            return self.local(config.backbone)
        kind = "code" if config.pooling.name == "code" else "map"
        return self._source(config.backbone, kind, lambda: MapSource.of(config, self.options))

    def _describe(self, config: Config, progress: Progress) -> DescribedCollection:
        started = time.perf_counter()
        source = self._source_of(config)
        while True:
            before = self.collection
            state = before.file_state()
            # Two pipelines of one backbone must not extract the same maps at the same time.
            with self._work_locks(f"maps {source.spec.name}", progress):
                collection, pictures, keys = self._extract(source, config.scales, progress)
            fit = fit_rows(collection, pictures, config)
            bag = cells = None
            try:
                if config.has_cells:
                    assert isinstance(source, MapSource)
                    cells = cell_source(source, keys[0], config, fit.rows, fit.provenance, progress)
                    bag, descriptors = describe_words(cells, keys[0], config, *fit, progress)
                    self._release_maps(source, config.scales)
                elif isinstance(source, LocalSource):
                    bag, descriptors = describe_words(source, keys[0], config, *fit, progress)
                else:
                    descriptors = self._descriptors(source, keys, config, fit, progress)
            except UnreadablePictures as error:  # their maps were not stored
                reasons = error.reasons
                self._report(
                    collection, pictures, {row: reasons[k] for row, k in enumerate(keys[0]) if k in reasons}
                )
                continue
            seconds = time.perf_counter() - started
            same = {state} if collection is before else set[bytes]()
            return DescribedCollection(
                config, collection, source, pictures, keys, descriptors, seconds, bag, cells, same
            )

    def _descriptors(
        self, source: MapSource, keys: list[list[str]], config: Config, fit: Fit, progress: Progress
    ) -> Descriptors:
        """The stored descriptors of pictures, or else new ones, which are stored."""
        path = stored_descriptions.path_of(source, keys, config, *fit)
        stored = stored_descriptions.read(path, config, source, len(keys[0]))
        if stored is not None:
            return stored
        damaged = path.exists()
        descriptors = describe(source, keys, config, *fit, self.options.seed, progress)
        if path == stored_descriptions.path_of(source, keys, config, *fit):  # no trained part has changed
            stored_descriptions.write(path, descriptors, config)
        self._release_maps(source, config.scales)
        return replace(descriptors, repaired=damaged)

    def _release_maps(self, source: MapSource, scales: int) -> None:
        """Note that maps were used, delete those over the limit of the disk, and free their memory."""
        for scale in range(scales):
            note_use(source.store(scale_factor(scale)).folder)
        if self.options.map_bytes is not None:
            delete_oldest(self.options.cache / "maps", self.options.map_bytes)
        release_freed_memory()

    def _extract(
        self, source: MapSource | LocalSource, scales: int, progress: Progress, stored: bool = False
    ) -> tuple[Collection, tuple[Picture, ...], list[list[str]]]:
        """Extract all pictures, again without those that turn out unreadable and move to the report.

        Where not all maps are kept, they are extracted when they are needed, unless they must be ``stored``.
        """
        while True:
            collection = self.collection
            if not collection.images:
                raise WorkbenchError(
                    f"{collection.name!r} has no image that can be read; "
                    f"its report names {len(collection.problems)}"
                )
            pictures = self._pictures(collection)
            if isinstance(source, MapSource) and self.options.maps != "all" and not stored:
                keys, unreadable = source.look_up(pictures, scales, progress)
            else:
                keys, unreadable = source.extract(pictures, scales, progress)
            if not unreadable:
                return collection, pictures, keys
            self._report(collection, pictures, unreadable)

    def _pictures(self, collection: Collection) -> tuple[Picture, ...]:
        """The pictures that are described, of the last collection from memory."""
        last = self._last_pictures
        if last is None or last[0] is not collection:
            last = self._last_pictures = collection, _pictures(collection)
        return last[1]

    def _report(
        self, collection: Collection, pictures: Sequence[Picture], unreadable: Mapping[int, str]
    ) -> None:
        """Move unreadable images to the report, and leave out queries whose box is outside of their image."""
        queries = [picture_of(collection, query) for query in collection.queries]
        names = [*collection.images, *(query.image for query in collection.queries)]
        name_at = {collection.path(image): image for image in names}
        reasons = {pictures[row]: reason for row, reason in unreadable.items()}
        crops = {picture: reason for picture, reason in reasons.items() if _is_outside(picture)}
        lost = {name_at[picture.path]: reasons[picture] for picture in reasons.keys() - crops.keys()}
        unjudged = {  # their images can be read
            query.id: crops[picture]
            for query, picture in zip(collection.queries, queries, strict=True)
            if picture in crops and query.image not in lost
        }
        with self._lock:  # another backbone may have found other unreadable images meanwhile
            self.collection = self.collection.without(lost.items()).without_queries(unjudged)


def _pictures(collection: Collection) -> tuple[Picture, ...]:
    """The pictures that are described: the database, then the queries that are not in it."""
    database = {image: Picture(collection.path(image)) for image in collection.images}
    others = [
        picture_of(collection, query)
        for query in collection.queries
        if query.box is not None or query.image not in database
    ]
    return (*database.values(), *dict.fromkeys(others))


def _is_outside(picture: Picture) -> bool:
    """Whether a picture's box holds no pixel of its image."""
    if picture.box is None:
        return False
    try:
        header = images.header(picture.path)
    except WorkbenchError:
        return False
    x0, y0, x1, y1 = picture.box
    return not (x0 < header.width and y0 < header.height and x1 > 0 and y1 > 0)
