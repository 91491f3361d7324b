"""A query of several parts: they are weighted and added, and joined by ``and``, ``or`` and arrangements.

``str(query)`` is one line of the query language, and ``Query.parse`` reads it: see docs/queries.md. A query
is a leaf or a group of queries, so the three classes share one file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config.errors import WorkbenchError
from workbench.query.part import Part, number

if TYPE_CHECKING:
    from workbench.common.geometry import Box

ARRANGEMENTS = ("left of", "right of", "above", "below")
_OPPOSITES = {"and": "or", "or": "and"}
_PRECEDENCE = {"or": 0, "and": 1, "+": 2, **dict.fromkeys(ARRANGEMENTS, 3)}  # the loosest first
MOST_PARTS = 100
LARGEST_WEIGHT = 1000.0


class Query:
    """A query: a ``Leaf``, which is a part with its weight, or a ``Group`` of queries.

    Made by ``Query.image``, ``text``, ``sketch``, ``colours`` and ``parse``, and combined by ``+``, ``-``,
    ``*`` a number, ``&`` (both), ``|`` (either), and ``left_of``, ``right_of``, ``above``, ``below``. A
    weight is given to each part: ``0.5 * (a + b)`` is ``0.5 * a + 0.5 * b``, and ``-(a & b)``, not both, is
    ``-a | -b``. A part of weight zero is switched off. Raises WorkbenchError for more than MOST_PARTS parts
    and for weights beyond ±LARGEST_WEIGHT.
    """

    @staticmethod
    def image(name: str | Path, box: Box | None = None) -> Query:
        """Images like an image: a query's id, an image's id or a file, cropped to ``box`` (pixels)."""
        return Leaf(Part("image", name, box))  # type: ignore[arg-type]  # converted there

    @staticmethod
    def text(words: str) -> Query:
        """Images of what the words say."""
        return Leaf(Part("text", words))

    @staticmethod
    def sketch(file: str | Path) -> Query:
        """Images with contours like those of a drawing or a photograph."""
        return Leaf(Part("sketch", file))  # type: ignore[arg-type]

    @staticmethod
    def colours(file: str | Path) -> Query:
        """Images with a layout of colours like that of a drawing or a photograph."""
        return Leaf(Part("colours", file))  # type: ignore[arg-type]

    @staticmethod
    def parse(line: str) -> Query:
        """Read a line such as ``image:p04 + 0.5 text:"at night"``. Raises QueryError, which points at the
        character that is wrong."""
        from workbench.query.parser import parse

        query: Query = parse(line, Leaf)
        return query

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The parts with their weights, in order."""
        return tuple(_leaves(self))

    @property
    def parts(self) -> tuple[tuple[Part, float], ...]:
        """Each part and its weight, in order."""
        return tuple((leaf.part, leaf.weight) for leaf in _leaves(self))

    @property
    def arranged(self) -> bool:
        """Whether any of it is an arrangement."""
        return isinstance(self, Group) and (
            self.operator in ARRANGEMENTS or any(member.arranged for member in self.members)
        )

    def with_weight(self, index: int, weight: float) -> Query:
        """This query with another weight of the part ``index`` (from 0). Raises WorkbenchError if there is
        no such part."""
        leaf = self._leaf(index)
        changed = _changed(self, iter(range(len(self.parts))), {index: replace(leaf, weight=weight)})
        assert changed is not None
        return changed

    def without(self, index: int) -> Query:
        """This query without the part ``index`` (from 0). Raises WorkbenchError if there is no such part, or
        no other."""
        self._leaf(index)
        rest = _changed(self, iter(range(len(self.parts))), {index: None})
        if rest is None:
            raise WorkbenchError(f"{str(self)!r} has no other part; a query has at least one")
        return rest

    def left_of(self, other: Query) -> Query:
        """Both, and this left of the other: by the centres of their located boxes."""
        return Group("left of", (self, other))

    def right_of(self, other: Query) -> Query:
        """Both, and this right of the other."""
        return Group("right of", (self, other))

    def above(self, other: Query) -> Query:
        """Both, and this above the other."""
        return Group("above", (self, other))

    def below(self, other: Query) -> Query:
        """Both, and this below the other."""
        return Group("below", (self, other))

    def __add__(self, other: Query) -> Query:
        return _joined("+", self, other)

    def __radd__(self, other: object) -> Query:
        return self if other == 0 else NotImplemented  # ``sum`` begins with 0

    def __sub__(self, other: Query) -> Query:
        return _joined("+", self, -other) if isinstance(other, Query) else NotImplemented

    def __neg__(self) -> Query:
        return self * -1

    def __and__(self, other: Query) -> Query:
        return _joined("and", self, other)

    def __or__(self, other: Query) -> Query:
        return _joined("or", self, other)

    def __mul__(self, factor: float) -> Query:
        return NotImplemented if isinstance(factor, Query | str) else _scaled(self, _weight(factor))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"Query.parse({str(self)!r})"

    def _leaf(self, index: int) -> Leaf:
        leaves = self.leaves
        if not 0 <= index < len(leaves):
            count = f"{len(leaves)} part{'s' * (len(leaves) > 1)}"
            raise WorkbenchError(f"the query has no part {index + 1}: {str(self)!r} has {count}")
        return leaves[index]


