"""Results and figures as the outputs of a notebook's cell: text, HTML, and a live figure."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
from IPython.core.getipython import get_ipython

from workbench.figures.style import Figure, plain
from workbench.panels.widgets.plot import Plot
from workbench.report.summaries import page, summary

VIEW = "application/vnd.jupyter.widget-view+json"
_shown: dict[str, tuple[str, list[W.Widget]]] = {}  # of each cell: its last run, and the widgets of that


def in_notebook() -> bool:
    """Whether there is a kernel, whose front end can show a widget."""
    return getattr(get_ipython(), "kernel", None) is not None


def mimebundle(result: Any) -> dict[str, Any]:
    """A result as plain text, as HTML and, in a notebook, as HTML above its figure; or a figure alone."""
    if isinstance(result, Figure):
        return _figure_bundle(result)
    bundle: dict[str, Any] = {"text/plain": repr(result), "text/html": page(result)}
    if in_notebook():
        box = W.VBox([W.HTML(summary(result)), Plot(result.figure())])
        box.add_class("wb-panel")
        bundle[VIEW] = _view(box)
    return bundle


def _figure_bundle(figure: Figure) -> dict[str, Any]:
    """A figure as its titles and, in a notebook, as a widget."""
    title = plain(figure.layout.title.text or "without a title")
    bundle: dict[str, Any] = {"text/plain": f"Figure: {title}"}
    if in_notebook():
        bundle[VIEW] = _view(Plot(figure))
    return bundle


def _view(widget: W.Widget) -> dict[str, Any]:
    """The output that shows a widget; the widgets of the cell's earlier runs are closed."""
    request = get_ipython().kernel.get_parent()  # type: ignore[union-attr]
    cell = request.get("metadata", {}).get("cellId")  # front ends other than JupyterLab name no cell
    run = request.get("header", {}).get("msg_id", "")
    if cell:
        last, widgets = _shown.get(cell, ("", []))
        if last != run:
            for old in widgets:
                _close(old)
            widgets = []
        _shown[cell] = run, [*widgets, widget]
    return {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}


def _close(widget: W.Widget) -> None:
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.layout.close()
    widget.close()
