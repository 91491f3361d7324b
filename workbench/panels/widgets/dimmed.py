"""Widgets that are dimmed while they show the answer to an older question."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import traitlets as T


class Dimmed(W.DOMWidget):
    """A widget with ``stale``, which dims it by the style ``wb-stale`` and needs no JavaScript."""

    stale = T.Bool(False)

    @T.observe("stale")
    def _dim(self, change: Any) -> None:
        if change["new"]:
            self.add_class("wb-stale")
        else:
            self.remove_class("wb-stale")
