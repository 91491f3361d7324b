"""Time work by its fastest run, the one that other programs disturbed least, and compare ratios with aims."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def fastest(work: Callable[[], object], runs: int) -> float:
    """Seconds of the fastest run."""
    return min(_seconds(work) for _ in range(runs))


def fastest_in_turn(
    first: Callable[[], object], second: Callable[[], object], runs: int
) -> tuple[float, float]:
    """Seconds of the fastest run of each of two, run alternately."""
    times = np.array([[_seconds(first), _seconds(second)] for _ in range(runs)])
    fastest_first, fastest_second = times.min(axis=0)
    return float(fastest_first), float(fastest_second)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def at_least(ratio: float, aim: float) -> str:
    """The ratio as text, with a remark if it is below the aim."""
    return f"{ratio:.2f}" + ("" if ratio >= aim else f" (below the {aim:g} aimed at)")


def at_most(ratio: float, aim: float) -> str:
    """The ratio as text, with a remark if it is above the aim."""
    return f"{ratio:.2f}" + ("" if ratio <= aim else f" (above the {aim:g} aimed at)")
