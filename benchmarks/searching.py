"""Searching 10^6 vectors against the bare FAISS call, and evaluating long rankings against a plain loop.

Both sides of a ratio run alternately, on the same index and queries, and the fastest run of each counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import faiss
import numpy as np
from _table import print_table
from _timing import at_most, fastest_in_turn
from _vectors import poster_vectors

from workbench.collections.protocols import PROTOCOLS
from workbench.config.steps import parse_index
from workbench.evaluation.protocols import evaluate
from workbench.search import faiss_index, synthetic_distractors

VECTORS, QUERIES, K, RUNS = 1_000_000, 100, 100, 5
GRADED, RANKINGS = 100, 70


def main() -> None:
    posters = poster_vectors()
    vectors = np.concatenate(list(synthetic_distractors.draw(posters, VECTORS, seed=0)))
    queries = np.concatenate(list(synthetic_distractors.draw(posters, QUERIES, seed=1)))
    rows = []
    for name, bare_call in (("exact", flat), ("ivf:1000", inverted), ("ivf:1000,pq:16", inverted)):
        steps = parse_index(name)
        ours = faiss_index.build(steps, vectors, 0)
        call = bare_call(ours, vectors)
        for size in (1, QUERIES):
            batch = queries[:size]
            a, b = fastest_in_turn(partial(ours.search, batch, K), partial(call, batch), RUNS)
            to_milliseconds = 1000 / size
            rows.append(
                [
                    name,
                    str(size),
                    f"{to_milliseconds * a:.3f}",
                    f"{to_milliseconds * b:.3f}",
                    at_most(a / b, 1.1),
                ]
            )
    print(f"{VECTORS:,} vectors of {vectors.shape[1]} numbers, the best {K} of each query\n")
    columns = ["index", "queries together", "through workbench, ms a query", "bare FAISS, ms a query"]
    print_table([*columns, "workbench / FAISS"], rows)
    del vectors
    evaluation()


def flat(ours: Any, vectors: np.ndarray) -> Callable[[np.ndarray], Any]:
    """The call of exact search by FAISS."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda queries: index.search(queries, K)


def inverted(ours: Any, vectors: np.ndarray) -> Callable[[np.ndarray], Any]:
    """The call of the same trained index by FAISS: cells and codes are the same."""
    parameters = faiss.SearchParametersIVF(nprobe=ours.probes)
    return lambda queries: ours.index.search(queries, K, params=parameters)


def evaluation() -> None:
    """Print the time of the revisited protocol over rankings [70, 10^6] with 100 graded images a query."""
    rng = np.random.default_rng(0)
    ranks = np.stack([rng.permutation(VECTORS) for _ in range(RANKINGS)])
    truth = []
    for _ in range(RANKINGS):
        graded = rng.choice(VECTORS, GRADED, replace=False)
        truth.append({"easy": graded[:30], "hard": graded[30:70], "junk": graded[70:]})
    ours, loop = evaluate(ranks, truth, "revisited").metrics, plain_loop(ranks, truth)
    for setting, value in loop.items():
        assert abs(ours[f"mAP_{setting}"] - value) < 1e-9, (setting, ours, loop)
    a, b = fastest_in_turn(lambda: evaluate(ranks, truth, "revisited"), lambda: plain_loop(ranks, truth), 3)
    print(f"mAP of {RANKINGS} queries over rankings of {VECTORS:,}, in three settings\n")
    print_table(
        ["workbench, s", "plain loop, s", "workbench / loop"], [[f"{a:.2f}", f"{b:.2f}", at_most(a / b, 0.2)]]
    )


def plain_loop(ranks: np.ndarray, truth: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """mAP by setting, by masks: for each query remove the ignored images, mark the positives, average."""
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


if __name__ == "__main__":
    main()
