"""The descriptors of the embedded collection, around which benchmarks draw as many vectors as they need."""

from __future__ import annotations

import numpy as np
from _photos import RESIZE

import workbench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.engine.description_cache import DescriptionCache

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:128"


def poster_vectors() -> np.ndarray:
    """The descriptors of the database of ``posters``, [n, 128] float32."""
    bench = workbench.open("posters", resize=RESIZE)
    described = DescriptionCache(bench.collection, bench.options).describe(Config.parse(PIPELINE), silent)
    return np.ascontiguousarray(described.database.numpy())
