"""The question of a ranking, and its query: pictures, a combined query, and judged results, with undo."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, NamedTuple

import traitlets as T

from workbench.common.geometry import Box
from workbench.config.errors import WorkbenchError
from workbench.query.query import Query
from workbench.search.relevance_feedback import Feedback, Method

SET_ASIDE = "Only the query's picture counts here, not feedback, further pictures, words and drawings."
METHODS: dict[str, Method] = {"Rocchio": "rocchio", "linear SVM": "svm"}  # text → name
OWNED = ("also", "feedback", "expression")  # what belongs to a query, and is cleared with it
STATE = ("query", "box", *OWNED)  # what ``undo`` restores
TOGETHER = 1.0  # seconds within which moves of a box or of a weight are one step of ``undo``
_STEPS = 200  # that can be undone


class Question(NamedTuple):
    """The input of a ranking; ``box`` None is the query's own.

    With an ``expression``, the text of a combined query, this is ranked for, and ``query``, ``box`` and
    ``also`` are of no effect.
    """

    pipeline: str
    query: str
    box: Box | None
    also: tuple[str, ...]
    feedback: Feedback | None
    expression: str = ""

    @property
    def refined(self) -> bool:
        """Whether more than the picture and its box is searched for."""
        return bool(self.also or self.feedback or self.expression)


class Refinement(T.HasTraits):
    """The part of a session that is its query, each change of which can be undone.

    ``also`` are the names of further queries, ``feedback`` maps ids of judged images to 1 (good) or -1
    (bad), and ``feedback_method``, ``rocchio`` or ``svm``, uses them. ``expression`` is the canonical text of
    a combined query, which then is the query; empty: the picture ``query``. All but the method are cleared
    when ``query`` changes.
    """

    query = T.Unicode()
    box = T.Any(None)
    also = T.Tuple()
    feedback = T.Dict()
    feedback_method = T.Enum(list(METHODS.values()), "rocchio")
    expression = T.Unicode()

    def __init__(self, **traits: Any) -> None:
        self._past: deque[dict[str, Any]] = deque(maxlen=_STEPS)
        self._owners: dict[str, str] = {}  # the query that each trait of OWNED belongs to
        self._tracking = threading.RLock()
        self._move: tuple[frozenset[str], float] = (frozenset(), 0.0)  # the last move, and its time
        super().__init__(**traits)
        self._state = self._current_state()
        self.observe(self._track, STATE)

    @T.validate("also", "feedback")
    def _belong(self, proposal: Any) -> Any:
        # Validation runs after all traits of a hold are set: a query restored with its feedback keeps it.
        self._owners[proposal["trait"].name] = self.query
        return proposal["value"]

    @T.validate("expression")
    def _canonical_expression(self, proposal: Any) -> str:
        return str(Query.parse(self._belong(proposal))) if proposal["value"] else ""

    def change_query(self, **traits: Any) -> None:
        """Change several traits in one step; those not given are kept, or cleared with another query."""
        self._owners |= {name: traits.get("query", self.query) for name in OWNED if name in traits}
        with self.hold_trait_notifications():
            for name, value in traits.items():
                self.set_trait(name, value)

    @property
    def refinement(self) -> Feedback | None:
        """The feedback that is used: None without judgements, and for an SVM without a negative."""
        liked = tuple(image for image, value in self.feedback.items() if value > 0)
        disliked = tuple(image for image, value in self.feedback.items() if value < 0)
        if not self.feedback or (self.feedback_method == "svm" and not disliked):
            return None
        return Feedback(liked, disliked, self.feedback_method)

    def judge_result(self, image_id: str, value: int) -> None:
        """Judge a result good (1) or bad (-1); the same value again, or 0, takes the judgement back."""
        if value not in (-1, 0, 1):
            raise WorkbenchError(f"judgement {value!r} of {image_id!r}: it is 1, -1, or 0 to take it back")
        rest = {image: judged for image, judged in self.feedback.items() if image != image_id}
        repeated = self.feedback.get(image_id, 0) == value
        self.feedback = rest if repeated or not value else {**rest, image_id: value}

    def clear_feedback(self) -> None:
        """Delete all judgements; ``undo`` restores them."""
        self.feedback = {}

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    def undo(self) -> None:
        """Undo the last change of the query: of its picture, box, words, drawing, weights or judgements."""
        with self._tracking:
            if not self._past:
                return
            self._state = self._past.pop()
            self._move = frozenset(), 0.0
        self.change_query(**self._state)

    def _current_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STATE}

    def _track(self, _: object) -> None:
        """Clear what belongs to another query, and remember the state before the change."""
        for name in OWNED:
            if self.query != self._state["query"] and self._owners.get(name) != self.query:
                setattr(self, name, type(getattr(self, name))())
        with self._tracking:
            before, state = self._state, self._current_state()
            changed = frozenset(name for name in STATE if state[name] != before[name])
            if not changed:
                return
            moved = changed == {"box"} or (changed == {"expression"} and _only_moved(before, state))
            now = time.monotonic()
            if not moved or self._move[0] != changed or now - self._move[1] > TOGETHER:
                self._past.append(before)
            self._move = (changed if moved else frozenset(), now)
            self._state = state


def _only_moved(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two expressions differ in weights only, none of which is switched on or off."""
    if not before["expression"] or not after["expression"]:
        return False
    old, new = Query.parse(before["expression"]).parts, Query.parse(after["expression"]).parts
    switched = any(bool(a) != bool(b) for (_, a), (_, b) in zip(old, new, strict=False))
    return not switched and [part for part, _ in old] == [part for part, _ in new]
