"""The batches of an extraction, divided among workers in parts that follow each other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import pairwise

from workbench.features.batches import Item


class BatchQueue:
    """Batches for some workers. Safe to use from several threads.

    Each worker gets batches that follow each other, so that it decodes a video forwards; one that has
    finished takes the second half of what remains of the largest part.
    """

    def __init__(self, batches: Sequence[list[Item]], workers: int) -> None:
        self._batches = batches
        ends = [len(batches) * worker // workers for worker in range(workers + 1)]
        self._parts = [[first, end] for first, end in pairwise(ends)]
        self._lock = threading.Lock()

    def add(self) -> int:
        """Add a worker, without batches of its own yet; returns its number."""
        with self._lock:
            self._parts.append([0, 0])
            return len(self._parts) - 1

    def next(self, worker: int) -> list[Item] | None:
        """The next batch of a worker; None if none remains."""
        with self._lock:
            part = self._parts[worker]
            if part[0] == part[1]:
                largest = max(self._parts, key=lambda other: other[1] - other[0])
                middle = (largest[0] + largest[1]) // 2
                part[:], largest[1] = [middle, largest[1]], middle
            if part[0] == part[1]:
                return None
            part[0] += 1
            return self._batches[part[0] - 1]
