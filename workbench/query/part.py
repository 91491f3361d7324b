"""One part of a query: an image, text, a sketch or the colours of a picture, and how it is written."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.common.geometry import Box

KINDS = ("image", "text", "sketch", "colours")
LONGEST = 1000  # characters of a value: a text, or a path
# A name is written without quotes if it has no space, quote at its start, bracket, operator or colon, except
# that of a drive: C:\photos\a.jpg.
WORD = r"(?:[A-Za-z]:(?=[\\/]))?[^\s\"'“”„‘’«»()\[\]+*:][^\s\"“”„«»()\[\]+*:]*"
_BARE = re.compile(WORD)
_KEYWORD = re.compile(r"\b(image|text|sketch|colou?rs)\s*:", re.IGNORECASE)
_NEEDS = {"image": "the name of an image", "text": "words", "sketch": "a file", "colours": "a file"}


@dataclass(frozen=True)
class Part:
    """One thing that is searched for.

    ``kind`` is ``image`` (``value``: a query's id, an image's id or a file), ``text`` (words), ``sketch`` (a
    file whose contours are compared) or ``colours`` (a file whose layout of colours is compared). ``box``
    (x0, y0, x1, y1 in pixels of the upright image) crops an image. Raises WorkbenchError for another kind,
    an empty or very long value, and a box that is empty or not of an image.
    """

    kind: str
    value: str
    box: Box | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise WorkbenchError(f"{str(self.kind)!r} is not a kind of part; valid: {', '.join(KINDS)}")
        value = _as_text(self.kind, self.value)
        object.__setattr__(self, "value", value)
        if not value.strip():
            raise WorkbenchError(f"{self.kind}: is empty; give it {_NEEDS[self.kind]}")
        if len(value) > LONGEST:
            raise WorkbenchError(
                f"{self.kind}: has {len(value):,} characters, and at most {LONGEST:,} are read; shorten it"
            )
        if self.box is None:
            return
        if self.kind != "image":
            raise WorkbenchError(
                f"{self.kind}: has no box; only an image is cropped, as in image:NAME[{BOX}]"
            )
        from workbench.common.geometry import valid_box  # needs numpy, which ``import workbench`` does not

        object.__setattr__(self, "box", valid_box(self.box))

    def __str__(self) -> str:
        bare = self.kind != "text" and _BARE.fullmatch(self.value)
        value = self.value if bare else '"' + self.value.replace('"', '""') + '"'
        box = "" if self.box is None else f"[{','.join(map(number, self.box))}]"
        return f"{self.kind}:{value}{box}"


BOX = "x0,y0,x1,y1"


def number(value: float) -> str:
    """The shortest text of a number that is read back as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _as_text(kind: str, value: Any) -> str:
    if isinstance(value, bytes) or not isinstance(value, str | os.PathLike):
        raise WorkbenchError(f"{kind}: is {type(value).__name__}, not text; write {_NEEDS[kind]} as text")
    return value.strip() if kind == "text" and isinstance(value, str) else os.fspath(value)


def has_keyword(text: str) -> bool:
    """Whether a text contains the kind of a part with its colon, so that it may be a query of parts."""
    return _KEYWORD.search(text) is not None
