"""Contributions as text: rounded so that what is shown adds up, and with their sign."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.common.lazy import lazy_module

np = lazy_module("numpy")

DIGITS = 4  # of contributions; a score has three


def signed(value: float, digits: int = DIGITS) -> str:
    """A contribution with its sign; zero has none."""
    text = f"{abs(value):.{digits}f}"
    return text if not float(text) else ("−" if value < 0 else "+") + text


def rounded(values: Sequence[float], digits: int = DIGITS) -> list[float]:
    """Values rounded so that they still add up to their rounded sum (largest remainders)."""
    scaled = np.array(values, float) * 10**digits
    floors = np.floor(scaled)
    missing = round(scaled.sum()) - int(floors.sum())
    floors[np.argsort(floors - scaled, kind="stable")[:missing]] += 1
    return [float(value) / 10**digits for value in floors]
