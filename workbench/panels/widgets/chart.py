"""A small chart in the theme of JupyterLab: lines over x, or columns with a value under A and under B.

It is not plotly's FigureWidget, which sends 5 MB to the browser: on a busy machine this takes longer than
the two seconds after which anywidget gives up on a widget.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets as T

from workbench.panels.widgets.dimmed import Dimmed

_STATIC = Path(__file__).parents[1] / "static"


class Chart(Dimmed, anywidget.AnyWidget):
    """Percentages from 0 to 100 over ``x``. All names are shown as text.

    ``lines`` are dicts of ``name``, ``y`` (101 values), ``tone`` (``a``, ``b``, or a number for
    colour and dash; -1: thin, grey and without a name). ``columns`` are dicts of ``name``, ``a``, ``b``;
    a click picks a column, or Enter on the column that is reached with the arrow keys.
    """

    _esm = _STATIC / "chart.js"
    _css = _STATIC / "chart.css"
    label = T.Unicode().tag(sync=True)  # for screen readers
    x = T.Unicode().tag(sync=True)
    y = T.Unicode().tag(sync=True)
    lines = T.List(T.Dict()).tag(sync=True)
    columns = T.List(T.Dict()).tag(sync=True)
    current = T.Unicode().tag(sync=True)  # the name of a column

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the name of the column that was picked."""
        self.on_msg(lambda _widget, content, _buffers: handler(str(content["pick"])))
