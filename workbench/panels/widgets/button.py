"""A button for fields that are filled in before it is pressed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as W
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class FieldButton(anywidget.AnyWidget):
    """A button whose click brings along what was edited in ``fields``, texts, numbers and selects.

    Each widget has its own channel to the kernel, so that a click may be handled before the text that was
    written just before it. The click sets the fields first. Otherwise it is like ``ipywidgets.Button``.
    """

    _esm = _STATIC / "button.js"
    description = T.Unicode().tag(sync=True)
    tooltip = T.Unicode().tag(sync=True)
    disabled = T.Bool(False).tag(sync=True)
    button_style = T.Unicode().tag(sync=True)  # "" or "primary"
    fields = T.List(T.Instance(W.Widget)).tag(sync=True, **W.widget_serialization)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._handlers: list[Callable[[Any], None]] = []
        self.on_msg(self._receive)

    def on_click(self, handler: Callable[[Any], None]) -> None:
        """Call ``handler`` with this button at each click."""
        self._handlers.append(handler)

    def click(self) -> None:
        """Act as if the button was clicked."""
        for handler in self._handlers:
            handler(self)

    def _receive(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if "click" not in content:
            return
        for number, value in content["click"]:  # in the order of the edits
            field = self.fields[number]
            name = "index" if field.has_trait("index") else "value"
            if value is not None and getattr(field, name) != value:
                setattr(field, name, value)
        self.click()
