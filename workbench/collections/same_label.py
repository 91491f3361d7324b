"""Relevance by labels: all images of a label are positives of each other."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping


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

    def label(self, query: str) -> str:
        """The label of a query."""
        return self._queries[query][1]

    def members(self, label: str) -> Mapping[str, None]:
        """The database images of a label, in order."""
        return self._groups.get(label, {})

    def without(self, images: Container[str]) -> SameLabel:
        """The same relation without some images of the database."""
        groups = {
            label: [image for image in group if image not in images] for label, group in self._groups.items()
        }
        return SameLabel(groups, self._queries)

    def lost(self, images: Iterable[str]) -> dict[str, int]:
        """For each query that has positives among ``images``, their number."""
        lost = set(images)
        counts = {label: len(group.keys() & lost) for label, group in self._groups.items()}
        of_query = {
            query: counts.get(label, 0) - (image in lost and image in self._groups.get(label, {}))
            for query, (image, label) in self._queries.items()
        }
        return {query: count for query, count in of_query.items() if count}

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)
