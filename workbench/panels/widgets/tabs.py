"""Tabs above the pages of a box."""

from __future__ import annotations

from pathlib import Path

import anywidget
import ipywidgets as W
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Tabs(anywidget.AnyWidget):
    """Tabs (ARIA: arrow keys, Home, End) for the boxes of style ``wb-page`` beside them, in their order.

    ipywidgets' own Tab has no role ``tabpanel`` and shortens its titles.
    """

    _esm = _STATIC / "tabs.js"
    _css = _STATIC / "tabs.css"
    label = T.Unicode().tag(sync=True)  # for screen readers
    titles = T.List(T.Unicode()).tag(sync=True)
    notes = T.List(T.Unicode()).tag(sync=True)  # a short text after each title, such as a count
    selected = T.Int(0).tag(sync=True)


def page(*children: W.Widget) -> W.Box:
    """The box of a tab."""
    box = W.Box(children)
    box.add_class("wb-page")
    return box
