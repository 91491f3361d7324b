"""The queries of a session, by name: those of the collection or, without any, all its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from workbench.collections.collection import Collection, Query
from workbench.collections.uploads import display_name
from workbench.panels.widgets.name_search import NameSearch


class SessionQueries(Mapping[str, Query]):
    """Name → query: ``added`` files first, then the queries of the collection, or an image for each query.

    Nothing is made for each image: a collection may have a million.
    """

    def __init__(self, collection: Collection, added: Mapping[str, Query] | None = None) -> None:
        self.collection = collection
        self.added = {name: query for name, query in (added or {}).items() if name not in self._listed}

    def __getitem__(self, name: str) -> Query:
        if name in self.added:
            return self.added[name]
        if name not in self._listed:
            raise KeyError(name)
        return self._listed[name] or Query(name, name)

    def __contains__(self, name: object) -> bool:
        return name in self.added or name in self._listed

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SessionQueries):
            return NotImplemented
        return self.collection is other.collection and self.added == other.added

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def names(self) -> Sequence[str]:
        """The names in order."""
        listed = tuple(self._listed) if self.collection.queries else self.collection.images
        return (*self.added, *listed) if self.added else listed

    @cached_property
    def search(self) -> NameSearch:
        """The search in what is shown for these names."""

        def texts() -> Iterator[str]:
            return chain(map(display_name, self.added), self.names[len(self.added) :])

        return NameSearch(self.names, self, display_name, texts)

    @cached_property
    def _listed(self) -> Mapping[str, Query | None]:
        """The queries of the collection; None for an image that is one."""
        queries = self.collection.queries
        return {query.id: query for query in queries} if queries else self.collection.members


def image_search(collection: Collection) -> NameSearch:
    """The search in the names of the database's images."""
    members = collection.members  # and the images of queries, which may not be in the database
    same = len(members) == len(collection.images)
    return NameSearch(collection.images, members if same else frozenset(collection.images))
