"""What must be said of a text: that it is cut, that it is not English, that no concept is near it."""

from __future__ import annotations

import re
import unicodedata

from workbench.config.printable import printable
from workbench.text.bridge import NEAR, TextQuery
from workbench.text.encoder import WORD_PIECES, counted_text

_LONGEST = 40  # characters of a text in a message
_ENGLISH = "the text encoder knows English only"
# Frequent words of German, French, Spanish, Italian, Portuguese and Dutch that are not used in English.
_FOREIGN = frozenset(
    "und ein eine einen einem einer der das mit auf nicht für ist sind oder une les avec dans pour sont nous "
    "una los unos está muy della degli gli nella sono che uma não são het een niet op zijn".split()
)


def text_notes(query: TextQuery) -> list[str]:
    """The notes on a text, each one sentence; none for an English text that a concept is near."""
    return [note for note in (_cut(query.text), _foreign(query.text), _far(query)) if note]


def _cut(text: str) -> str:
    counted = counted_text(text)
    if len(counted) >= len(text.rstrip()):
        return ""
    end = counted[-30:].split(maxsplit=1)[-1]
    return (
        f"the text has {len(text):,} characters, of which the first {len(counted):,} count "
        f"(up to {printable(end)!r}): the text encoder takes {WORD_PIECES} word pieces"
    )


def _foreign(text: str) -> str:
    other = next((c for c in text if c.isalpha() and "LATIN" not in unicodedata.name(c, "LATIN")), "")
    if other:
        return f"{_ENGLISH}, and {other!r} is a letter of another script; write the text in English"
    word = next((word for word in re.findall(r"\w+", text.casefold()) if word in _FOREIGN), "")
    return f"{_ENGLISH}, and {word!r} is not an English word; write the text in English" if word else ""


def _far(query: TextQuery) -> str:
    best = query.best()
    if query.similarities[best[0]] >= NEAR:
        return ""
    names = ", ".join(f"{query.concepts.titles[k]} ({query.similarities[k]:.2f})" for k in best)
    return (
        f"no concept is near {brief(query.text)!r}: the nearest are {names}, with similarities below {NEAR}, "
        f"so the ranking says little; {_ENGLISH}"
    )


def brief(text: str) -> str:
    """A text as a message shows it: one line of at most 40 characters, control characters escaped."""
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
