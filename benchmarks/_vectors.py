"""The descriptors of the embedded collection, around which benchmarks draw as many vectors as they need."""

from __future__ import annotations

import numpy as np

import workbench
from workbench.config import Config
from workbench.described import Describer
from workbench.progress import silent

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:128"


def poster_vectors() -> np.ndarray:
    """The descriptors of the database of ``posters``, [n, 128] float32."""
    bench = workbench.open("posters")
    described = Describer(bench.collection, bench.options).describe(Config.parse(PIPELINE), silent)
    return np.ascontiguousarray(described.database.numpy())
