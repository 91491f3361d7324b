"""What is asked beyond one query: further queries, and results judged good or bad."""

from __future__ import annotations

from typing import Any

import traitlets as T

from workbench.config import WorkbenchError
from workbench.search.feedback import Feedback, Method

METHODS: dict[str, Method] = {"Rocchio": "rocchio", "linear SVM": "svm"}  # as shown: as named


class Refining(T.HasTraits):
    """The part of a session that refines its query; all of it is dropped when the query changes.

    ``also`` are the names of further queries, ``feedback`` maps ids of judged images to 1 (liked) or
    -1, and ``feedback_method`` learns of them: ``rocchio`` or ``svm``.
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
        # Validated once all traits of a hold are set: a query restored with its feedback keeps it.
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
        """The feedback in force: None without any, and for an SVM until there is a negative."""
        liked = tuple(image for image, value in self.feedback.items() if value > 0)
        disliked = tuple(image for image, value in self.feedback.items() if value < 0)
        if not self.feedback or (self.feedback_method == "svm" and not disliked):
            return None
        return Feedback(liked, disliked, self.feedback_method)

    def judge_result(self, image_id: str, value: int) -> None:
        """Like (1) or dislike (-1) a result; the same once more, or 0, takes it back."""
        if value not in (-1, 0, 1):
            raise WorkbenchError(f"judgement {value!r} of {image_id!r}: it is 1, -1, or 0 to take it back")
        rest = {image: known for image, known in self.feedback.items() if image != image_id}
        again = self.feedback.get(image_id, 0) == value
        self._judge(rest if again or not value else {**rest, image_id: value})

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    def undo_feedback(self) -> None:
        """Take the last judgement back, or the last clearing."""
        if self._past:
            self.feedback = self._past.pop()

    def clear_feedback(self) -> None:
        """Forget all judgements; undo brings them back."""
        self._judge({})

    def _judge(self, feedback: dict[str, int]) -> None:
        if feedback != self.feedback:
            self._past.append(dict(self.feedback))
            self.feedback = feedback
