"""Evaluation of rankings by a protocol: grades, ignored images, and the mean over queries.

``collections.protocols`` defines the protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workbench.collections.protocols import PROTOCOLS, Protocol
from workbench.config.errors import WorkbenchError
from workbench.evaluation.precision import (
    average_precision,
    interpolated_precision,
    precision_at,
    recall_at,
)

CUTS = (1, 5, 10)
JUNK = "junk"  # removed under every protocol
_SELF = "self"
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
    """

    mean_ap: float
    metrics: dict[str, float]
    per_query: pd.DataFrame
    curves: dict[str, NDArray[np.float64]]


def evaluate(ranks: RankingsLike, ground_truth: GroundTruth, protocol: str | Protocol) -> Scores:
    """Evaluate one ranking per query.

    ``ranks``: the database's ids best first (paths, or row numbers if the ground truth has row numbers),
    possibly truncated: a sequence of arrays; an array [queries, database] or, if the shape is unambiguous,
    [database, queries] as in the revisited reference evaluator; or a mapping by query id.
    ``ground_truth``: for each query either {image id: grade} or {grade: [image ids]} as published (other
    keys are ignored); ``self`` may name the query's own image, which is removed from the ranking unless
    the protocol keeps queries in the database. If it is a mapping, its keys name the queries.

    Ignored images are removed before ranks are counted; positives that were not ranked count as not
    found. Raises WorkbenchError if rankings and ground truth do not match.
    """
    rules = _protocol(protocol)
    named = isinstance(ground_truth, Mapping)
    truths = dict(ground_truth if isinstance(ground_truth, Mapping) else enumerate(ground_truth))
    names = list(truths)
    rankings = _rankings(ranks, names, named)
    rows = []
    totals = {setting: (np.zeros(101), 0) for setting in rules.settings}
    for (name, truth), ranking in zip(truths.items(), rankings, strict=True):
        retrieved = _retrieve(np.asarray(ranking), _grades(truth, rules, name), rules, name)
        rows.append(_measures(retrieved, rules))
        for setting, (total, count) in totals.items():
            if retrieved[setting].positives:
                totals[setting] = total + interpolated_precision(*retrieved[setting]), count + 1
    curves = {s: total / count if count else np.full(101, np.nan) for s, (total, count) in totals.items()}
    columns = list(_measures(_retrieve(np.empty(0), {}, rules, None), rules))  # defined even without queries
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
    return Scores(metrics[f"mAP{head}"], metrics, per_query, curves)


