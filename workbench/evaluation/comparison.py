"""Comparison of pipelines paired by query: intervals and significance of differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.evaluation.intervals import SAMPLES, draw_in_blocks, mean_interval
from workbench.evaluation.judged import judged_text

_EXACT = 15  # queries up to which all 2^n sign patterns are enumerated


@dataclass(frozen=True)
class Difference:
    """The difference of B minus A, as fractions 0…1, over the queries with an AP in both."""

    mean: float
    low: float
    high: float
    p_value: float
    better: int
    worse: int
    equal: int

    def sentence(self, name: str = "B") -> str:
        """Describe the difference in a sentence, in mAP points (percent)."""
        queries = self.better + self.worse + self.equal
        if queries == 0:
            return f"{name} cannot be compared: no query has an AP in both"
        prefix = f"{name} is better on {self.better} of {queries} queries; {100 * self.mean:+.1f} mAP"
        if queries == 1:
            return f"{prefix} (one query: no interval)"
        p = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.2g}"
        return f"{prefix}, 95 % interval {100 * self.low:.1f} to {100 * self.high:.1f}, {p}"


def paired_difference(a: ArrayLike, b: ArrayLike, samples: int = SAMPLES, seed: int = 0) -> Difference:
    """Compare the APs of the same queries under A and B, arrays [queries]; pairs with a NaN are dropped.

    The interval is that of ``mean_interval``. The p-value is that of Fisher's two-sided randomisation test
    (Smucker et al., CIKM 2007): the share of random sign patterns whose mean is at least as far from 0. Up
    to 15 queries every pattern is counted; beyond that ``samples`` patterns, and one is added to both counts.

    ``scipy.stats.bootstrap`` and ``permutation_test`` take 5 to 12 times as long and draw other samples.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise WorkbenchError(
            f"paired APs of shapes {first.shape} and {second.shape}: give one of each for every query"
        )
    differences = second - first
    differences = differences[~np.isnan(differences)]
    counts = int((differences > 0).sum()), int((differences < 0).sum()), int((differences == 0).sum())
    if differences.size == 0:
        return Difference(np.nan, np.nan, np.nan, np.nan, *counts)
    rng = np.random.default_rng(seed)
    low, high = mean_interval(differences, samples, rng)
    # Mathematically equal sums may differ in their last digit.
    limit = abs(differences.sum()) * (1 - 1e-12) - 1e-15
    if differences.size <= _EXACT:
        signs = np.array(list(product((1.0, -1.0), repeat=differences.size)))
        p_value = float((np.abs(signs @ differences) >= limit).mean())
    else:
        sums = draw_in_blocks(
            lambda n: rng.choice((1.0, -1.0), (n, differences.size)) @ differences, samples, differences.size
        )
        p_value = float((1 + (np.abs(sums) >= limit).sum()) / (1 + samples))
    return Difference(float(differences.mean()), low, high, p_value, *counts)


class Evaluation(Protocol):
    """The measures of one pipeline that are compared; ``per_query`` names its queries."""

    @property
    def pipeline(self) -> str: ...
    @property
    def mean_ap(self) -> float: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def per_query(self) -> pd.DataFrame: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Comparison:
    """Several pipelines on the same queries under one protocol.

    Raises WorkbenchError if a pipeline is given twice, or if the queries, the collection or the protocol
    (of ``provenance``) differ: such mAPs are not comparable.
    """

    evaluations: Sequence[Evaluation]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for evaluation in self.evaluations:
            first = self.evaluations[0]
            if evaluation.pipeline in seen:
                raise WorkbenchError(f"pipeline {evaluation.pipeline!r} is given twice; keep one")
            seen.add(evaluation.pipeline)
            equal = [
                evaluation.provenance.get(k) == first.provenance.get(k) for k in ("collection", "protocol")
            ]
            if not all(equal) or set(evaluation.per_query["query"]) != set(first.per_query["query"]):
                raise WorkbenchError(
                    f"{evaluation.pipeline!r} and {first.pipeline!r} were not evaluated on the same queries "
                    "by the same protocol; evaluate both on one collection"
                )

    @property
    def table(self) -> pd.DataFrame:
        """One row per pipeline: ``pipeline``, ``mean_ap``, ``judged`` (such as 58 of 60 queries), metrics."""
        rows = [
            {
                "pipeline": e.pipeline,
                "mean_ap": e.mean_ap,
                "judged": judged_text(e.provenance),
                **e.metrics,
            }
            for e in self.evaluations
        ]
        return pd.DataFrame(rows, columns=None if rows else ["pipeline", "mean_ap", "judged"])

    @property
    def per_query(self) -> pd.DataFrame:
        """APs, one row per query and one column per pipeline."""
        aps = {e.pipeline: e.per_query.set_index("query")["ap"] for e in self.evaluations}
        return Table(aps).rename_axis(index="query")

    def difference(self, a: str | int, b: str | int) -> Difference:
        """Compare ``b`` with ``a``, each a pipeline of this comparison or its position."""
        aps = self.per_query
        return paired_difference(aps[self._name(a)], aps[self._name(b)])

    def _name(self, pipeline: str | int) -> str:
        names = [e.pipeline for e in self.evaluations]
        if isinstance(pipeline, str) and pipeline in names:
            return pipeline
        if isinstance(pipeline, int) and -len(names) <= pipeline < len(names):
            return names[pipeline]
        raise WorkbenchError(
            f"{pipeline!r} is not in this comparison; valid: {', '.join(names) or 'nothing'}"
        )

    def _repr_html_(self) -> str:
        table = self.table
        for name in table.columns.drop(["pipeline", "judged"]):
            template = "{:.2f}" if name == "N-S" else "{:.1%}"
            table[name] = table[name].map(template.format, na_action="ignore")
        lines = [table.to_html(index=False, escape=True, na_rep="–", border=0)]
        lines += [
            f"<p>{escape(self.difference(0, i).sentence(e.pipeline))}, against {escape(self._name(0))}</p>"
            for i, e in enumerate(self.evaluations)
            if i
        ]
        lines += [f"<p>{escape(e.pipeline)}: {escape(w)}</p>" for e in self.evaluations for w in e.warnings]
        return printable("\n".join(lines), keep="\n")
