"""Relevance by labels: all images of a label are positives of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


class _Others(Mapping[str, str]):
    """Read-only view: the members of a group except one, each ``positive``."""

    def __init__(self, members: Mapping[str, None], excluded: str) -> None:
        self._members, self._excluded = members, excluded

    def __getitem__(self, image: str) -> str:
        if image == self._excluded or image not in self._members:
            raise KeyError(image)
        return "positive"

    def __iter__(self) -> Iterator[str]:
        return (image for image in self._members if image != self._excluded)

    def __len__(self) -> int:
        return len(self._members) - (self._excluded in self._members)


class SameLabel(Mapping[str, Mapping[str, str]]):
    """Query id → the other database images of its label, all ``positive``.

    ``groups`` maps a label to its database images, ``queries`` a query id to (image, label).
    The relations are computed on demand: stored, a label of n images would have n² entries.
    """

    def __init__(self, groups: Mapping[str, Iterable[str]], queries: Mapping[str, tuple[str, str]]) -> None:
        self._groups = {label: dict.fromkeys(images) for label, images in groups.items()}
        self._queries = dict(queries)

    def __getitem__(self, query: str) -> Mapping[str, str]:
        image, label = self._queries[query]
        return _Others(self._groups.get(label, {}), image)

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)
