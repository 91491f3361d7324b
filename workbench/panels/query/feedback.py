"""Relevance feedback: judged results, the method that uses them, and its effect on the ranking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipywidgets as W

from workbench.panels.refinement import METHODS, STATE
from workbench.panels.session import QUESTION, Session
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.region import Line, Text, line
from workbench.panels.widgets.thumbnail_row import Token, Tokens

FIRST = 10  # results whose change is reported


def effect(ranking: Any) -> str:
    """The change that feedback made among the first results."""
    first = ranking.head(FIRST)
    new = int((first["rank"] + first["moved"] > FIRST).sum())
    best, worst = int(ranking["moved"].max()), int(ranking["moved"].min())
    if not (best or worst):
        return "Feedback moved nothing."
    return f"{new} new in the first {len(first)} · ▲ {best} to ▼ {-worst}"


class FeedbackControls:
    """The judged images, the select ``Feedback``, ``Clear``, and ``undo``, which takes back any change."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.method = W.Dropdown(description="Feedback", options=list(METHODS.items()))
        self.undo = W.Button(
            description="Undo", tooltip="Take back the last change of the query, or the last judgement"
        )
        self.clear = W.Button(description="Clear", tooltip="Delete all judgements")
        self.judged = Tokens(label="Judged results")
        self.text = Text()
        self._shown: dict[str, int] = {}  # the judgements of ``judged``
        row = W.Box([self.method, self.clear])
        row.add_class("wb-feedback")
        self.widgets = (row, self.judged, self.text)
        self.show(None)
        self.method.observe(session.guard(self.change), "value")
        self.undo.on_click(session.guard(lambda _: session.undo()))
        self.clear.on_click(session.guard(lambda _: session.clear_feedback()))
        self.judged.on_remove(self.remove)
        session.observe(session.guard(self.show), [*STATE, "feedback_method"])
        session.observe(session.guard(self.tell), ["ranking", *QUESTION])

    def change(self, change: Any) -> None:
        """A method was selected."""
        self.session.feedback_method = change["new"]

    def remove(self, image_id: str) -> None:
        """A judged image was clicked: take back its judgement."""
        self.session.guard(lambda _: self.session.judge_result(image_id, 0))(None)

    def show(self, _: object) -> None:
        """Show the session's feedback in controls and pictures."""
        session, feedback = self.session, dict(self.session.feedback)
        self.method.value = session.feedback_method
        self.undo.disabled, self.clear.disabled = not session.can_undo, not feedback
        if feedback != self._shown:
            self._shown = feedback
            self.judged.load(lambda: self._tokens(feedback))
        self.tell(None)

    def tell(self, _: object) -> None:
        self.text.lines = self.lines()

    def lines(self) -> list[Line]:
        """What to do, or the effect of the feedback."""
        session, ranking = self.session, self.session.ranking
        if not session.feedback:
            return [line("Mark results as good or bad to refine the search.", "note", "feedback")]
        if session.refinement is None:
            return [line("A linear SVM needs at least one result marked as bad.", "note")]
        has_truth = session.bench.collection.protocol is not None
        lines = [line("mAP does not include feedback.", "note", "feedback")] if has_truth else []
        if session.answered and session.ranked.feedback is not None and "moved" in ranking:
            lines.insert(0, line(effect(ranking), "note"))
        return lines

    def _tokens(self, feedback: dict[str, int]) -> Iterator[Token]:
        for image, value in feedback.items():
            yield {
                "id": image,
                "name": image,
                "picture": thumbnail(self.session.bench, image, 96),
                "sign": "+" if value > 0 else "−",
                "kind": "liked" if value > 0 else "disliked",
            }
