"""Widgets that are dimmed while they show the answer to an older question."""

from __future__ import annotations

from pathlib import Path

import ipywidgets as W
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Dimmed(W.DOMWidget):
    """A widget with ``stale``, which dims it. Its module is a ``dimmed_module``."""

    stale = T.Bool(False).tag(sync=True)


def dimmed_module(*names: str) -> str:
    """Files of ``static`` joined into one module, whose last exports ``dimmed(render)``.

    The module of a widget cannot import another.
    """
    return "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in ("dimmed", *names))
