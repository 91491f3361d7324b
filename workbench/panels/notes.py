"""The notes on the session's pipeline, those of ``evaluate`` and ``search``, in every cell of panels."""

from __future__ import annotations

from workbench.panels.session import Session
from workbench.panels.widgets.region import Text, line


class Notes:
    """The warnings about the ranking and the evaluation on screen: one line each."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.widget = Text()
        self.widget.add_class("wb-notes")
        session.observe(session.guard(self.show), ["ranking", "evaluation", "pipeline"])
        self.show(None)

    def show(self, _: object) -> None:
        """Show the warnings of the ranking, and of the evaluation if it is of the same pipeline."""
        session, warnings = self.session, list[str]()
        if session.ranking is not None and session.ranked.pipeline == session.pipeline:
            warnings += session.ranking.attrs["warnings"]
        if session.evaluation is not None and session.evaluation.pipeline == session.pipeline:
            warnings += session.evaluation.warnings
        self.widget.lines = [line(warning, "warning") for warning in dict.fromkeys(warnings)]
