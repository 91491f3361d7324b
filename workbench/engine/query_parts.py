"""Resolve what is searched for: one picture, or a query of parts, as an object or as a line of text."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.collections.collection import Collection
from workbench.common.geometry import Box
from workbench.common.paths import user_path
from workbench.config.errors import WorkbenchError
from workbench.engine.queries import QueryLike, find_query
from workbench.query.part import has_keyword
from workbench.query.query import Group, Leaf, Query

SearchQuery = QueryLike | Query


@dataclass(frozen=True)
class ResolvedQuery:
    """A query as ``parts``, as a ``picture`` with its crop if that is all it is, or as both."""

    parts: Query | None
    picture: tuple[QueryLike, Box | None] | None = None

    @property
    def active(self) -> list[Leaf]:
        """The parts that are not switched off."""
        return [leaf for leaf in self.parts.leaves if leaf.weight] if self.parts else []


def resolve(
    collection: Collection, query: SearchQuery | None, text: str | None = None, box: Box | None = None
) -> ResolvedQuery:
    """Resolve the arguments of a search: a query or words, and the crop of a picture.

    A string is an id or a file if there is one of that name, else a line of the query language if it has a
    part such as ``image:NAME``. A query with one part in use, an image, is a search for that picture.
    Raises WorkbenchError for both or none of query and text, for a crop of anything but a picture, and for a
    query without a part of positive weight.
    """
    if (query is None) == (text is None):
        raise WorkbenchError("give either a query or text" + ", not both" * (query is not None))
    parts = Query.text(text) if text is not None else query if isinstance(query, Query) else None
    if parts is None and isinstance(query, str) and has_keyword(query) and not _is_picture(collection, query):
        parts = Query.parse(query)
    if parts is None:
        assert query is not None and not isinstance(query, Query)
        return ResolvedQuery(None, (query, box))
    if box is not None:
        raise WorkbenchError("a query of parts has no box of its own; write it as image:NAME[x0,y0,x1,y1]")
    resolved = ResolvedQuery(parts)
    if not any(leaf.weight > 0 for leaf in resolved.active):
        raise WorkbenchError(
            f"every part of {str(parts)!r} has a weight of zero or less, so nothing is searched for; "
            "give one a positive weight"
        )
    if len(resolved.active) == 1 and (part := resolved.active[0].part).kind == "image":
        return ResolvedQuery(parts, (part.value, part.box))
    return resolved


def judged_query(collection: Collection, query: Query) -> str | None:
    """The image whose ground truth judges the results: the only one of positive weight, or the first summand;
    None if there is no such image."""
    summands = query.members if isinstance(query, Group) and query.operator == "+" else (query,)
    direct = [member for member in summands if isinstance(member, Leaf)]
    wanted = [
        [leaf.part.value for leaf in leaves if leaf.weight > 0 and leaf.part.kind == "image"]
        for leaves in (query.leaves, direct)
    ]
    names = {entry.id if (entry := find_query(collection, name)) else name for name in wanted[0]}
    if len(names) == 1:
        return wanted[0][0]
    return wanted[1][0] if wanted[1] else None


def _is_picture(collection: Collection, query: str) -> bool:
    """Whether a string is an id or a file."""
    if find_query(collection, query) is not None:
        return True
    try:
        return user_path(query).is_file()
    except WorkbenchError:  # no file can have this name
        return False
