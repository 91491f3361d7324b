"""The map that is shown without a click: the stored one, or a quick one by PCA."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from workbench.analysis.map_method import MapMethod
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.base import Panel
from workbench.panels.embedding_map.made_map import MadeMap, MapRequest, make_map
from workbench.panels.session import QUESTION

if TYPE_CHECKING:
    from workbench.panels.embedding_map.panel import EmbeddingMap

QUICK_IMAGES = 20_000  # up to which PCA and k-means of the descriptors in memory take about a second


class FirstMap(Panel[MapRequest, MadeMap]):
    """Shows a map after each ranking and each change of the settings: the stored map if there is one.

    Otherwise, where no other map is shown, a map by PCA is made once the ranking and its evaluation have
    ended and no other work runs.
    """

    lane, phase, delay = "known map", "Drawing the map", 0.0

    def __init__(self, panel: EmbeddingMap) -> None:
        super().__init__(panel.session)
        self.panel = panel
        self._tried: MapRequest | None = None  # the last map that PCA was to stand in for
        self.session.observe(self.session.guard(self.refresh), "ranking")
        self.session.observe(self.session.guard(self.follow_jobs), "jobs")
        self.session.observe(self.session.guard(lambda _: self.stop()), QUESTION)

    def refresh(self, _: object = None) -> None:
        self._tried = None
        self.forget()
        super().refresh()

    def follow_jobs(self, _: object) -> None:
        """Make the quick map once no other work runs."""
        request = None if self.lane in self.session.jobs else self.request()
        if request is not None and self._quick_wanted(request):
            self.forget()
            self.session.run(self.lane, partial(self._run, request))

    def request(self) -> MapRequest | None:
        request = self.panel.request()
        made = self.session.ranking is None or request == self.panel.made.request or request.other
        return None if made else request

    def compute(self, request: MapRequest, progress: Progress) -> MadeMap:
        try:
            stored = make_map(self.session.bench, request, progress, known_only=True)
        except WorkbenchError:  # it would be the same again
            self._tried = request
            raise
        if not stored.frame.empty or not self._quick_wanted(request):
            return stored
        self._tried = request
        quick = request._replace(method=MapMethod("pca", request.method.dimensions))
        return make_map(self.session.bench, quick, progress)._replace(quick=True)

    def render(self, result: MadeMap) -> None:
        if not result.frame.empty and (result.quick or result.request == self.panel.request()):
            self.panel.render(result)

    def _quick_wanted(self, request: MapRequest) -> bool:
        session, made = self.session, self.panel.made
        few = len(session.bench.collection.images) <= QUICK_IMAGES
        evaluated = session.evaluation is not None or session.bench.collection.protocol is None
        quiet = session.answered and evaluated and not session.jobs.keys() - {self.lane}
        return few and quiet and request != self._tried and (made.request is None or made.quick)
