"""A table in Markdown, and the best of some runs, for the benchmarks beside this file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def best(work: Callable[[], object], runs: int) -> float:
    """Seconds of the fastest of some runs: the one that other programs disturbed least."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def verdict(ratio: float, wanted: float) -> str:
    return f"{ratio:.2f}" + ("" if ratio >= wanted else f" (below the {wanted:g} aimed at)")
