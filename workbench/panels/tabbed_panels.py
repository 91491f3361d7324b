"""Panels on the pages of tabs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as W

from workbench.panels.arrangement import arrangement, keep
from workbench.panels.session import Session
from workbench.panels.widgets.tabs import Tabs, page

Build = Callable[[Session], W.Widget]


class TabbedPanels:
    """Tabs with a panel each. A panel is made when its tab is first opened, and folded while it is hidden."""

    def __init__(self, session: Session, name: str, label: str, panels: Sequence[tuple[str, Build]]) -> None:
        self.session = session
        self.name = name  # in the arrangement
        self._builds = [build for _, build in panels]
        self._parts: list[W.Widget | None] = [None] * len(panels)
        kept = arrangement(session.bench.options.cache).get(name, 0)
        self.tabs = Tabs(
            label=label, titles=[title for title, _ in panels], selected=min(kept, len(panels) - 1)
        )
        self.pages = [page() for _ in panels]
        self.widget = W.Box([self.tabs, *self.pages])
        self.widget.add_class("wb-tabbed")
        self.tabs.observe(session.guard(self._select), "selected")
        self.open(self.tabs.selected)

    def open(self, index: int) -> None:
        """Show the panel of a tab, and fold the others away."""
        for number, part in enumerate(self._parts):
            if part is not None and number != index:
                part.layout.display = "none"
        part = self._parts[index]
        if part is None:
            part = self._parts[index] = self._builds[index](self.session)
            self.pages[index].children = [part]
        part.layout.display = None

    def note(self, index: int, text: str) -> None:
        """Write a short text after the title of a tab."""
        notes = [*self.tabs.notes, *[""] * (len(self._parts) - len(self.tabs.notes))]
        notes[index] = text
        self.tabs.notes = notes

    def _select(self, change: Any) -> None:
        self.open(change["new"])
        keep(self.session.bench.options.cache, self.name, change["new"])
