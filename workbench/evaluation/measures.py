"""The measures of one query, from the ranks of its positives."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.collections.protocols import Protocol
from workbench.evaluation import ties
from workbench.evaluation.positives import PositiveRanks
from workbench.evaluation.precision import (
    average_precision,
    interpolated_precision,
    precision_at,
    recall_at,
)
from workbench.evaluation.ties import TieGroups

CUTS = (1, 5, 10)


def curve(query: PositiveRanks) -> NDArray[np.float64]:
    """Return the precision-recall curve [101] of one query."""
    if query.groups is None:
        return interpolated_precision(query.ranks, query.positives)
    return ties.expected_curve(query.groups, query.positives)


def bounds(query: PositiveRanks, protocol: Protocol) -> tuple[float, float] | None:
    """Return the AP of the least and the most favourable order; None if the order does not matter."""
    groups = query.groups
    if groups is None:
        return None
    low, high = (
        average_precision(groups.ranks(favourable), query.positives, protocol.variant)
        for favourable in (False, True)
    )
    return low, high


def measures(settings: Mapping[str, PositiveRanks], protocol: Protocol) -> dict[str, float]:
    """Compute one query's measures, named like their means, and its counts."""
    row: dict[str, float] = {}
    for setting, (ranks, positives, groups) in settings.items():
        suffix = f"_{setting}" if len(settings) > 1 else ""
        if groups is not None:
            row |= _expected_measures(groups, positives, protocol, suffix)
            if setting == protocol.headline:
                row |= {
                    "positives": positives,
                    "first_positive": round(float(ties.expected_ranks(groups)[0])),
                }
            continue
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


def _expected_measures(
    groups: TieGroups, positives: int, protocol: Protocol, suffix: str
) -> dict[str, float]:
    """Compute the expectation of one query's measures over all orders of its tied results."""
    row = {f"mAP{suffix}": ties.expected_average_precision(groups, positives, protocol.variant)}
    row |= {f"mP@{k}{suffix}": ties.expected_precision_at(groups, k) for k in CUTS}
    row |= {f"R@{k}{suffix}": ties.expected_recall_at(groups, k) for k in CUTS}
    if protocol.measure == "N-S":
        row[f"N-S{suffix}"] = ties.expected_count_at(groups, 4)
    return row
