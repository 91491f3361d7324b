"""Suggest a pipeline: try poolings, regions, weightings and whitenings on the stored maps, within a time."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import product

import numpy as np
import pandas as pd

from workbench.collections.collection import Collection, require_ground_truth
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.description import describe_variants
from workbench.engine.description import DescribedCollection, require_maps
from workbench.engine.evaluate import evaluate
from workbench.engine.searcher import build_searcher
from workbench.engine.whitening_rows import whitening_rows
from workbench.evaluation.comparison import Difference, paired_difference

# The parts that are tried, in this order where nothing else decides. "" leaves a part out.
POOLINGS = ("gem:3", "max", "mean", "crow")
REGIONS = ("rmac:3", "whole", "grid:2x2")
WEIGHTINGS = ("", "centre")
WHITENINGS = ("pcaw:256:0.5", "pcaw:256:0.25", "pcaw:256", "pca:256", "")
LEAST = 10  # judged queries in a half, below which nothing is suggested
COLUMNS = ("pipeline", "mean_ap_choosing", "mean_ap_reporting", "seconds")
WORK = "trying pipelines"

Parts = tuple[str, str, str]  # pooling, regions, weighting


class _TimeOver(Exception):
    """The time budget is used up."""


@dataclass(frozen=True)
class Suggestion:
    """A pipeline suggested for a collection, and what it was chosen from.

    ``best`` is the pipeline of the highest mAP on one half of the queries, and ``comparison`` its paired
    difference from ``default`` on the other half, where mAP is not raised by the choice. ``pipeline``, which
    is suggested, is ``best`` if the 95 % interval lies above 0, else ``default``. ``table`` has a row for
    each pipeline that was tried, the best first: ``pipeline``, ``mean_ap_choosing`` and
    ``mean_ap_reporting`` (mAP on the two halves, fractions 0…1) and ``seconds``. ``untried`` pipelines were
    left out for lack of time.
    """

    pipeline: str
    default: str
    best: str
    table: pd.DataFrame = field(repr=False)
    comparison: Difference
    untried: int
    message: str

    @property
    def difference(self) -> float:
        """mAP of ``best`` minus that of ``default`` on the reporting half, −1…1; nan if not compared."""
        return self.comparison.mean

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of ``difference``."""
        return self.comparison.low, self.comparison.high

    def _repr_html_(self) -> str:
        table = self.table.copy()
        for name in COLUMNS[1:3]:
            table[name] = table[name].map("{:.1%}".format)
        shown = table.to_html(index=False, escape=True, border=0, float_format="{:.1f}".format)
        return f"<p>{escape(self.message)}</p>\n{shown}"


def suggest(described: DescribedCollection, seconds: float = 60.0, progress: Progress = silent) -> Suggestion:
    """Suggest a pipeline with the backbone and layer of the default pipeline, which ``described`` is of.

    Pipelines are tried for ``seconds`` on the stored maps, beginning at the default; the next one is always
    the one that differs in the fewest parts from the best so far (coordinate-wise search), and its
    whitenings share the pooled regions. The queries are split in two halves, equal in each label: one
    chooses, the other reports. ``progress`` may raise Cancelled.

    Raises WorkbenchError as ``require`` does, and if the backbone has no feature map.
    """
    require(described.collection, seconds)
    trial = _Trial(described, seconds, progress)
    few = min(trial.choosing.sum(), trial.reporting.sum()) < LEAST
    untried = 0 if few else trial.search()
    table = trial.table()
    best = str(table["pipeline"].iloc[0])
    comparison = paired_difference(
        trial.aps[trial.default][trial.reporting], trial.aps[best][trial.reporting]
    )
    better = not few and best != trial.default and comparison.low > 0
    suggestion = Suggestion(
        best if better else trial.default, trial.default, best, table, comparison, untried, ""
    )
    judged = int(trial.choosing.sum() + trial.reporting.sum())
    message = _too_few(trial.default, judged) if few else _in_words(suggestion, better)
    return replace(suggestion, message=message)


def require(collection: Collection, seconds: float) -> None:
    """Raise WorkbenchError if a collection has no ground truth, or ``seconds`` is not a positive number."""
    if not 0 < seconds < math.inf:
        raise WorkbenchError(f"seconds {seconds:g}: the time for trying pipelines is a number above 0")
    require_ground_truth(collection)


def halves(collection: Collection, judged: Sequence[str], seed: int = 0) -> tuple[set[str], set[str]]:
    """Split the ids of judged queries in two halves at random, so that each label is in both equally often.

    Queries without a label are split as one group.
    """
    by_label: dict[str, list[str]] = {}
    image_of = {query.id: query.image for query in collection.queries}
    for query in sorted(judged):
        by_label.setdefault(collection.labels.get(image_of[query], ""), []).append(query)
    rng = np.random.default_rng(seed)
    dealt = [query for _, group in sorted(by_label.items()) for query in rng.permutation(group).tolist()]
    return set(dealt[0::2]), set(dealt[1::2])


