"""Results that show themselves in a notebook, and that are drawn by ``workbench.figures``.

A result stands left of the packages that draw it. It finds them by name at the first use, as pandas finds its
plotting backend, so that no module imports what stands to its right, and scripts without figures load no
plotly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def draw(subject: str, *results: Any, **options: Any) -> Figure:
    """The figure of the results, by the function ``subject`` of the module of that name in ``figures``."""
    return getattr(import_module(f"workbench.figures.{subject}"), subject)(*results, **options)


def mimebundle(shown: Any) -> dict[str, Any]:
    """A result or a figure as the output of a notebook's cell (``panels.display``)."""
    bundle: dict[str, Any] = import_module("workbench.panels.display").mimebundle(shown)
    return bundle


class Drawable:
    """A result that is a picture as the last line of a notebook's cell, and text elsewhere."""

    def _repr_html_(self) -> str:
        """Its numbers, notes and picture, without script (``report.summaries``)."""
        return str(import_module("workbench.report.summaries").page(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Plain text, HTML and, in a notebook, the interactive figure."""
        return mimebundle(self)
