"""Compare indexes with exact search on a described collection: recall, mAP, memory and speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from workbench.analysis.binary_codes import BinaryCodeStudy, binary_code_study
from workbench.analysis.index_steps import training_key, valid_index_steps
from workbench.analysis.inverted_cells import cell_table
from workbench.collections.protocols import Protocol
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.config.steps import SUGGESTING, Step
from workbench.engine.description import DescribedCollection
from workbench.engine.graded_queries import GradedQueries
from workbench.evaluation.positives import PositiveRanks, count_positives, rank_positives
from workbench.evaluation.scores import mean_scores
from workbench.search import faiss_index
from workbench.search.duplicates import Duplicates, find_duplicates
from workbench.search.exact import TOGETHER
from workbench.search.ranking import Index

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DEPTHS = (1, 10, 100)
WITHOUT_QUERIES = 200  # images that serve as queries if a collection has none
K = 100  # results of the searches that are timed
TIMES = 5, 200, 0.3  # the fewest and the most timed searches, and the seconds after which they end
MAX_BYTES = 2**30  # most bytes of indexes held in memory; the newest index is always kept
NAN = float("nan")


@dataclass(frozen=True)
class IndexMeasures:
    """The measures of one index, as fractions 0…1, or the ``error`` that says why there are none.

    ``recall`` at k: the share of the index's first k whose exact score is at least that of the exact k-th,
    over min(k, N), as ann-benchmarks counts it (Aumüller, Bernhardsson and Faithfull 2020); without ties this
    is the share of the exact first k that are among the index's first k. A query's own image does not count.
    ``mean_ap`` is without re-ranking, ``lost`` the difference to exact search. ``queries_per_second`` is from
    the median time of a search for the first 100 of one query, with the configured threads. ``bytes`` is the
    memory per image, ``shared_bytes`` the memory that all images share (centroids, codebooks).
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


