"""Comparison of pipelines paired by query: intervals and significance of differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.common.drawable import Drawable, draw
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.evaluation.comparison_export import output, to_csv, to_latex, to_markdown
from workbench.evaluation.intervals import SAMPLES, draw_in_blocks, mean_interval
from workbench.evaluation.judged import judged_text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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
        """Describe the difference in a sentence: its mean in mAP points (percent), then the queries."""
        queries = self.better + self.worse + self.equal
        if queries == 0:
            return f"{name} cannot be compared: no query has an AP in both"
        higher = f"higher on {self.better:,} {'query' if self.better == 1 else 'queries'}"
        counts = f"{higher}, lower on {self.worse:,}, equal on {self.equal:,}"
        mean = f"{name}: {_points(self.mean)} mAP"
        if queries == 1:
            return f"{mean} (one query: no interval); {counts}"
        p = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.2g}"
        interval = f"95 % interval {_points(self.low)} to {_points(self.high)}"
        return f"{mean} on average ({interval}), {self._chance()} ({p}); {counts}"

    def _chance(self) -> str:
        """Whether the difference is larger than chance, at 5 %: by the test and by the interval."""
        if self.better == self.worse == 0:
            return "no difference"
        judged = {self.p_value < 0.05, self.low > 0 or self.high < 0}
        if len(judged) == 2:
            return "at the edge of what chance explains"
        return "more than chance explains" if judged.pop() else "no more than chance explains"


def _points(share: float) -> str:
    """A difference of fractions in points, with its sign."""
    points = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if points[1:] == "0.0" else points


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
    def collection(self) -> str: ...
    @property
    def protocol(self) -> str: ...
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


def query_aps(evaluation: Evaluation, setting: str = "") -> pd.Series[float]:
    """The AP of each query in a setting of the protocol (default: the headline), by query id.

    Raises WorkbenchError if the protocol has no such setting.
    """
    aps = evaluation.per_query.set_index("query")
    if setting and f"ap_{setting}" not in aps:
        valid = ", ".join(str(name).removeprefix("ap_") for name in aps if str(name).startswith("ap_"))
        raise WorkbenchError(
            f"{setting!r} is not a setting of the protocol; valid: {valid or 'none, as it has only one'}"
        )
    return aps[f"ap_{setting}" if setting else "ap"]


@dataclass(frozen=True, repr=False)
class Comparison(Drawable):
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
        return self.aps()

    def aps(self, setting: str = "") -> pd.DataFrame:
        """APs in a setting of the protocol (default: the headline), as ``per_query``."""
        aps = {e.pipeline: query_aps(e, setting) for e in self.evaluations}
        return Table(aps).rename_axis(index="query")

    def difference(self, a: str | int, b: str | int) -> Difference:
        """Compare ``b`` with ``a``, each a pipeline of this comparison or its position."""
        aps = self.per_query
        return paired_difference(aps[self.name(a)], aps[self.name(b)])

    def name(self, pipeline: str | int) -> str:
        names = [e.pipeline for e in self.evaluations]
        if isinstance(pipeline, str) and pipeline in names:
            return pipeline
        if isinstance(pipeline, int) and -len(names) <= pipeline < len(names):
            return names[pipeline]
        raise WorkbenchError(
            f"{pipeline!r} is not in this comparison; valid: {', '.join(names) or 'nothing'}"
        )

    def figure(self, a: str | int = 0, b: str | int = -1, setting: str = "") -> Figure:
        """The AP of each query under two pipelines, by plotly; ``setting``: of the protocol."""
        return draw("ap_differences", self, a=a, b=b, setting=setting)

    def precision_recall(self, setting: str = "") -> Figure:
        """The precision over recall of all pipelines, at a setting of the protocol, by plotly."""
        return draw("precision_recall", self.evaluations, setting=setting)

    def mean_aps(self, setting: str = "") -> Figure:
        """The mAP of all pipelines with its 95 % interval, at a setting of the protocol, by plotly."""
        return draw("mean_aps", self.evaluations, setting=setting)

    def to_latex(self, path: str | PathLike[str] | None = None) -> str:
        """The table in LaTeX (with booktabs), the best values in bold; also written to ``path``."""
        return output(to_latex(self.evaluations), path)

    def to_markdown(self, path: str | PathLike[str] | None = None) -> str:
        """The table in Markdown, with the notes below it; also written to ``path``."""
        return output(to_markdown(self.evaluations), path)

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """``table`` as CSV, with the collection, the protocol and the notes; also written to ``path``."""
        return output(to_csv(self.table, self.evaluations), path)

    def __repr__(self) -> str:
        rows = self.table
        names = [printable(pipeline) for pipeline in rows["pipeline"]]
        lines = [f"{100 * ap:5.1f}  {name}" for ap, name in zip(rows["mean_ap"], names, strict=True)]
        return "\n".join([f"Comparison of {len(lines)} pipelines by mAP, %", *lines])
