"""A named region of a panel, and lines of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as W
import traitlets as T

from workbench.config.printable import printable
from workbench.panels.glossary import cards
from workbench.panels.widgets.dimmed import Dimmed, dimmed_module

_STATIC = Path(__file__).parents[1] / "static"
_STYLES = ("panel", "columns", "help", "training")
Line = dict[str, Any]


class Text(Dimmed, anywidget.AnyWidget):
    """Lines of text; each is a dict of ``text`` and ``kind`` (a style of panel.css).

    The kind ``progress`` is a bar, with ``fraction`` 0…1 or None if it is not known. ``help``, if given, are
    the cards that explain the words of the line (``glossary.cards``).
    ``region`` labels the box around the text, for screen readers and tests.
    """

    _esm = dimmed_module("help", "text")
    _css = "\n".join((_STATIC / f"{name}.css").read_text("utf-8") for name in _STYLES)
    lines = T.List(T.Dict()).tag(sync=True)
    live = T.Bool(False).tag(sync=True)  # whether changes are read aloud
    region = T.Unicode().tag(sync=True)


def line(text: str, kind: str = "text", *words: str) -> Line:
    """A line of a Text, with control characters of names escaped; ``words`` of the glossary explain it."""
    explained = {"help": cards(*words)} if words else {}
    return {"text": printable(text), "kind": kind, **explained}


def region(name: str, *children: W.Widget) -> W.VBox:
    """A landmark with that name around the children."""
    title = Text(region=name, lines=[line(name, "heading")])
    title.add_class("wb-title")
    box = W.VBox([title, *children])
    box.add_class("wb-region")
    box.add_class(f"wb-{name.lower().replace(' ', '-')}")
    return box
