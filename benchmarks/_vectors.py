"""The descriptors of the embedded collection, near which the benchmarks draw as many as they need."""

from __future__ import annotations

import numpy as np

import workbench
from workbench.config import Config
from workbench.described import Describer
from workbench.progress import silent

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:128"


def own_vectors() -> np.ndarray:
    """Those of the database of ``posters``, [n, 128] float32."""
    bench = workbench.open("posters")
    ready = Describer(bench.collection, bench.options).describe(Config.parse(PIPELINE), silent)
    return np.ascontiguousarray(ready.database.numpy())
