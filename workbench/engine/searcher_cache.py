"""The searchers of the last pipelines, held in memory."""

from __future__ import annotations

import threading

from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.engine.description import DescribedCollection
from workbench.engine.keypoints import Keypoints
from workbench.engine.locks import NamedLocks
from workbench.engine.searcher import Searcher, build_searcher

MAX_SEARCHERS = 8  # held in memory
MAX_BYTES = 2**30  # that they hold besides the descriptors; the newest searcher is always kept


class SearcherCache:
    """Build searchers, and keep the last ones in memory."""

    def __init__(self) -> None:
        self._searchers: dict[str, Searcher] = {}
        self._lock = threading.Lock()  # protects the dict; held briefly
        self._work_locks = NamedLocks()

    def of(
        self,
        described: DescribedCollection,
        config: Config,
        progress: Progress = silent,
        keypoints: Keypoints | None = None,
    ) -> Searcher:
        """The searcher of ``config`` on a collection described by ``config.description``."""
        name = str(config)
        with self._work_locks(name, progress):
            with self._lock:
                searcher = self._searchers.pop(name, None)
            if searcher is None or searcher.described is not described or searcher.keypoints != keypoints:
                searcher = build_searcher(described, config, progress, keypoints)
            with self._lock:
                self._searchers[name] = searcher  # the newest last
                while len(self._searchers) > MAX_SEARCHERS or (
                    len(self._searchers) > 1 and self._bytes() > MAX_BYTES
                ):
                    self._searchers.pop(next(iter(self._searchers)))
            return searcher

    def _bytes(self) -> float:
        return sum(_held_bytes(searcher) for searcher in self._searchers.values())


def _held_bytes(searcher: Searcher) -> float:
    """The bytes that a searcher holds besides the descriptors."""
    index = searcher.index
    vectors = searcher.vectors.nbytes * (len(searcher.rerankers) > 0)
    return vectors + index.bytes * index.size * index.own_memory
