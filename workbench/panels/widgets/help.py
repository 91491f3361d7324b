"""A small button that opens an explanation of a word."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

from workbench.panels.glossary import cards

_STATIC = Path(__file__).parents[1] / "static"
SCRIPT = (_STATIC / "help.js").read_text("utf-8")  # joined into the modules of widgets with such buttons


class Help(anywidget.AnyWidget):
    """The button ``?``, which shows the cards of some words of the glossary."""

    _esm = SCRIPT + (_STATIC / "help_button.js").read_text("utf-8")
    cards = T.List(T.Dict()).tag(sync=True)

    def __init__(self, *words: str) -> None:
        super().__init__(cards=cards(*words))
