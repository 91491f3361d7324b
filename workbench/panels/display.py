"""Results and figures as the outputs of a notebook's cell: text, HTML, and a live figure."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
from IPython.core.getipython import get_ipython

from workbench.figures.style import Figure
from workbench.panels.widgets.plot import Plot
from workbench.report.summaries import page, summary

VIEW = "application/vnd.jupyter.widget-view+json"


def in_notebook() -> bool:
    """Whether there is a kernel, whose front end can show a widget."""
    return getattr(get_ipython(), "kernel", None) is not None


def mimebundle(result: Any) -> dict[str, Any]:
    """A result as plain text, as HTML and, in a notebook, as HTML above its figure."""
    bundle: dict[str, Any] = {"text/plain": repr(result), "text/html": page(result)}
    if in_notebook():
        plot = Plot()
        plot.show(result.figure())
        box = W.VBox([W.HTML(summary(result)), plot])
        box.add_class("wb-panel")
        bundle[VIEW] = _view(box)
    return bundle


def figure_bundle(figure: Figure) -> dict[str, Any]:
    """A figure as its titles and, in a notebook, as a widget."""
    bundle: dict[str, Any] = {"text/plain": f"Figure: {figure.layout.title.text or 'without a title'}"}
    if in_notebook():
        plot = Plot()
        plot.show(figure)
        bundle[VIEW] = _view(plot)
    return bundle


def _view(widget: W.Widget) -> dict[str, Any]:
    return {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
