"""Relevance feedback: move a query towards liked results and away from disliked ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F

from workbench.config.errors import WorkbenchError

Method = Literal["rocchio", "svm"]


@dataclass(frozen=True)
class Feedback:
    """Images marked as good (``liked``) or bad (``disliked``) results, and the method that uses them."""

    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    method: Method = "rocchio"

    def __post_init__(self) -> None:
        if self.method not in ("rocchio", "svm"):
            raise WorkbenchError(f"feedback method {self.method!r} is not known; valid: rocchio, svm")
        if both := set(self.liked) & set(self.disliked):
            raise WorkbenchError(f"{min(both)!r} is both liked and disliked; keep one")


def combine_queries(queries: Any) -> torch.Tensor:
    """Combine several queries [Q, D] into one [D]: their mean, at unit length.

    Average query combining, as AQE averages retrieved images (Chum et al. 2007, section 3.2).
    """
    return F.normalize(torch.as_tensor(queries).mean(0), dim=0)


def rocchio(
    query: Any, liked: Any, disliked: Any, alpha: float = 1.0, beta: float = 0.75, gamma: float = 0.15
) -> torch.Tensor:
    """``alpha * query + beta * mean(liked) - gamma * mean(disliked)``, [D] of unit length.

    ``query`` is [D], ``liked`` [P, D] and ``disliked`` [N, D]; either may be empty. Rocchio 1971, with
    the weights of Manning et al. 2008, section 9.1.1. Negative values are kept, unlike for term weights:
    descriptors are signed.
    """
    moved = alpha * torch.as_tensor(query)
    for weight, group in ((beta, torch.as_tensor(liked)), (-gamma, torch.as_tensor(disliked))):
        if len(group):
            moved = moved + weight * group.mean(0)
    return F.normalize(moved, dim=0)


def linear_svm(query: Any, liked: Any, disliked: Any) -> torch.Tensor:
    """Return the direction [D] that separates the query and ``liked`` [P, D] from ``disliked`` [N, D].

    The unit normal of a linear SVM with balanced class weights, so that scores are ``x @ w`` (Tong and
    Chang 2001 rank by the distance from its plane, which gives the same order). The query is a positive
    example. Raises WorkbenchError without a negative example.
    """
    query, liked, disliked = (torch.as_tensor(vectors) for vectors in (query, liked, disliked))
    if not len(disliked):
        raise WorkbenchError(
            "linear SVM has positives only: mark at least one result as bad, or use rocchio, which needs none"
        )
    positives = torch.cat([query[None], liked.reshape(-1, query.shape[0])])
    x = torch.cat([positives, disliked]).cpu().numpy()
    y = np.repeat([1, -1], [len(positives), len(disliked)])
    from sklearn.svm import LinearSVC  # takes a second to import

    machine = LinearSVC(class_weight="balanced", random_state=0, max_iter=10_000).fit(x, y)
    return F.normalize(torch.as_tensor(machine.coef_[0]).to(query), dim=0)


def refine_query(
    query: torch.Tensor, database: torch.Tensor, rows: Mapping[str, int], feedback: Feedback
) -> torch.Tensor:
    """Apply feedback on images of the database [N, D] to a query [D]; ``rows`` maps image ids to rows."""
    learn = rocchio if feedback.method == "rocchio" else linear_svm
    return learn(query, *_judged(database, rows, feedback))


def feedback_direction(database: torch.Tensor, rows: Mapping[str, int], feedback: Feedback) -> torch.Tensor:
    """The direction [D] of feedback without a query: what ``refine_query`` adds to one.

    Rocchio's is 0.75 mean(liked) - 0.15 mean(disliked), at unit length; a linear SVM's separates the liked
    from the disliked images. Raises WorkbenchError for an SVM without images of both kinds.
    """
    liked, disliked = _judged(database, rows, feedback)
    if feedback.method == "rocchio":
        return rocchio(torch.zeros(database.shape[1]), liked, disliked)
    if not len(liked):
        raise WorkbenchError(
            "linear SVM has negatives only: mark at least one result as good, or use rocchio"
        )
    return linear_svm(liked[0], liked[1:], disliked)


def _judged(
    database: torch.Tensor, rows: Mapping[str, int], feedback: Feedback
) -> tuple[torch.Tensor, torch.Tensor]:
    """The vectors of the liked images, and of the disliked ones."""
    for image in (*feedback.liked, *feedback.disliked):
        if image not in rows:
            raise WorkbenchError(f"{image!r} is not an image of the collection; give feedback on results")
    liked, disliked = (database[[rows[i] for i in group]] for group in (feedback.liked, feedback.disliked))
    return liked, disliked
