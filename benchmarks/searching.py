"""Searching 10^6 vectors through our interface against the bare FAISS call, and judging long rankings.

Both sides of a ratio run in turn, on the same index and queries, and the faster of the runs of each counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import faiss
import numpy as np
from _table import print_table
from _vectors import own_vectors

from workbench.collections.collection import PROTOCOLS
from workbench.config import parse_index
from workbench.evaluation.protocols import evaluate
from workbench.search import indexes, synthetic

VECTORS, QUERIES, K, RUNS = 1_000_000, 100, 100, 5
GRADED, RANKINGS = 100, 70


def main() -> None:
    own = own_vectors()
    vectors = np.concatenate(list(synthetic.draw(own, VECTORS, seed=0)))
    queries = np.concatenate(list(synthetic.draw(own, QUERIES, seed=1)))
    rows = []
    for name, bare in (("exact", flat), ("ivf:1000", within), ("ivf:1000,pq:16", within)):
        steps = parse_index(name)
        ours = indexes.build(steps, vectors, 0)
        call = bare(ours, vectors)
        for size in (1, QUERIES):
            some = queries[:size]
            a, b = in_turn(partial(ours.search, some, K), partial(call, some), RUNS)
            per = 1000 / size
            rows.append([name, str(size), f"{per * a:.3f}", f"{per * b:.3f}", at_most(a / b, 1.1)])
    print(f"{VECTORS:,} vectors of {vectors.shape[1]} numbers, the best {K} of each query\n")
    columns = ["index", "queries together", "through workbench, ms a query", "bare FAISS, ms a query"]
    print_table([*columns, "workbench / FAISS"], rows)
    del vectors
    judging()


def flat(ours: Any, vectors: np.ndarray) -> Callable[[np.ndarray], Any]:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda queries: index.search(queries, K)


def within(ours: Any, vectors: np.ndarray) -> Callable[[np.ndarray], Any]:
    """The same trained index, called directly: cells and codes are the same."""
    parameters = faiss.SearchParametersIVF(nprobe=ours.probes)
    return lambda queries: ours.index.search(queries, K, params=parameters)


def judging() -> None:
    """The revisited protocol over rankings [70, 10^6] with some hundred graded images a query."""
    rng = np.random.default_rng(0)
    ranks = np.stack([rng.permutation(VECTORS) for _ in range(RANKINGS)])
    truth = []
    for _ in range(RANKINGS):
        graded = rng.choice(VECTORS, GRADED, replace=False)
        truth.append({"easy": graded[:30], "hard": graded[30:70], "junk": graded[70:]})
    ours, loop = evaluate(ranks, truth, "revisited").metrics, straightforward(ranks, truth)
    for setting, value in loop.items():
        assert abs(ours[f"mAP_{setting}"] - value) < 1e-9, (setting, ours, loop)
    a, b = in_turn(lambda: evaluate(ranks, truth, "revisited"), lambda: straightforward(ranks, truth), 3)
    print(f"mAP of {RANKINGS} queries over rankings of {VECTORS:,}, in three settings\n")
    print_table(
        ["workbench, s", "plain loop, s", "workbench / loop"], [[f"{a:.2f}", f"{b:.2f}", at_most(a / b, 0.2)]]
    )


def straightforward(ranks: np.ndarray, truth: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """As one writes it down: for each setting and query mask out what is ignored, mark, count, average."""
    means = {}
    for setting, (positive, ignored) in PROTOCOLS["revisited"].settings.items():
        aps = []
        for ranking, grades in zip(ranks, truth, strict=True):
            positives = np.concatenate([grades[grade] for grade in positive])
            junk = np.concatenate([grades[grade] for grade in ignored])
            kept = ranking[~np.isin(ranking, junk)]
            hits = np.isin(kept, positives)
            precision = np.cumsum(hits) / np.arange(1, len(kept) + 1)
            before = np.concatenate([[1.0], precision[:-1]])
            aps.append(((precision + before) / 2)[hits].sum() / len(positives))
        means[setting] = float(np.mean(aps))
    return means


def in_turn(first: Callable[[], object], second: Callable[[], object], runs: int) -> tuple[float, float]:
    """Seconds of the fastest run of each."""
    times = np.empty((runs, 2))
    for pair in times:
        for side, work in enumerate((first, second)):
            started = time.perf_counter()
            work()
            pair[side] = time.perf_counter() - started
    fastest = times.min(axis=0)
    return float(fastest[0]), float(fastest[1])


def at_most(ratio: float, wanted: float) -> str:
    return f"{ratio:.2f}" + ("" if ratio <= wanted else f" (above the {wanted:g} aimed at)")


if __name__ == "__main__":
    main()
