"""The measures of a set of rankings: means over its queries, and a row for each query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.collections.protocols import Protocol
from workbench.evaluation.measures import bounds, curve, measures
from workbench.evaluation.positives import PositiveRanks

_COUNTS = ("positives", "first_positive")  # reported per query, without a mean


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


def mean_scores(
    ranked: Iterable[Mapping[str, PositiveRanks]], names: Sequence[Any], protocol: Protocol
) -> Scores:
    """Compute the measures from the ranks of the positives of each query, in each setting.

    ``names`` are those of the queries, in the same order.
    """
    rows, extremes, missed = [], [], 0
    totals = {setting: (np.zeros(101), 0) for setting in protocol.settings}
    for positives in ranked:
        rows.append(measures(positives, protocol))
        headline = positives[protocol.headline]
        extremes.append(bounds(headline, protocol))
        missed += headline.positives - len(headline.ranks)
        for setting, (total, count) in totals.items():
            if positives[setting].positives:
                totals[setting] = total + curve(positives[setting]), count + 1
    curves = {s: total / count if count else np.full(101, np.nan) for s, (total, count) in totals.items()}
    unranked = PositiveRanks(np.empty(0, np.int64), 0)
    columns = list(measures(dict.fromkeys(protocol.settings, unranked), protocol))  # without queries too
    values = pd.DataFrame(rows, columns=columns, dtype=np.float64)
    metrics = {name: float(values[name].mean()) for name in columns if name not in _COUNTS}
    several = len(protocol.settings) > 1
    head = f"_{protocol.headline}" if several else ""
    per_query = pd.DataFrame({"query": pd.Series(names, dtype=object), "ap": values[f"mAP{head}"]})
    if several:
        for setting in protocol.settings:
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
