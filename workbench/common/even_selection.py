"""An even selection of many things, for what is drawn or kept of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def even_selection(count: int, most: int) -> NDArray[np.int64]:
    """The numbers of ``most`` of ``count`` things in even steps, with both ends; of few things all."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.linspace(0, count - 1, most).round().astype(np.int64)
