"""What an index gives up and what it saves: measured beside exact search, on a described collection."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from workbench.config import INDEX_STEPS, SUGGESTING, Step, WorkbenchError, parse_index
from workbench.described import Ready
from workbench.evaluation import protocols
from workbench.progress import Progress, silent
from workbench.search import indexes
from workbench.search.exact import TOGETHER
from workbench.search.found import Found, Index, Rankings

DEPTHS = (1, 10, 100)
WITHOUT_QUERIES = 200  # images that are queries, where a collection has none
K = 100  # results of the searches that are timed,
TIMES = 5, 200, 0.3  # of which there are so many at least and at most, and for about so many seconds
KEPT = 2**30  # bytes of indexes held, the newest always
NAN = float("nan")


@dataclass(frozen=True)
class Measured:
    """One index. Measures are fractions 0…1, ``error`` the sentence that says why there are none.

    ``recall`` at k: the share of the index's first k whose exact score is at least that of the exact
    k-th, over min(k, N), as ann-benchmarks counts it (Aumüller, Bernhardsson and Faithfull 2020); without
    ties the share of the exact first k that are among the index's. A query's own image does not count.
    ``mean_ap`` is without re-ranking, ``lost`` what exact search has more. ``queries_per_second``: from
    the median time of one search for one query's first 100, with the threads that are configured.
    ``bytes`` are those of an image, ``shared_bytes`` those that all share (centroids, codebooks).
    """

    index: str
    recall: dict[int, float] = field(default_factory=lambda: dict.fromkeys(DEPTHS, NAN))
    mean_ap: float = NAN
    lost: float = NAN
    bytes: float = NAN
    shared_bytes: float = NAN
    queries_per_second: float = NAN
    build_seconds: float = NAN
    error: str = ""


class Tradeoff:
    """Indexes over one described collection. Those that were built are kept, and all that was measured.

    ``database`` [N, D] are its descriptors and, behind them, what else is to be searched (distractors).
    """

    def __init__(self, ready: Ready, database: np.ndarray | None = None) -> None:
        self.ready = ready
        self.measured: dict[str, Measured] = {}
        collection, row_of = ready.collection, ready.image_rows()
        self.database = ready.database.cpu().numpy() if database is None else database
        if collection.queries:
            rows = ready.query_rows()
            own = [row_of.get(query.image, -1) for query in collection.queries]
        else:
            step = max(1, len(collection.images) // WITHOUT_QUERIES)
            rows = own = list(range(0, len(collection.images), step))[:WITHOUT_QUERIES]
        self.queries = np.ascontiguousarray(ready.described.vectors[rows].cpu().numpy(), np.float32)
        self._own = own  # the row of each query's own image, -1 where it has none
        self._built: dict[str, tuple[Index, float]] = {}
        self._thresholds: np.ndarray | None = None
        self._mean_ap: float | None = None

    def measure(self, index: str, progress: Progress = silent) -> Measured:
        """One index, such as ``ivf:64,pq:16`` or ``exact``; what is impossible here says so in ``error``."""
        name = index
        try:
            steps = steps_of(index)
            name = ",".join(map(str, steps)) or "exact"
            if name not in self.measured or self.measured[name].error:
                self.measured[name] = self._measure(name, steps, progress)
        except WorkbenchError as error:
            self.measured[name] = Measured(name, error=str(error))
        return self.measured[name]

    @property
    def table(self) -> pd.DataFrame:
        """All that was measured, a row each: index, recall@1, recall@10, recall@100, mean_ap, lost, …"""
        rows = []
        for one in self.measured.values():
            values = asdict(one)
            recall = {f"recall@{k}": share for k, share in values.pop("recall").items()}
            rows.append({"index": values.pop("index"), **recall, **values})
        return pd.DataFrame(rows)

    def index(self, index: str, progress: Progress = silent) -> tuple[Index, float]:
        """The index, built where it is not yet, and the seconds that took.

        One that differs from another in its probes alone is that one, probed otherwise.
        """
        steps = steps_of(index)
        trained = ",".join(map(_trained, steps))
        if trained not in self._built:
            started = time.perf_counter()
            seed = self.ready.source.options.seed
            made = indexes.build(steps, self.database, seed, progress)
            self._built[trained] = made, time.perf_counter() - started
            self._let_go()
        found, seconds = self._built[trained]
        probing = next((step for step in steps if step.name in SUGGESTING), None)
        return (found if probing is None else indexes.with_probes(found, int(probing.args[1]))), seconds

    def _let_go(self) -> None:
        """Forget the oldest indexes where they take too much memory; another thread may be at it too."""
        names = list(self._built)
        held = [i.bytes * i.size for i, _ in list(self._built.values())]
        for place, name in enumerate(names[:-1]):
            if sum(held[place:]) > KEPT:
                self._built.pop(name, None)

    def _measure(self, name: str, steps: Sequence[Step], progress: Progress) -> Measured:
        progress(f"building {name}", 0, 0)
        index, seconds = self.index(name, progress)
        recall = self._recall(index, progress)
        mean_ap, best = self._ap(index, progress), NAN
        if not np.isnan(mean_ap):
            if self._mean_ap is None:
                self._mean_ap = self._ap(self.index("exact")[0], progress) if steps else mean_ap
            best = self._mean_ap
        speed = self._speed(index, progress)
        size, shared = float(index.bytes), float(index.shared_bytes)
        return Measured(name, recall, mean_ap, best - mean_ap, size, shared, speed, seconds)

    def _found(self, index: Index, k: int, progress: Progress) -> list[list[int]]:
        """The first ``k`` rows for each query, without its own image."""
        found: list[list[int]] = []
        together = max(1, TOGETHER // max(1, index.size))
        for start in range(0, len(self.queries), together):
            progress(f"searching with {index.name}", start, len(self.queries))
            found += [
                one.rows.tolist() for one in index.search(self.queries[start : start + together], k + 1)
            ]
        return [[row for row in rows if row != own][:k] for rows, own in zip(found, self._own, strict=True)]

    def _recall(self, index: Index, progress: Progress) -> dict[int, float]:
        if self._thresholds is None:  # the exact score of each query's k-th result
            exact = self._found(self.index("exact")[0], max(DEPTHS), progress)
            ranked = [self._scores(query, rows) for query, rows in enumerate(exact)]
            kth = [
                [scores[min(k, len(scores)) - 1] if len(scores) else NAN for k in DEPTHS] for scores in ranked
            ]
            self._thresholds = np.array(kth).reshape(-1, len(DEPTHS))
        shares = []
        for query, rows in enumerate(self._found(index, max(DEPTHS), progress)):
            scores = self._scores(query, rows)
            there = len(self.database) - (self._own[query] >= 0)
            least = self._thresholds[query] - 1e-6  # of float32, that of equal vectors may differ
            shares.append(
                [
                    (scores[:k] >= limit).sum() / min(k, there) if there else NAN
                    for k, limit in zip(DEPTHS, least, strict=True)
                ]
            )
        means = np.nanmean(shares, axis=0) if np.isfinite(shares).any() else [NAN] * len(DEPTHS)
        return {k: float(share) for k, share in zip(DEPTHS, means, strict=True)}

    def _scores(self, query: int, rows: Sequence[int]) -> np.ndarray:
        return self.database[rows] @ self.queries[query]

    def _ap(self, index: Index, progress: Progress) -> float:
        """The mAP of the index's rankings; nan without ground truth."""
        collection = self.ready.collection
        if collection.protocol is None or not collection.queries:
            return NAN

        def search(some: slice) -> list[Found]:
            progress(f"evaluating {index.name}", some.start, len(self.queries))
            return index.search(self.queries[some])

        rankings = Rankings(search, len(self.queries), max(1, TOGETHER // max(1, index.size)))
        return float(protocols.evaluate(rankings, self.ready.truth(), collection.protocol).mean_ap)

    def _speed(self, index: Index, progress: Progress) -> float:
        least, most, enough = TIMES
        times: list[float] = []
        while len(times) < least or (len(times) < most and sum(times) < enough):
            progress(f"timing {index.name}", len(times), most)
            position = len(times) % len(self.queries)
            query = self.queries[position : position + 1]
            started = time.perf_counter()
            index.search(query, K)
            times.append(time.perf_counter() - started)
        return 1 / statistics.median(times)


def steps_of(index: str) -> tuple[Step, ...]:
    """The steps of an index string. Raises WorkbenchError where it is none, or holds other steps too."""
    names = [word.partition(":")[0].strip() for word in index.split(",")]
    if "/" in index or not set(names) <= set(INDEX_STEPS):
        raise WorkbenchError(
            f"index {index!r} is no index; valid: exact, ivf:64, pq:16, ivf:64,pq:16 and so on"
        )
    return parse_index(index)


def _trained(step: Step) -> str:
    """What of a step its training depends on: all but how much is probed."""
    return f"{step.name}:{step.args[0]:g}" if step.name in SUGGESTING else str(step)


def front(points: Iterable[tuple[float, float]], more: tuple[bool, bool]) -> list[bool]:
    """Of each point (x, y), whether it is on the Pareto front: no other is as good in both and better in one.

    ``more`` says of each axis whether more is better. A point with a nan is not on it.
    """
    signs = np.where(more, 1.0, -1.0)
    values = np.array(list(points), float).reshape(-1, 2) * signs
    on = []
    for value in values:
        beaten = ((values >= value).all(1) & (values > value).any(1)).any()
        on.append(bool(np.isfinite(value).all() and not beaten))
    return on
