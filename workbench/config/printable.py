"""Text from outside, such as file names, made safe to print: control characters are shown escaped."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"  # letters of some scripts and emoji need them; they move nothing on a screen
_UNSAFE = frozenset(
    {"Cc", "Cf", "Cs", "Zl", "Zp"}
)  # control, format (bidirectional …), surrogate, separators


def printable(text: object, keep: str = "") -> str:
    r"""Escape what is not shown but acts: ``\x1b``, ``\n``, ``\u202e``, as in a Python string literal.

    Terminal escapes, line breaks, bidirectional controls and lone surrogates are escaped, characters of
    ``keep`` are not. Text without them is returned unchanged.
    """
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character in keep or character in _JOINERS or unicodedata.category(character) not in _UNSAFE
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
