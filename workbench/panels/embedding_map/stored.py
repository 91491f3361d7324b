"""The stored map of the ranked pipeline, shown without a click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.common.progress import Progress
from workbench.panels.base import Panel
from workbench.panels.embedding_map.made_map import MadeMap, MapRequest, make_map

if TYPE_CHECKING:
    from workbench.panels.embedding_map.panel import EmbeddingMap


class StoredMap(Panel[MapRequest, MadeMap]):
    """Shows the map that was made before, after each ranking and each change of the settings."""

    lane, phase, delay = "known map", "Drawing the map", 0.0

    def __init__(self, panel: EmbeddingMap) -> None:
        super().__init__(panel.session)
        self.panel = panel
        self.session.observe(self.session.guard(self.refresh), "ranking")

    def refresh(self, _: object = None) -> None:
        self.forget()
        super().refresh()

    def request(self) -> MapRequest | None:
        request = self.panel.request()
        made = self.session.ranking is None or request == self.panel.made.request or request.other
        return None if made else request

    def compute(self, request: MapRequest, progress: Progress) -> MadeMap:
        return make_map(self.session.bench, request, progress, known_only=True)

    def render(self, result: MadeMap) -> None:
        if not result.frame.empty and result.request == self.panel.request():
            self.panel.render(result)
