"""Read a query in one line, by the grammar in ``grammar.lark``; errors point at the wrong character."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache, reduce
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

from workbench.config.errors import WorkbenchError
from workbench.query.errors import LONGEST_LINE, QueryError, syntax_error
from workbench.query.part import WORD, Part

# Queries are combined by their operators, and not imported: their module imports this one.
JOIN: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "and": operator.and_,
    "or": operator.or_,
    "left of": lambda first, second: first.left_of(second),
    "right of": lambda first, second: first.right_of(second),
    "above": lambda first, second: first.above(second),
    "below": lambda first, second: first.below(second),
}


def parse(line: str, leaf: Callable[[Part], Any]) -> Any:
    """Read a query, of which ``leaf`` makes one of a single part.

    Raises QueryError: a sentence, the line, and a caret under the wrong character.
    """
    if not isinstance(line, str):
        raise WorkbenchError(f"a query is text, not {type(line).__name__}")
    if not line.strip():
        raise QueryError('the query is empty; write for example image:NAME + 0.5 text:"words"', line, 0)
    if len(line) > LONGEST_LINE:
        raise QueryError(
            f"the query has {len(line):,} characters, and at most {LONGEST_LINE:,} are read; shorten it",
            line,
            LONGEST_LINE,
        )
    try:
        return _parser(leaf).parse(line)
    except (UnexpectedCharacters, UnexpectedToken, UnexpectedEOF) as error:
        raise syntax_error(error, line) from None
    except _Misplaced as error:
        raise QueryError(str(error.reason), line, error.position) from None


class _Misplaced(Exception):
    """A part of the line cannot be used, for a ``reason``; ``position`` is its first character."""

    def __init__(self, reason: WorkbenchError, position: int) -> None:
        super().__init__(str(reason))
        self.reason, self.position = reason, position


class _ToQuery(Transformer[Token, Any]):
    """Build a query while the line is parsed, so that brackets may be nested deeply."""

    def __init__(self, leaf: Callable[[Part], Any]) -> None:
        super().__init__()
        self._leaf = leaf

    def start(self, items: list[Any]) -> Any:
        return items[0]

    def either(self, items: list[Any]) -> Any:
        return _at(None, lambda: reduce(JOIN["or"], items))

    def both(self, items: list[Any]) -> Any:
        return _at(None, lambda: reduce(JOIN["and"], items))

    def sum(self, items: list[Any]) -> Any:
        return _at(None, lambda: _join_pairs(items))

    def arrangement(self, items: list[Any]) -> Any:
        return _at(None, lambda: _join_pairs(items))

    def signed(self, items: list[Any]) -> Any:
        sign, query = items
        return query if sign == "+" else _at(sign, lambda: -query)

    def scaled(self, items: list[Any]) -> Any:
        factor, query = items
        return _at(factor, lambda: query * float(factor))

    def part(self, items: list[Any]) -> Any:
        kind, value, *box = items
        return _at(kind, lambda: self._leaf(Part(str(kind), str(value), box[0] if box else None)))

    def box(self, items: list[float]) -> tuple[float, ...]:
        return tuple(items)

    def coordinate(self, items: list[Token]) -> float:
        *sign, number = items
        return -float(number) if sign and sign[0] != "+" else float(number)

    def relation(self, items: list[Token]) -> str:
        return " ".join(items[0].lower().split())

    def KIND(self, token: Token) -> Token:
        return token.update(value=token.rstrip(": \t\r\n").lower().replace("colors", "colours"))

    def QUOTED(self, token: Token) -> Token:
        quote, value = token[0], token[1:-1]
        return token.update(value=value.replace(quote * 2, quote) if quote in "\"'" else value)

    def SIGN(self, token: Token) -> Token:
        return token.update(value="+" if token == "+" else "-")


def _join_pairs(items: list[Any]) -> Any:
    query = items[0]
    for join, other in zip(items[1::2], items[2::2], strict=True):
        query = JOIN[join](query, other)
    return query


def _at(token: Token | None, build: Callable[[], Any]) -> Any:
    try:
        return build()
    except WorkbenchError as error:
        raise _Misplaced(error, (token.start_pos or 0) if token is not None else 0) from None


@cache
def _parser(leaf: Callable[[Part], Any]) -> Lark:
    grammar = files("workbench.query").joinpath("grammar.lark").read_text("utf-8")
    word = WORD.replace("/", r"\/")
    return Lark(
        f"{grammar}\nWORD: /{word}/\n",
        parser="lalr",
        lexer="contextual",
        transformer=_ToQuery(leaf),
    )
