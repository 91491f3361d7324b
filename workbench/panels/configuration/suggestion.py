"""The button ``Suggest``: a pipeline measured to be better here, and the button that uses it."""

from __future__ import annotations

import ipywidgets as W

from workbench.analysis.suggestion import Suggestion
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import is_local
from workbench.panels.base import Panel
from workbench.panels.session import Session
from workbench.panels.widgets.region import Line, Text, line

SECONDS = 60.0
TOOLTIP = (
    f"Try poolings, regions, centre prior and whitenings for {SECONDS:.0f} seconds on the stored maps; one "
    "half of the queries chooses, the other half reports"
)
UNJUDGED = "Needs ground truth: open the folder with labels, or give a labels.csv"
RUNNING = f"Trying pipelines for {SECONDS:.0f} seconds; Cancel, below, ends it."
KEYPOINTS = "Keypoints have no feature map to pool; choose another backbone"


class SuggestionView(Panel[str, Suggestion]):
    """``Suggest`` tries pipelines of the session's backbone; ``Use`` makes the best one the pipeline.

    The sentence stays until the backbone changes. Trying ends early with Cancel.
    """

    lane, phase, delay = "suggesting", "Suggesting", 0.0
    stops_when_folded = False  # ``widget`` is hidden while there is no sentence

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.suggestion: Suggestion | None = None
        self._error: list[Line] = []  # why there is none
        self._running = False
        self.ask = W.Button(description="Suggest", tooltip=TOOLTIP)
        self.use = W.Button(description="Use", tooltip="Make this the pipeline")
        self.text = Text(live=True)
        self.widget = W.Box([self.text, self.use])
        self.widget.add_class("wb-suggestion")
        self.ask.on_click(session.guard(self.start))
        self.use.on_click(session.guard(self.apply))
        session.observe(session.guard(self.show), ["pipeline", "jobs"])
        self.show(None)

    def start(self, _: object) -> None:
        """Try pipelines, again if there is a suggestion already."""
        self.suggestion, self._error = None, []
        self.forget()
        self.refresh()
        self.show(None)

    def request(self) -> str:
        """The backbone, with its layer, whose pipelines are tried."""
        return Config.parse(self.session.pipeline).backbone

    def compute(self, request: str, progress: Progress) -> Suggestion:
        return self.session.bench.suggest(seconds=SECONDS, backbone=request, progress=progress)

    def render(self, result: Suggestion) -> None:
        self.suggestion = result
        self.text.lines = [line(result.message, "note")]
        self.show(None)

    def render_error(self, error: WorkbenchError) -> None:
        self._error = [line(str(error), "error")]

    def apply(self, _: object) -> None:
        """Make the suggested pipeline the session's."""
        if self.suggestion is not None:
            self.session.pipeline = self.suggestion.pipeline

    def show(self, _: object) -> None:
        """Show what can be done, and the sentence of the last suggestion if it is of this backbone."""
        session, suggestion = self.session, self.suggestion
        backbone = self.request()
        if suggestion is not None and Config.parse(suggestion.default).backbone != backbone:
            self.suggestion = suggestion = None
            self.text.lines = []
            self.forget()
        running = self.lane in session.jobs
        if suggestion is None and running != self._running:
            self.text.lines = [line(RUNNING, "note")] if running else self._error
        self._running = running
        judged = session.bench.collection.protocol is not None and bool(session.bench.collection.queries)
        reason = "" if judged else UNJUDGED
        if is_local(backbone):
            reason = KEYPOINTS
        self.ask.disabled = bool(reason) or running
        self.ask.tooltip = reason or TOOLTIP
        new = suggestion is not None and suggestion.pipeline != session.pipeline
        self.use.layout.display = None if new else "none"
        if new and suggestion is not None:
            self.use.tooltip = f"Make {suggestion.pipeline} the pipeline"
        self.widget.layout.display = None if self.text.lines else "none"