def _protocol(protocol: str | Protocol) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise WorkbenchError(f"protocol {protocol!r} is not known; valid: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]


def _rankings(ranks: RankingsLike, names: list[Any], named: bool) -> Sequence[ArrayLike]:
    """Return one ranking per query, in the order of the ground truth."""
    if isinstance(ranks, Mapping):
        if not named:
            raise WorkbenchError(
                "ranks are named by query but the ground truth is not; give it as a mapping too"
            )
        lost = [name for name in names if name not in ranks]
        if lost:
            raise WorkbenchError(
                f"ranks: query {lost[0]!r} has ground truth but no ranking ({len(lost)} such); rank them all"
            )
        return [ranks[name] for name in names]
    if isinstance(ranks, np.ndarray) and ranks.ndim == 2 and len(ranks) != len(names) == ranks.shape[1]:
        return list(ranks.T)
    if len(ranks) != len(names):
        raise WorkbenchError(f"ranks: {len(ranks)} rankings for {len(names)} queries; one is needed for each")
    return list(ranks) if isinstance(ranks, np.ndarray) else ranks


def _grades(truth: Mapping[Any, Any], protocol: Protocol, query: Any) -> dict[Any, str]:
    """Return {image id: grade} of one query from either form, with grade ``self`` for its own image."""
    valid = frozenset[str]().union(*(p | i for p, i in protocol.settings.values())) | {JUNK}
    query_image = truth.get(_SELF)
    entries = [(key, value) for key, value in truth.items() if key != _SELF]
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
            grades[query_image] = _SELF
        elif protocol.measure == "N-S":
            grades[query_image] = "positive"  # the query counts as one of the four, listed among them or not
    return grades


class _Retrieved(NamedTuple):
    ranks: NDArray[np.int64]  # of the retrieved positives, from 0, without removed images
    positives: int  # all of them, retrieved or not


def _retrieve(
    ranking: NDArray[Any], grades: Mapping[Any, str], protocol: Protocol, query: Any
) -> dict[str, _Retrieved]:
    """Return the ranks of the positives in each setting for one query's ranking."""
    positions = _positions(ranking, list(grades), query)
    ranked = positions >= 0

    def among(accepted: frozenset[str]) -> NDArray[np.bool_]:
        return np.fromiter((grade in accepted for grade in grades.values()), bool, len(grades))

    retrieved = {}
    for setting, (positive, ignored) in protocol.settings.items():
        positives = among(positive)
        removed = among(ignored | {JUNK, _SELF}) & ~positives & ranked
        ranks = np.sort(positions[positives & ranked])
        ranks -= np.searchsorted(np.sort(positions[removed]), ranks)  # minus the removed images before each
        retrieved[setting] = _Retrieved(ranks, int(positives.sum()))
    return retrieved


def _measures(retrieved: Mapping[str, _Retrieved], protocol: Protocol) -> dict[str, float]:
    """Compute one query's measures, named like their means, and its counts."""
    row: dict[str, float] = {}
    for setting, (ranks, positives) in retrieved.items():
        suffix = f"_{setting}" if len(retrieved) > 1 else ""
        row[f"mAP{suffix}"] = average_precision(ranks, positives, protocol.variant)
        for k in CUTS:
            row[f"mP@{k}{suffix}"] = precision_at(ranks, k) if positives else np.nan
        for k in CUTS:
            row[f"R@{k}{suffix}"] = recall_at(ranks, k) if positives else np.nan
        if protocol.measure == "N-S":
            row[f"N-S{suffix}"] = float(np.sum(ranks < 4)) if positives else np.nan
        if setting == protocol.headline:
            row["positives"] = positives
            row["first_positive"] = ranks[0] + 1 if ranks.size else np.nan
    return row


def _positions(ranking: NDArray[Any], wanted: list[Any], query: Any) -> NDArray[np.int64]:
    """Return the position of each wanted id in a ranking, -1 if it is absent."""
    if ranking.ndim != 1:
        raise WorkbenchError(
            f"ranks of query {query!r}: a flat sequence of ids is needed, not {ranking.ndim}-D"
        )
    repeated = WorkbenchError(f"ranks of query {query!r}: an id is given twice; rank each image once")
    numbers = ranking.dtype.kind in "iu"
    if ranking.size and any(isinstance(image, str) == numbers for image in wanted):
        raise WorkbenchError(
            f"query {query!r}: ranks and ground truth name images differently; "
            "use paths in both, or row numbers in both"
        )
    if (
        numbers
        and ranking.size
        and ranking.min() >= 0
        and (size := int(ranking.max()) + 1) <= 8 * ranking.size
    ):
        # Row numbers: inverting the permutation is several times faster than testing for membership.
        table = np.full(size, -1, np.int32)
        table[ranking] = np.arange(ranking.size, dtype=np.int32)
        if np.count_nonzero(table >= 0) != ranking.size:
            raise repeated
        rows = np.array(wanted, dtype=np.int64)
        inside = (rows >= 0) & (rows < size)
        return np.where(inside, table[np.where(inside, rows, 0)], -1).astype(np.int64)
    index = pd.Index(ranking, dtype=ranking.dtype if numbers else object)
    if not index.is_unique:
        raise repeated
    return index.get_indexer(pd.Index(wanted, dtype=index.dtype)).astype(np.int64)