class _Trial:
    """The APs of the pipelines tried so far, one by one until the time is over."""

    def __init__(self, described: DescribedCollection, seconds: float, progress: Progress) -> None:
        self.source = require_maps(described.source)
        if described.config.pooling.name == "code":
            raise WorkbenchError(
                f"{described.config.backbone}: a fully connected layer has no map, so there are no poolings "
                "and regions to try; choose a convolutional layer"
            )
        self.described, self.total, self.report = described, seconds, progress
        self.began = time.monotonic()
        self.default = str(described.config)
        self.seconds: dict[str, float] = {}
        self.aps: dict[str, np.ndarray] = {}
        self._record(described, time.monotonic())
        ids = [query.id for query in described.collection.queries]
        judged = [query for query, ap in zip(ids, self.aps[self.default], strict=True) if not np.isnan(ap)]
        choosing, reporting = halves(described.collection, judged, described.source.options.seed)
        self.choosing, self.reporting = (np.array([q in half for q in ids]) for half in (choosing, reporting))

    def search(self) -> int:
        """Try pipelines until the time is over; returns the number of those that were not tried."""
        # The prior is symmetric, so it weights the quarters of a 2 × 2 grid equally.
        every = [
            parts for parts in product(POOLINGS, REGIONS, WEIGHTINGS) if parts[1:] != ("grid:2x2", "centre")
        ]
        waiting = {parts: self._pipelines(parts) for parts in every}
        pipelines = {pipeline for group in waiting.values() for pipeline in group}
        with contextlib.suppress(_TimeOver):
            while waiting:
                self._try(waiting.pop(self._nearest(waiting)))
        return len(pipelines - set(self.aps))

    def table(self) -> pd.DataFrame:
        rows = [
            (name, aps[self.choosing].mean(), aps[self.reporting].mean(), self.seconds[name])
            for name, aps in self.aps.items()
        ]
        # Of equal pipelines the first that was tried stays first: the default before all others.
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        return table.sort_values("mean_ap_choosing", ascending=False, kind="stable", ignore_index=True)

    def _pipelines(self, parts: Parts) -> tuple[str, ...]:
        backbone = self.described.config.backbone
        texts = ("/".join(filter(None, [backbone, *parts, whitening])) for whitening in WHITENINGS)
        return tuple(str(Config.parse(text)) for text in texts)

    def _nearest(self, waiting: Mapping[Parts, object]) -> Parts:
        """The parts that differ least from those of the best pipeline so far."""
        best = Config.parse(max(self.aps, key=lambda name: self.aps[name][self.choosing].mean()))
        of_best = str(best.pooling), str(best.regions), "/".join(map(str, best.weightings))
        return min(waiting, key=lambda parts: sum(a != b for a, b in zip(parts, of_best, strict=True)))

    def _try(self, pipelines: Sequence[str]) -> None:
        configs = [Config.parse(name) for name in pipelines if name != self.default]
        for described in self._described(configs) if configs else ():
            self._record(*described)

    def _described(self, configs: Sequence[Config]) -> Iterator[tuple[DescribedCollection, float]]:
        """The collection described by pipelines that differ in whitening, each with the time it began."""
        collection, started = self.described.collection, time.monotonic()
        variants = describe_variants(
            self.source,
            self.described.keys[:1],
            configs,
            whitening_rows(collection),
            None,
            {"collection": collection.name},
            self.source.options.seed,
            self._progress,
        )
        for config, descriptors in zip(configs, variants, strict=True):
            yield replace(self.described, config=config, descriptors=descriptors), started
            started = time.monotonic()

    def _record(self, described: DescribedCollection, started: float) -> None:
        """Evaluate a described pipeline. The default is evaluated whatever the time."""
        first = not self.aps
        progress = self.report if first else self._progress
        evaluation = evaluate(build_searcher(described, described.config, progress), progress)
        self.aps[str(described.config)] = evaluation.per_query["ap"].to_numpy(float)
        self.seconds[str(described.config)] = time.monotonic() - started

    def _progress(self, task: str, done: int, total: int) -> None:
        elapsed = time.monotonic() - self.began
        self.report(f"{WORK} for {self.total:.0f} s", int(min(elapsed, self.total)), math.ceil(self.total))
        if elapsed >= self.total:
            raise _TimeOver


def _too_few(default: str, judged: int) -> str:
    return (
        f"{judged} judged queries, {judged // 2} in the smaller half, are too few to tell which pipeline is "
        f"better (at least {LEAST} in each half): the default {default} stays."
    )


def _in_words(suggestion: Suggestion, better: bool) -> str:
    """What was tried, the difference from the default, and how sure it is."""
    tried, untried, default = len(suggestion.table), suggestion.untried, suggestion.default
    count = f"{tried} of {tried + untried}" if untried else f"all {tried}"
    scope = f"Pipelines tried: {count}" + ("; the time was over for the rest." if untried else ".")
    if tried == 1 and untried:
        return f"Only the default {default} was evaluated, so it stays: allow more seconds. {scope}"
    if suggestion.best == default:
        return f"Nothing is better than the default {default}, which stays. {scope}"
    aps = suggestion.table.set_index("pipeline")["mean_ap_reporting"]
    difference = suggestion.comparison
    queries = difference.better + difference.worse + difference.equal
    measured = (
        f"mAP {100 * aps[suggestion.best]:.1f} instead of {100 * aps[default]:.1f} on the {queries} queries "
        f"that did not choose it: {100 * difference.mean:+.1f} points, "
        f"95 % interval {100 * difference.low:+.1f} to {100 * difference.high:+.1f}"
    )
    if better:
        return f"{suggestion.best} is better than the default {default}: {measured}. {scope}"
    return (
        f"Nothing is significantly better than the default {default}, which stays. The best, "
        f"{suggestion.best}, has {measured}. {scope}"
    )