@dataclass(frozen=True, repr=False)
class Leaf(Query):
    """A part with its weight."""

    part: Part
    weight: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _weight(self.weight))

    def __str__(self) -> str:
        if abs(self.weight) == 1:
            return f"{'-' * (self.weight < 0)}{self.part}"
        return f"{number(self.weight)} {self.part}"


@dataclass(frozen=True, repr=False)
class Group(Query):
    """Queries joined by ``+``, ``and`` or ``or``, two or more, or exactly two by one of ARRANGEMENTS."""

    operator: str
    members: tuple[Query, ...]

    def __post_init__(self) -> None:
        for member in self.members:
            if not isinstance(member, Query):
                raise WorkbenchError(
                    f"{member!r} is not a query; write Query.image(…), Query.text(…) or Query.parse(…)"
                )
        if (count := len(self.parts)) > MOST_PARTS:
            raise WorkbenchError(f"the query has {count} parts; at most {MOST_PARTS} are combined")

    def __str__(self) -> str:
        level = _PRECEDENCE[self.operator]
        text = ""
        for position, member in enumerate(self.members):
            loose = isinstance(member, Group) and (
                _PRECEDENCE[member.operator] < level + (position > 0 and self.operator in ARRANGEMENTS)
            )
            shown = f"({member})" if loose else str(member)
            if not position:
                text = shown
            elif isinstance(member, Leaf) and self.operator == "+" and member.weight < 0:
                text += f" - {shown[1:]}"
            else:
                text += f" {self.operator} {shown}"
        return text


def _leaves(query: Query) -> Iterator[Leaf]:
    if isinstance(query, Leaf):
        yield query
    elif isinstance(query, Group):
        for member in query.members:
            yield from _leaves(member)


def _joined(operator: str, *queries: Query) -> Query:
    """A group of the queries; groups of the same operator among them become part of it."""
    if not all(isinstance(query, Query) for query in queries):
        return NotImplemented
    members: list[Query] = []
    for query in queries:
        same = isinstance(query, Group) and query.operator == operator
        members += query.members if same and isinstance(query, Group) else (query,)
    return Group(operator, tuple(members))


def _scaled(query: Query, factor: float) -> Query:
    if isinstance(query, Leaf):
        return replace(query, weight=query.weight * factor)
    assert isinstance(query, Group)
    if factor < 0 and query.operator in ARRANGEMENTS:
        raise WorkbenchError(
            f"{str(query)!r} is an arrangement, which has no opposite; give it a positive weight"
        )
    # The larger of two numbers is the smaller one of their negatives (De Morgan).
    operator = _OPPOSITES.get(query.operator, query.operator) if factor < 0 else query.operator
    members = (_scaled(member, factor) for member in query.members)
    return reduce(lambda first, second: _combined(operator, first, second), members)


def _combined(operator: str, first: Query, second: Query) -> Query:
    return Group(operator, (first, second)) if operator in ARRANGEMENTS else _joined(operator, first, second)


def _changed(query: Query, numbers: Iterator[int], leaves: dict[int, Leaf | None]) -> Query | None:
    """The query with other leaves by their numbers; None: without that leaf."""
    if isinstance(query, Leaf):
        return leaves.get(next(numbers), query)
    assert isinstance(query, Group)
    members = [_changed(member, numbers, leaves) for member in query.members]
    kept = [member for member in members if member is not None]
    return reduce(lambda first, second: _combined(query.operator, first, second), kept) if kept else None


def _weight(value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not abs(weight) <= LARGEST_WEIGHT:
        raise WorkbenchError(
            f"weight {value!r} is not a number from -{LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}"
        )
    return weight + 0.0  # not -0
