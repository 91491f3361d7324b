"""Searching 10^6 vectors against the bare FAISS call, and evaluating long rankings against a plain loop.

Both sides of a ratio run alternately, on the same index and queries, and the fastest run of each counts. Of
single queries on one thread (``--single`` prints only these) the medians count, over other queries of each
side, so that none reads what another brought into the processor's cache.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import torch
from _table import print_table
from _timing import at_most, fastest_in_turn
from _vectors import poster_vectors
from threadpoolctl import threadpool_limits

from workbench.collections.protocols import PROTOCOLS
from workbench.config.steps import parse_index
from workbench.engine.searcher import Searcher
from workbench.evaluation.protocols import evaluate
from workbench.search import faiss_index, synthetic_distractors

VECTORS, QUERIES, K, RUNS = 1_000_000, 100, 100, 5
GRADED, RANKINGS = 100, 70
SINGLE_VECTORS, SINGLE_QUERIES, ROUNDS = 200_000, 150, 6
SINGLE_INDEXES = "exact", "ivf:447", "ivf:447,pq:16", "pq:16", "imi:4", "hnsw:16"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--single", action="store_true", help="single queries on one thread only")
    posters = poster_vectors()
    if parser.parse_args().single:
        single_queries(posters)
        return
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
    single_queries(posters)
    evaluation()


def single_queries(posters: np.ndarray) -> None:
    """Print the times of one query on one thread: bare FAISS, the index, and the searcher of a bench."""
    vectors = np.concatenate(list(synthetic_distractors.draw(posters, SINGLE_VECTORS, seed=0)))
    queries = np.concatenate(list(synthetic_distractors.draw(posters, SINGLE_QUERIES, seed=1)))
    print(f"{SINGLE_VECTORS:,} vectors of {vectors.shape[1]} numbers, one query, one thread, medians\n")
    rows = []
    for name in SINGLE_INDEXES:
        ours = faiss_index.build(() if name == "exact" else parse_index(name), vectors, 0)
        config: Any = SimpleNamespace(reranking_steps=())
        searcher = Searcher(config, config, vectors, ours, (), {})
        bare_index = ours.index if name != "exact" else faiss.IndexFlatIP(vectors.shape[1])  # type: ignore[attr-defined]
        if name == "exact":
            bare_index.add(vectors)
        with threadpool_limits(1):
            torch.set_num_threads(1)
            for k in (20, 100):
                parameters = bare_parameters(ours, k)
                bare, index, search = medians(
                    [
                        (partial(bare_index.search, k=k, params=parameters), queries),
                        (partial(ours.search, k=k), queries),
                        (partial(searcher.search, k=k, only_first=True), torch.from_numpy(queries)),
                    ]
                )
                times = [f"{1e6 * seconds:,.0f}" for seconds in (bare, index, search)]
                rows.append([name, str(k), *times, at_most(index / bare, 1.05), at_most(search / bare, 1.05)])
    columns = [
        "index",
        "k",
        "bare FAISS, µs",
        "index, µs",
        "searcher, µs",
        "index / FAISS",
        "searcher / FAISS",
    ]
    print_table(columns, rows)


def bare_parameters(ours: Any, k: int) -> Any:
    """The parameters by which FAISS searches as our index does."""
    if ours.graph:
        return faiss.SearchParametersHNSW(efSearch=max(ours.probes, k))
    return faiss.SearchParametersIVF(nprobe=ours.probes) if ours.probes else None


def medians(searches: list[tuple[Callable[[Any], Any], Any]]) -> list[float]:
    """The median seconds of each search with one of its queries [Q, D]; they run in turn."""
    times: list[list[float]] = [[] for _ in searches]
    for number in range((ROUNDS + 1) * SINGLE_QUERIES):
        for place, (search, queries) in enumerate(searches):
            position = (number + place * SINGLE_QUERIES // len(searches)) % SINGLE_QUERIES
            query = queries[position : position + 1]
            started = time.perf_counter()
            search(query)
            times[place].append(time.perf_counter() - started)
    return [float(np.median(of_search[SINGLE_QUERIES:])) for of_search in times]  # the first round warms up


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
