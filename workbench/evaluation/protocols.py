"""Evaluation of rankings by a protocol: grades, ignored images, and the mean over queries.

``collections.protocols`` defines the protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workbench.collections.protocols import PROTOCOLS, Protocol
from workbench.config.errors import WorkbenchError
from workbench.evaluation.measures import bounds, curve, measures
from workbench.evaluation.positives import JUNK, SELF, rank_positives

_COUNTS = ("positives", "first_positive")  # reported per query, without a mean
_GRADES = frozenset().union(
    *(p | i for protocol in PROTOCOLS.values() for p, i in protocol.settings.values())
)

RankingsLike = Mapping[Any, ArrayLike] | Sequence[ArrayLike] | NDArray[Any]
GroundTruth = Mapping[Any, Mapping[Any, Any]] | Sequence[Mapping[Any, Any]]


@dataclass(frozen=True)
class Scores:
    """Measures of one set of rankings, as fractions 0…1 (N-S: 0…4).

    ``mean_ap`` is the mAP of the protocol's headline setting. ``metrics`` holds, for each setting
    (suffix ``_easy`` and so on if there are several), ``mAP``, ``mP@k`` (over min(k, last
    positive's rank)) and ``R@k`` (share of queries with a positive among the first k), each a mean
    over the queries with positives in that setting; for UKBench also ``N-S``. ``per_query`` has one
    row per query: ``query``, ``ap``, ``ap_<setting>``, ``positives``, ``first_positive`` (its rank,
    from 1) and ``p_at_10``; except for ``ap_<setting>`` they are of the headline setting. ``curves``
    holds, for each setting, the mean interpolated precision at the recalls 0, 0.01 … 1, [101], over the
    same queries.

    Where scores were given and are equal, measures are their expectation over all orders of these results;
    ``first_positive`` and curves are of expected ranks. ``tied`` is the number of queries for which the order
    matters in the headline setting, ``bounds`` its mAP in the least and in the most favourable order, and
    ``missed`` the number of its positives that were not ranked.
    """

    mean_ap: float
    metrics: dict[str, float]
    per_query: pd.DataFrame
    curves: dict[str, NDArray[np.float64]]
    tied: int = 0
    bounds: tuple[float, float] = (np.nan, np.nan)
    missed: int = 0


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
    rows, extremes, missed = [], [], 0
    totals = {setting: (np.zeros(101), 0) for setting in rules.settings}
    for (name, truth), ranking, ranking_scores in zip(truths.items(), rankings, all_scores, strict=True):
        ids = np.asarray(ranking)
        grades = image_grades(truth, rules, name)
        positives = rank_positives(ids, grades, rules, name, _checked(ranking_scores, ids, name))
        rows.append(measures(positives, rules))
        headline = positives[rules.headline]
        extremes.append(bounds(headline, rules))
        missed += headline.positives - len(headline.ranks)
        for setting, (total, count) in totals.items():
            if positives[setting].positives:
                totals[setting] = total + curve(positives[setting]), count + 1
    curves = {s: total / count if count else np.full(101, np.nan) for s, (total, count) in totals.items()}
    columns = list(measures(rank_positives(np.empty(0), {}, rules, None), rules))  # without queries too
    values = pd.DataFrame(rows, columns=columns, dtype=np.float64)
    metrics = {name: float(values[name].mean()) for name in columns if name not in _COUNTS}
    several = len(rules.settings) > 1
    head = f"_{rules.headline}" if several else ""
    per_query = pd.DataFrame({"query": pd.Series(names, dtype=object), "ap": values[f"mAP{head}"]})
    if several:
        for setting in rules.settings:
            per_query[f"ap_{setting}"] = values[f"mAP_{setting}"]
    per_query["positives"] = values["positives"].astype("int64")
    per_query["first_positive"] = values["first_positive"].astype("Int64")
    per_query["p_at_10"] = values[f"mP@10{head}"]
    mean_ap, tied = metrics[f"mAP{head}"], [pair for pair in extremes if pair is not None]
    if not tied:
        return Scores(mean_ap, metrics, per_query, curves, 0, (mean_ap, mean_ap), missed)
    aps = np.array([pair or (ap, ap) for pair, ap in zip(extremes, per_query["ap"], strict=True)])
    low, high = np.nanmean(aps, axis=0)
    return Scores(mean_ap, metrics, per_query, curves, len(tied), (float(low), float(high)), missed)


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


def image_grades(truth: Mapping[Any, Any], protocol: Protocol, query: Any) -> dict[Any, str]:
    """Return {image id: grade} of one query from either form, with grade ``self`` for its own image."""
    valid = frozenset[str]().union(*(p | i for p, i in protocol.settings.values())) | {JUNK}
    query_image = truth.get(SELF)
    entries = [(key, value) for key, value in truth.items() if key != SELF]
    grades: dict[Any, str] = {}
    if all(isinstance(value, str) for _, value in entries):
        grades.update(entries)
    else:
        for key, ids in entries:
            grade = "positive" if key == "positives" else key
            if grade not in valid and grade not in _GRADES:
                continue  # bbx and other published keys
            for image in np.asarray(ids).tolist():
                if grades.setdefault(image, grade) != grade:
                    raise WorkbenchError(
                        f"ground truth of query {query!r}: {image!r} is both {grades[image]} and {grade}; "
                        "each image has one grade"
                    )
    unknown = set(grades.values()) - valid
    if unknown:
        raise WorkbenchError(
            f"ground truth of query {query!r}: grade {min(unknown)!r} has no meaning under the protocol "
            f"{protocol.name!r}; valid: {', '.join(sorted(valid))}"
        )
    if query_image is not None:
        if not protocol.query_in_database:
            grades[query_image] = SELF
        elif protocol.measure == "N-S":
            grades[query_image] = "positive"  # the query counts as one of the four, listed among them or not
    return grades


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
