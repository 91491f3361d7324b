"""The query of a session as one combined query: read, replaced, and changed part by part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from workbench.collections.images import header
from workbench.common.progress import Progress
from workbench.panels.session import Session
from workbench.query.part import Part
from workbench.query.query import Group, Leaf, Query

REGION = 0.5  # the weight of a region that is added to the query
DRAWN = ("sketch", "colours")  # the readings of a drawing


def current_query(session: Session) -> Query | None:
    """The query of the session; None if it has none."""
    if session.expression:
        return Query.parse(session.expression)
    names = [session.query, *session.also] if session.query else []
    pictures = [Query.image(name, session.box if not place else None) for place, name in enumerate(names)]
    return Group("+", tuple(pictures)) if len(pictures) > 1 else pictures[0] if pictures else None


def start_search(session: Session, query: Query) -> None:
    """Search for another query: judgements are cleared, as for another picture."""
    _search(session, query, feedback={})


def change_search(session: Session, query: Query) -> None:
    """Search for a changed query; judgements are kept."""
    _search(session, query)


def join_query(session: Session, query: Query, weight: float = 1.0) -> None:
    """Add a query to the current one, with a weight."""
    current, added = current_query(session), query if weight == 1 else weight * query
    change_search(session, added if current is None else current + added)


def join_region(session: Session, image: str, sign: int, shares: Sequence[float]) -> None:
    """Search for more (``sign`` 1) or less (-1) like a region of an image, a box in fractions of it."""

    def work(progress: Progress) -> None:
        size = header(session.bench.collection.path(image))
        x0, y0, x1, y1 = (share * (size.height if n % 2 else size.width) for n, share in enumerate(shares))
        box = math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)
        progress("Reading the image", 1, 1)
        join_query(session, Query.image(image, box), sign * REGION)

    session.run("region", work)


def without_part(session: Session, place: int) -> None:
    """Remove a part of the query. Without its last part the session searches for its picture."""
    query = Query.parse(session.expression)
    if len(query.parts) > 1:
        change_search(session, query.without(place))
    else:
        session.change_query(expression="")


def with_part(query: Query, place: int, part: Part) -> Query:
    """The query with another part in place of one; its weight is kept."""
    numbers = count()

    def changed(node: Query) -> Query:
        if isinstance(node, Group):
            return replace(node, members=tuple(changed(member) for member in node.members))
        return replace(node, part=part) if isinstance(node, Leaf) and next(numbers) == place else node

    return changed(query)


def joints(query: Query) -> list[str]:
    """The word before each part: ``and``, ``or`` or an arrangement; empty for the first one and in a sum."""

    def words(node: Query, before: str) -> Iterator[str]:
        if not isinstance(node, Group):
            yield before
            return
        for place, member in enumerate(node.members):
            yield from words(member, node.operator if place else before)

    return ["" if word == "+" else word for word in words(query, "")]


def picture_place(session: Session) -> int:
    """The place of the session's picture among the parts of its combined query; -1 if it is not there."""
    parts = Query.parse(session.expression).parts if session.expression else ()
    names = [part.value if part.kind == "image" else "" for part, _ in parts]
    return names.index(session.query) if session.query in names else -1


def _search(session: Session, query: Query, **others: dict[str, int]) -> None:
    """Search for a query; one picture that can be chosen is chosen."""
    if isinstance(query, Leaf) and query.part.kind == "image" and query.weight > 0:
        name = query.part.value
        if name not in session.queries and Path(name).is_absolute() and Path(name).is_file():
            session.add_file(Path(name))
        if name in session.queries:
            session.change_query(query=name, box=query.part.box, also=(), expression="", **others)
            return
    session.change_query(also=(), expression=str(query), **others)
