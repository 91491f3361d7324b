"""A line of text that is searched with at Enter, and whose error points at a character."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class QueryField(anywidget.AnyWidget):
    """A labelled field. ``value`` is what the kernel shows; what is typed is sent at Enter.

    ``error`` is empty, or a dict of ``sentence`` and, if it is at a character of ``line``, ``position``.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in ("element", "query_field"))
    _css = _STATIC / "query_field.css"
    label = T.Unicode().tag(sync=True)
    hint = T.Unicode().tag(sync=True)
    placeholder = T.Unicode().tag(sync=True)
    code = T.Bool(False).tag(sync=True)  # whether it is in the query language, shown in a monospaced font
    value = T.Unicode().tag(sync=True)
    error = T.Dict().tag(sync=True)

    def on_enter(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the text at Enter."""
        self.on_msg(lambda _widget, content, _buffers: handler(str(content["enter"])))
