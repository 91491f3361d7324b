"""The error of a query that cannot be read: a sentence, the line, and a caret under the wrong character."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

LONGEST_LINE = 4000
_SHOWN = 60  # characters of the line before the caret, and after it
_OPERATORS = "+, -, and, or, left of, right of, above, below"
_QUOTES = "\"'“„‘«"


class QueryError(WorkbenchError):
    """A query that cannot be read: why, by a ``sentence``, and where, by the ``position`` in the ``line``."""

    def __init__(self, sentence: str, line: str, position: int) -> None:
        super().__init__(sentence)
        self.sentence, self.line, self.position = printable(sentence), line, min(position, len(line))

    def __str__(self) -> str:
        return f"{self.sentence}\n{self.pointer}" if self.line.strip() else self.sentence

    @property
    def pointer(self) -> str:
        """The line, or what is near the wrong character of a long one, and below it the caret."""
        first = max(0, self.position - _SHOWN)
        last = self.position + _SHOWN
        before = "…" * (first > 0) + printable(self.line[first : self.position])
        after = printable(self.line[self.position : last]) + "…" * (last < len(self.line))
        return f"{before}{after}\n{' ' * _width(before)}^"


def syntax_error(error: Any, line: str) -> QueryError:
    """The error of a line, from the parser's: ``UnexpectedToken`` or ``UnexpectedCharacters`` of lark."""
    token = getattr(error, "token", None)
    at_end = token is not None and token.type == "$END"
    position = len(line) if at_end else int(error.pos_in_stream)
    expected = set(getattr(error, "accepts", None) or getattr(error, "expected", None) or error.allowed or ())
    rest = line[position:]
    word = (re.match(r"[\w.]+|\S", rest) or [""])[0]
    if (
        "COMMA" in expected
        or "RSQB" in expected
        or (expected <= {"NUMBER", "SIGN"} and "KIND" not in expected)
    ):
        bracket = line.rfind("[", 0, position)
        return QueryError("a box is four numbers in pixels: [x0,y0,x1,y1]", line, max(bracket, 0))
    if "WORD" in expected or "KIND" in expected:
        if word and word in _QUOTES and "WORD" in expected:
            return QueryError("this quote is not closed", line, position)
        if "WORD" in expected:
            return QueryError(
                'after the colon stands a name or, in quotes, words: image:NAME, text:"words"', line, position
            )
        if at_end:
            return QueryError("the query ends where a part is expected, such as image:NAME", line, position)
        hint = 'a part is written image:NAME, text:"words", sketch:FILE or colours:FILE'
        return QueryError(f"{word!r} is no part of a query: {hint}", line, position)
    if at_end:
        return QueryError("this bracket is not closed", line, _open_bracket(line))
    if word == ")":
        return QueryError("this bracket closes none", line, position)
    if word == "[":
        return QueryError(
            "a box is four numbers right after an image: image:NAME[x0,y0,x1,y1]", line, position
        )
    hint = ""
    if _after_bare_word(line, position):
        hint = f"; {'put spaces around - and +' if word == ':' else 'quote names and texts of several words'}"
    return QueryError(f"{word!r} does not join two parts; valid: {_OPERATORS}{hint}", line, position)


def _after_bare_word(line: str, position: int) -> bool:
    """Whether what stands before a position is a name or a word without quotes."""
    return re.search(r":\s*[^\s\"'“”„‘’«»()\[\]]+\s*$", line[:position]) is not None


def _open_bracket(line: str) -> int:
    """The last bracket that is not closed; brackets in quotes do not count."""
    unquoted = re.sub(r"\"[^\"]*\"|'[^']*'|“[^”]*”", lambda match: " " * len(match[0]), line)
    depth = 0
    for position in range(len(unquoted) - 1, -1, -1):
        depth += {"(": 1, ")": -1}.get(unquoted[position], 0)
        if depth > 0:
            return position
    return len(line)


def _width(text: str) -> int:
    """The columns of a text in a terminal: letters of East Asia are two wide, accents none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
