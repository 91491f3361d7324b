"""The controls of a map: its method, its dimensions, its parameters, and the pipeline to compare with."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as W

from workbench.analysis.map_method import (
    METHODS,
    MIN_DISTANCE,
    MOST_NEIGHBOURS,
    MOST_PERPLEXITY,
    NEIGHBOURS,
    PERPLEXITY,
    MapMethod,
)
from workbench.panels.session import Session
from workbench.panels.widgets.name_select import name_select

ALONE = "–"  # no pipeline to compare with


class MapSettings:
    """Selects and fields, whose values are a MapMethod and a pipeline. A change calls ``changed``."""

    def __init__(self, session: Session, changed: Callable[[object], None]) -> None:
        self.session = session
        self.method = W.Dropdown(
            description="Method", options=[(title, name) for name, title in METHODS.items()]
        )
        self.dimensions = W.Dropdown(description="Dimensions", options=[("2-D", 2), ("3-D", 3)])
        self.other = name_select("Compare with", options=[(ALONE, "")])
        self.switch = W.ToggleButton(description="Parameters", tooltip="Show or hide the method's parameters")
        self.neighbours = W.BoundedIntText(NEIGHBOURS, min=2, max=MOST_NEIGHBOURS, description="Neighbours")
        self.min_distance = W.BoundedFloatText(
            MIN_DISTANCE, min=0, max=1, step=0.05, description="Minimum distance"
        )
        self.perplexity = W.BoundedFloatText(
            PERPLEXITY, min=1, max=MOST_PERPLEXITY, step=5, description="Perplexity"
        )
        self.parameters = W.Box([self.neighbours, self.min_distance, self.perplexity])
        self.parameters.add_class("wb-mapbar")
        self.fields = [
            self.method,
            self.dimensions,
            self.neighbours,
            self.min_distance,
            self.perplexity,
            self.other,
        ]
        for field in (*self.fields, self.switch):
            field.observe(session.guard(self._fold), "value")
        for field in self.fields:
            field.observe(session.guard(changed), "value")
        session.observe(session.guard(self._offer), ["compared", "pipeline"])
        self._offer(None)
        self._fold(None)

    @property
    def value(self) -> MapMethod:
        """The method, with the parameters of the others at their defaults."""
        method, dimensions = self.method.value, self.dimensions.value
        if method == "umap":
            return MapMethod(method, dimensions, self.neighbours.value, self.min_distance.value)
        if method == "tsne":
            return MapMethod(method, dimensions, perplexity=self.perplexity.value)
        return MapMethod(method, dimensions)

    def _fold(self, _: object) -> None:
        method = self.method.value
        for field in (self.neighbours, self.min_distance):
            field.layout.display = "" if method == "umap" else "none"
        self.perplexity.layout.display = "" if method == "tsne" else "none"
        self.switch.disabled = method == "pca"
        self.parameters.layout.display = "" if self.switch.value and method != "pca" else "none"

    def _offer(self, _: object) -> None:
        """Offer the compared pipelines other than the current one."""
        others = [name for name in self.session.compared if name != self.session.pipeline]
        options = [(ALONE, ""), *((name, name) for name in others)]
        chosen = self.other.value
        if tuple(options) != self.other.options:
            self.other.options = options
            self.other.value = chosen if chosen in others else ""
        self.other.disabled = not others
        self.other.tooltip = "" if others else "Add a pipeline to the comparison first"
