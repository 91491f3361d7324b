"""The classes of a collection's images: their labels or, without labels, the query that an image answers."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.collections.collection import Collection


def answers(collection: Collection) -> dict[str, str]:
    """The query of each image that is relevant to one; the first if there are several."""
    query_of: dict[str, str] = {}
    for query in collection.queries:
        for image, grade in collection.relevance.get(query.id, {}).items():
            if grade != "junk":
                query_of.setdefault(image, query.id)
    return query_of


def labelled(collection: Collection) -> tuple[str, Mapping[str, str]]:
    """The meaning of the images' labels, and the labels; empty if the collection has none."""
    if collection.labels:
        return "Label", collection.labels
    return "Query it answers", answers(collection)