class Tradeoff(Drawable):
    """Measure indexes over one described collection, and keep the built indexes and all measures.

    ``database`` [N, D] are its descriptors, followed by further vectors to search (distractors).
    """

    def __init__(self, described: DescribedCollection, database: np.ndarray | None = None) -> None:
        self.described = described
        self.measured: dict[str, IndexMeasures] = {}
        collection, row_of = described.collection, described.image_rows()
        self.database = described.database.cpu().numpy() if database is None else database
        if collection.queries:
            rows = described.query_rows()
            own_rows = [row_of.get(query.image, -1) for query in collection.queries]
        else:
            step = max(1, len(collection.images) // WITHOUT_QUERIES)
            rows = own_rows = list(range(0, len(collection.images), step))[:WITHOUT_QUERIES]
        vectors = described.vectors[rows].cpu().numpy()
        self.queries = np.ascontiguousarray(vectors, np.float32)
        self._own_rows = own_rows  # the row of each query's own image, -1 if it is not in the database
        self._built: dict[str, tuple[Index, float]] = {}
        self._thresholds: np.ndarray | None = None
        self._exact_mean_ap: float | None = None
        self._duplicates: Duplicates | None = None

    def measure(self, index: str, progress: Progress = silent) -> IndexMeasures:
        """Measure an index such as ``ivf:64,pq:16`` or ``exact``. ``error`` says why one is impossible."""
        name = index
        try:
            steps = valid_index_steps(index)
            name = ",".join(map(str, steps)) or "exact"
            if name not in self.measured or self.measured[name].error:
                self.measured[name] = self._measure(name, steps, progress)
        except WorkbenchError as error:
            self.measured[name] = IndexMeasures(name, error=str(error))
        return self.measured[name]

    @property
    def table(self) -> pd.DataFrame:
        """All measures, a row for each index: index, recall@1, recall@10, recall@100, mean_ap, lost, …"""
        rows = []
        for measures in self.measured.values():
            values = asdict(measures)
            recall = {f"recall@{k}": share for k, share in values.pop("recall").items()}
            rows.append({"index": values.pop("index"), **recall, **values})
        return pd.DataFrame(rows)

    def figure(self, x: str = "bytes", y: str = "recall@10") -> Figure:
        """Two columns of ``table`` over each other, with the Pareto front, by plotly."""
        return draw("tradeoff", self, x=x, y=y)

    def cells(self, *indexes: str, progress: Progress = silent) -> Table:
        """The cells of inverted indexes: the empty ones, the fullest, the share of images compared."""
        return cell_table({name: self.index(name, progress)[0] for name in indexes}, self.queries)

    def bits(self, index: str, progress: Progress = silent) -> BinaryCodeStudy:
        """The bits of an index of binary codes, over all pairs of a query and an image."""
        return binary_code_study(self.index(index, progress)[0], self.database, self.queries, progress)

    def __repr__(self) -> str:
        shown = self.table.to_string(index=False) if self.measured else "no index is measured yet"
        return printable(f"Trade-off of indexes of {self.described.config}\n{shown}", keep="\n")

    def index(self, index: str, progress: Progress = silent) -> tuple[Index, float]:
        """The index, built if it is not yet, and the seconds that building took.

        An index that differs from a built one only in how much it probes reuses the built one.
        """
        steps = valid_index_steps(index)
        trained = training_key(index)
        if trained not in self._built:
            started = time.perf_counter()
            seed = self.described.source.options.seed
            built = faiss_index.build(steps, self.database, seed, progress)
            self._built[trained] = built, time.perf_counter() - started
            self._drop_oldest()
        built, seconds = self._built[trained]
        probing = next((step for step in steps if step.name in SUGGESTING), None)
        return (built if probing is None else built.probing(int(probing.args[1]))), seconds

    def _drop_oldest(self) -> None:
        """Drop the oldest indexes beyond the memory limit; another thread may do the same at once."""
        names = list(self._built)
        sizes = [index.bytes * index.size for index, _ in list(self._built.values())]
        for position, name in enumerate(names[:-1]):
            if sum(sizes[position:]) > MAX_BYTES:
                self._built.pop(name, None)

    def _measure(self, name: str, steps: Sequence[Step], progress: Progress) -> IndexMeasures:
        progress(f"building {name}", 0, 0)
        index, seconds = self.index(name, progress)
        recall = self._recall(index, progress)
        mean_ap, exact_mean_ap = self._mean_ap(index, progress), NAN
        if not np.isnan(mean_ap):
            if self._exact_mean_ap is None:
                exact = self.index("exact")[0]
                self._exact_mean_ap = self._mean_ap(exact, progress) if steps else mean_ap
            exact_mean_ap = self._exact_mean_ap
        speed = self._speed(index, progress)
        size, shared = float(index.bytes), float(index.shared_bytes)
        return IndexMeasures(name, recall, mean_ap, exact_mean_ap - mean_ap, size, shared, speed, seconds)

    def _first_rows(self, index: Index, k: int, progress: Progress) -> list[list[int]]:
        """The first ``k`` rows for each query, without its own image."""
        rankings: list[list[int]] = []
        batch_size = max(1, TOGETHER // max(1, index.size))
        for start in range(0, len(self.queries), batch_size):
            progress(f"searching with {index.name}", start, len(self.queries))
            batch = self.queries[start : start + batch_size]
            rankings += [ranking.rows.tolist() for ranking in index.search(batch, k + 1)]
        return [
            [row for row in rows if row != own_row][:k]
            for rows, own_row in zip(rankings, self._own_rows, strict=True)
        ]

    def _recall(self, index: Index, progress: Progress) -> dict[int, float]:
        if self._thresholds is None:  # the exact score of each query's k-th result
            exact = self._first_rows(self.index("exact")[0], max(DEPTHS), progress)
            ranked = [self._scores(query, rows) for query, rows in enumerate(exact)]
            kth = [
                [scores[min(k, len(scores)) - 1] if len(scores) else NAN for k in DEPTHS] for scores in ranked
            ]
            self._thresholds = np.array(kth).reshape(-1, len(DEPTHS))
        shares = []
        for query, rows in enumerate(self._first_rows(index, max(DEPTHS), progress)):
            scores = self._scores(query, rows)
            reachable = len(self.database) - (self._own_rows[query] >= 0)
            thresholds = self._thresholds[query] - 1e-6  # in float32 the scores of equal vectors may differ
            shares.append(
                [
                    (scores[:k] >= threshold).sum() / min(k, reachable) if reachable else NAN
                    for k, threshold in zip(DEPTHS, thresholds, strict=True)
                ]
            )
        means = np.nanmean(shares, axis=0) if np.isfinite(shares).any() else [NAN] * len(DEPTHS)
        return {k: float(share) for k, share in zip(DEPTHS, means, strict=True)}

    def _scores(self, query: int, rows: Sequence[int]) -> np.ndarray:
        return self.database[rows] @ self.queries[query]

    def _mean_ap(self, index: Index, progress: Progress) -> float:
        """The mAP of the index's rankings; nan without ground truth."""
        collection = self.described.collection
        if collection.protocol is None or not collection.queries:
            return NAN

        truth = GradedQueries(collection, self.described.image_rows(), collection.protocol)
        ranked = self._ranked(index, truth, collection.protocol, progress)
        scores = mean_scores(ranked, [query.id for query in collection.queries], collection.protocol)
        return float(scores.mean_ap)

    def _ranked(
        self, index: Index, truth: GradedQueries, protocol: Protocol, progress: Progress
    ) -> Iterator[dict[str, PositiveRanks]]:
        """The ranks of the positives of each query; in exact search they are counted, without sorting."""
        together = max(1, TOGETHER // max(1, index.size))
        for start in range(0, len(self.queries), together):
            progress(f"evaluating {index.name}", start, len(self.queries))
            batch = self.queries[start : start + together]
            if (exact := index.exhaustive) is not None:
                for number, scores in enumerate(exact.similarities(torch.from_numpy(batch)), start):
                    yield count_positives(scores, truth[number], protocol)
                continue
            if self._duplicates is None:
                self._duplicates = find_duplicates(self.database)
            for number, (rows, scores) in enumerate(
                self._duplicates.equalise(index.search(batch), index.size), start
            ):
                query = self.described.collection.queries[number]
                yield rank_positives(rows, truth[number], protocol, query.id, scores)

    def _speed(self, index: Index, progress: Progress) -> float:
        """Searches per second, one query at a time."""
        fewest, most, limit = TIMES
        times: list[float] = []
        while len(times) < fewest or (len(times) < most and sum(times) < limit):
            progress(f"timing {index.name}", len(times), most)
            position = len(times) % len(self.queries)
            query = self.queries[position : position + 1]
            started = time.perf_counter()
            index.search(query, K)
            times.append(time.perf_counter() - started)
        return 1 / statistics.median(times)
