"""Patches in rows: a table of small pictures with lines of text."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets as T
from PIL import Image

from workbench.panels.widgets.lightbox import page_reference

_STATIC = Path(__file__).parents[1] / "static"
Cell = dict[str, Any]


class PatchRows(anywidget.AnyWidget):
    """Rows of cells. A cell is a dict of ``picture`` (PNG bytes), ``alt``, ``opens`` (its reference in the
    lightbox), ``texts`` (lines below it) and ``mark``: a coloured sign before the first line of an emphasised
    cell."""

    _esm = _STATIC / "patches.js"
    _css = _STATIC / "patches.css"
    label = T.Unicode().tag(sync=True)  # for screen readers
    titles = T.List(T.Unicode()).tag(sync=True)  # of the rows, optional
    rows = T.List(T.List()).tag(sync=True)
    stale = T.Bool(False).tag(sync=True)


def cell(patch: np.ndarray | None, alt: str, *texts: str, mark: str = "", opens: str = "") -> Cell:
    """A cell; only text without a ``patch``. Without a file, the lightbox shows the patch itself."""
    picture = b"" if patch is None else png(patch)
    opens = opens or page_reference(alt)
    return {"picture": picture, "alt": alt, "opens": opens, "texts": list(texts), "mark": mark}


def png(patch: np.ndarray) -> bytes:
    """A grey patch, uint8 [h, w], as PNG."""
    data = io.BytesIO()
    Image.fromarray(patch).save(data, "PNG")
    return data.getvalue()
