"""The Pareto front of points with two measures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    pass


def pareto_front(points: Iterable[tuple[float, float]], more: tuple[bool, bool]) -> list[bool]:
    """Whether each point (x, y) is on the Pareto front: no other is as good in both and better in one.

    ``more`` says for each axis whether larger is better. A point with a nan is not on the front.
    """
    signs = np.where(more, 1.0, -1.0)
    values = np.array(list(points), float).reshape(-1, 2) * signs
    on_front = []
    for value in values:
        dominated = ((values >= value).all(1) & (values > value).any(1)).any()
        on_front.append(bool(np.isfinite(value).all() and not dominated))
    return on_front
