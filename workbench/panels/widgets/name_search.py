"""Search in names, of which there may be millions, for those that contain a text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Sequence

import numpy as np

_END = "\0"  # between two names; no name of a file contains it


class NameSearch:
    """Names in order, searched for a part of what is shown for them; case does not matter.

    ``label`` is the text that is shown for a name, ``texts`` returns all texts that are searched, in order
    (by default the names), and ``members`` is a container of the names whose ``in`` is fast. The texts are
    joined at the first search, so that a search looks at one string and not at each name.
    """

    def __init__(
        self,
        names: Sequence[str],
        members: Container[str],
        label: Callable[[str], str] = str,
        texts: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self.names, self.label = names, label
        self._members = members
        self._texts = texts or (lambda: names)
        self._lock = threading.Lock()
        self._joined: tuple[str, np.ndarray] | None = None  # all texts, and where each begins

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def rows(self, text: str, most: int) -> list[int]:
        """The rows of at most ``most`` names that contain ``text``, the best matches first.

        These are the name itself, names that begin with the text, names of files that do, and then any other;
        those of one kind are in the order of the names. An empty text matches all names.
        """
        part = text.strip().casefold().replace(_END, "")
        if not part:
            return list(range(min(most, len(self.names))))
        joined, starts = self._index()
        rows: dict[int, None] = {}
        for pattern in (f"{_END}{part}{_END}", f"{_END}{part}", f"/{part}", part):
            place = joined.find(pattern)
            while place >= 0 and len(rows) < most:
                row = int(np.searchsorted(starts, place + (pattern[0] == _END), "right")) - 1
                rows.setdefault(row)
                if row + 1 == len(starts):
                    break
                place = joined.find(pattern, int(starts[row + 1]) - 1)
        return list(rows)

    def _index(self) -> tuple[str, np.ndarray]:
        with self._lock:
            if self._joined is None:
                texts = [text.casefold() for text in self._texts()]
                lengths = np.fromiter(map(len, texts), np.int64, len(texts))
                starts = np.cumsum(lengths + 1) - lengths
                self._joined = _END + _END.join(texts) + _END, starts
            return self._joined
