"""Favourite pipelines: chosen, saved and deleted by a name."""

from __future__ import annotations

from typing import Any

import ipywidgets as W

from workbench.panels.session import Session
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.name_select import name_select
from workbench.runs import presets

_CHOOSE = "choose …"


class Favourites:
    """The select ``Favourite`` and the fields of a new one: ``parts``, for the Configuration panel."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.cache = session.bench.options.cache
        self.select = name_select("Favourite", options=[_CHOOSE])
        self.name = W.Text(description="Name", placeholder="a name for this pipeline")
        self.save = FieldButton(
            description="Save", tooltip="Keep this pipeline under the name", fields=[self.name]
        )
        self.delete = FieldButton(
            description="Delete", tooltip="Delete the favourite of this name", fields=[self.name]
        )
        self.parts = (self.select, self.name, self.save, self.delete)
        self.select.observe(session.guard(self.choose), "value")
        self.save.on_click(session.guard(self.keep))
        self.delete.on_click(session.guard(self.drop))
        session.observe(session.guard(self.show), "pipeline")
        session.guard(self.show)(None)

    def choose(self, change: Any) -> None:
        """A name was chosen: use its pipeline."""
        if change["new"] in self.pipelines:
            self.name.value = change["new"]
            self.session.pipeline = self.pipelines[change["new"]]

    def keep(self, _: object) -> None:
        presets.save_pipeline(self.cache, self.name.value, self.session.pipeline)
        self.session.tell(f"Saved as {self.name.value!r}.")
        self.show(None)

    def drop(self, _: object) -> None:
        presets.delete_pipeline(self.cache, self.name.value)
        self.session.tell(f"{self.name.value!r} is deleted.")
        self.name.value = ""
        self.show(None)

    def show(self, _: object) -> None:
        """Show the names, and the name of the current pipeline if it has one."""
        self.pipelines: dict[str, str] = presets.PUBLISHED_PIPELINES  # if the file cannot be read
        try:
            self.pipelines = presets.named_pipelines(self.cache)
        finally:
            names = [_CHOOSE, *self.pipelines]
            if names != list(self.select.options):
                self.select.options = names
            pipeline = self.session.pipeline
            if (
                self.name.value in presets.PUBLISHED_PIPELINES
                and pipeline != presets.PUBLISHED_PIPELINES[self.name.value]
            ):
                self.name.value = ""  # a built-in name cannot be saved
            self.select.value = next((n for n, p in self.pipelines.items() if p == pipeline), _CHOOSE)
