"""Evaluation of rankings by a protocol.

``collections.protocols`` defines the protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.collections.protocols import PROTOCOLS, Protocol
from workbench.config.errors import WorkbenchError
from workbench.evaluation.grades import Graded, image_grades
from workbench.evaluation.positives import PositiveRanks, rank_positives
from workbench.evaluation.scores import Scores, mean_scores

RankingsLike = Mapping[Any, ArrayLike] | Sequence[ArrayLike] | NDArray[Any]
GroundTruth = Mapping[Any, Mapping[Any, Any]] | Sequence[Mapping[Any, Any]]


def evaluate(
    ranks: RankingsLike,
    ground_truth: GroundTruth,
    protocol: str | Protocol,
    scores: RankingsLike | None = None,
) -> Scores:
    """Evaluate one ranking per query.

    ``ranks``: the database's ids best first (paths, or row numbers if the ground truth has row numbers),
    possibly truncated: a sequence of arrays; an array [queries, database] or, if the shape is unambiguous,
    [database, queries] as in the revisited reference evaluator; or a mapping by query id.
    ``ground_truth``: for each query either {image id: grade} or {grade: [image ids]} as published (other
    keys are ignored); ``self`` may name the query's own image, which is removed from the ranking unless
    the protocol keeps queries in the database. If it is a mapping, its keys name the queries. ``scores``: the
    scores of the ranked ids, in the form of ``ranks``; without them no two results are taken for tied.

    Ignored images are removed before ranks are counted; positives that were not ranked count as not
    found. Raises WorkbenchError if rankings and ground truth do not match.
    """
    rules = _protocol(protocol)
    named = isinstance(ground_truth, Mapping)
    truths = dict(ground_truth if isinstance(ground_truth, Mapping) else enumerate(ground_truth))
    names = list(truths)
    rankings = _rankings(ranks, names, named)
    all_scores = [None] * len(names) if scores is None else _rankings(scores, names, named, "scores")
    ranked = (
        _rank(np.asarray(ranking), image_grades(truth, rules, name), rules, name, ranking_scores)
        for (name, truth), ranking, ranking_scores in zip(truths.items(), rankings, all_scores, strict=True)
    )
    return mean_scores(ranked, names, rules)


def _rank(
    ids: NDArray[Any], grades: Mapping[Any, str], rules: Protocol, query: Any, scores: ArrayLike | None
) -> dict[str, PositiveRanks]:
    return rank_positives(ids, Graded.of(grades), rules, query, _checked(scores, ids, query))


def _protocol(protocol: str | Protocol) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise WorkbenchError(f"protocol {protocol!r} is not known; valid: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]


def _rankings(ranks: RankingsLike, names: list[Any], named: bool, what: str = "ranks") -> Sequence[ArrayLike]:
    """Return one ranking per query, in the order of the ground truth."""
    if isinstance(ranks, Mapping):
        if not named:
            raise WorkbenchError(
                f"{what} are named by query but the ground truth is not; give it as a mapping too"
            )
        lost = [name for name in names if name not in ranks]
        if lost:
            raise WorkbenchError(
                f"{what}: query {lost[0]!r} has ground truth but no ranking ({len(lost)} such); rank them all"
            )
        return [ranks[name] for name in names]
    if isinstance(ranks, np.ndarray) and ranks.ndim == 2 and len(ranks) != len(names) == ranks.shape[1]:
        return list(ranks.T)
    if len(ranks) != len(names):
        raise WorkbenchError(
            f"{what}: {len(ranks)} rankings for {len(names)} queries; one is needed for each"
        )
    return list(ranks) if isinstance(ranks, np.ndarray) else ranks


def _checked(scores: ArrayLike | None, ranking: NDArray[Any], query: Any) -> NDArray[np.floating] | None:
    """Return the scores of one query's ranking. Raises WorkbenchError if they are not as many."""
    if scores is None:
        return None
    array = np.asarray(scores)
    if array.shape != ranking.shape:
        raise WorkbenchError(
            f"query {query!r}: {array.size} scores for {ranking.size} results; give one for each"
        )
    return array
