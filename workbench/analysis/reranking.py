"""Re-rankers compared on the same first results: gain, cost, and which pairs of pictures they verify."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.analysis.pair_classes import CLASSES
from workbench.common.drawable import Drawable, draw
from workbench.common.tables import Table
from workbench.config.printable import printable
from workbench.evaluation.comparison import Difference, paired_difference
from workbench.evaluation.intervals import share_interval

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NONE = "none"  # the method that leaves the first results as they are


class Counts(NamedTuple):
    """How many of some images were verified."""

    verified: int
    total: int

    @property
    def share(self) -> float:
        return self.verified / self.total if self.total else np.nan


@dataclass(frozen=True)
class Method:
    """A re-ranking step, or several, as written. ``aps`` [Q]: the AP of each query, a fraction.

    ``milliseconds``: the time of a query, ``pair_milliseconds`` of a pair that is verified (median, matching
    and model on one thread), ``inlier_ratio``: mean share of inliers among the matches of verified pairs,
    ``positives`` and ``negatives`` among the first results; all but ``aps`` and ``milliseconds`` only of a
    method that is one verification.
    """

    name: str
    aps: NDArray[np.float64] = field(repr=False)
    milliseconds: float
    pair_milliseconds: float = np.nan
    inlier_ratio: float = np.nan
    positives: Counts | None = None
    negatives: Counts | None = None

    @property
    def mean_ap(self) -> float:
        return float(np.nanmean(self.aps)) if np.isfinite(self.aps).any() else np.nan


@dataclass(frozen=True)
class Reranking(Drawable):
    """Re-rankers of one pipeline's first results; the first method is ``none``.

    ``pairs`` has a row for each pair of a query and a positive: query, image, keypoints, matches, planarity,
    area, turn, tilt, repeated, a column of bool for each of ``CLASSES`` and, for each verifying method, a
    column of its name with the inliers (0: not verified).
    """

    collection: str
    pipeline: str
    first: int
    queries: tuple[str, ...]
    methods: tuple[Method, ...]
    pairs: pd.DataFrame = field(repr=False)
    left_out: dict[str, str] = field(default_factory=dict)  # method → why it cannot be had

    @property
    def verifying(self) -> list[str]:
        """The names of the methods that verify pairs."""
        return [method.name for method in self.methods if method.positives is not None]

    def method(self, name: str) -> Method:
        return next(method for method in self.methods if method.name == name)

    def difference(self, name: str) -> Difference:
        """The difference of a method from ``none``, paired by query."""
        return paired_difference(self.methods[0].aps, self.method(name).aps)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each method: method, mean_ap, difference, low, high, milliseconds, pair_milliseconds,
        inlier_ratio, and the shares of positives and of negatives that are verified."""
        rows = []
        for method in self.methods:
            difference = self.difference(method.name)
            shares = [np.nan if c is None else c.share for c in (method.positives, method.negatives)]
            numbers = (difference.mean, difference.low, difference.high, method.milliseconds)
            further = (method.pair_milliseconds, method.inlier_ratio, *shares)
            rows.append((method.name, method.mean_ap, *numbers, *further))
        return Table(
            rows,
            columns="method mean_ap difference low high milliseconds pair_milliseconds inlier_ratio "
            "positives negatives".split(),
        )

    @property
    def classes(self) -> pd.DataFrame:
        """The share of the pairs of each class that each method verifies, with its 95 % interval: class,
        method, pairs, verified, share, low, high. The class ``all`` has every pair."""
        rows = []
        for name in ("all", *CLASSES):
            chosen = self.pairs if name == "all" else self.pairs[self.pairs[name]]
            for method in self.verifying:
                verified, total = int((chosen[method] > 0).sum()), len(chosen)
                share = verified / total if total else np.nan
                rows.append((name, method, total, verified, share, *share_interval(verified, total)))
        return Table(rows, columns=["class", "method", "pairs", "verified", "share", "low", "high"])

    @property
    def examples(self) -> pd.DataFrame:
        """Two pairs of each class: the one that the fewest methods verify, and the one that the most do.

        Columns: class, query, image, methods (how many verify it). Among equals the pair with more matches.
        """
        counts = (self.pairs[self.verifying] > 0).sum(axis=1)
        pairs = self.pairs.assign(methods=counts)
        rows = []
        for name in CLASSES:
            chosen = pairs[pairs[name]].sort_values(
                ["methods", "matches"], ascending=[True, False], kind="stable"
            )
            ends = chosen.iloc[[0, -1]] if len(chosen) > 1 else chosen
            rows += [
                (name, row["query"], row["image"], int(row["methods"])) for row in ends.to_dict("records")
            ]
        return Table(rows, columns=["class", "query", "image", "methods"])

    def figure(self) -> Figure:
        """The difference in mAP over the time of a query, and the shares of each class, by plotly."""
        return draw("reranking", self)

    def __repr__(self) -> str:
        table = self.table.to_string(index=False, float_format="{:.3f}".format)
        return printable(f"Re-ranking of {self.pipeline} on {self.collection}\n{table}", keep="\n")
