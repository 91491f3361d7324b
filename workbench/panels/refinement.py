"""The question of a ranking, and the refinement of its query: further queries, and judged results."""

from __future__ import annotations

from typing import Any, NamedTuple

import traitlets as T

from workbench.common.geometry import Box
from workbench.config.errors import WorkbenchError
from workbench.search.relevance_feedback import Feedback, Method

SET_ASIDE = "Feedback and further query images are not counted here."
METHODS: dict[str, Method] = {"Rocchio": "rocchio", "linear SVM": "svm"}  # text → name


class Question(NamedTuple):
    """The input of a ranking; ``box`` None is the query's own."""

    pipeline: str
    query: str
    box: Box | None
    also: tuple[str, ...]
    feedback: Feedback | None


class Refinement(T.HasTraits):
    """The part of a session that refines its query; it is cleared when the query changes.

    ``also`` are the names of further queries, ``feedback`` maps ids of judged images to 1 (good) or -1
    (bad), and ``feedback_method``, ``rocchio`` or ``svm``, uses them.
    """

    query = T.Unicode()
    also = T.Tuple()
    feedback = T.Dict()
    feedback_method = T.Enum(list(METHODS.values()), "rocchio")

    def __init__(self, **traits: Any) -> None:
        self._past: list[dict[str, int]] = []
        self._owners: dict[str, str] = {}  # the query that ``also`` and ``feedback`` belong to
        super().__init__(**traits)
        self.observe(self._another_query, "query")

    @T.validate("also", "feedback")
    def _belong(self, proposal: Any) -> Any:
        # Validation runs after all traits of a hold are set: a query restored with its feedback keeps it.
        self._owners[proposal["trait"].name] = self.query
        return proposal["value"]

    def _another_query(self, _: object) -> None:
        self._past.clear()
        if self._owners.get("also") != self.query:
            self.also = ()
        if self._owners.get("feedback") != self.query:
            self.feedback = {}

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
        self._judge(rest if repeated or not value else {**rest, image_id: value})

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    def undo_feedback(self) -> None:
        """Undo the last judgement, or the last clearing."""
        if self._past:
            self.feedback = self._past.pop()

    def clear_feedback(self) -> None:
        """Delete all judgements; ``undo_feedback`` restores them."""
        self._judge({})

    def _judge(self, feedback: dict[str, int]) -> None:
        if feedback != self.feedback:
            self._past.append(dict(self.feedback))
            self.feedback = feedback
