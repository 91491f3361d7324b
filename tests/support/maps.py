"""Embedding maps with positions chosen by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.analysis.embedding_comparison import EmbeddingComparison
from workbench.analysis.embedding_map import EmbeddingMap
from workbench.common.tables import Table


def map_of(count: int, dimensions: int = 2, **attributes: Any) -> EmbeddingMap:
    """A map of ``count`` images a0, a1 …, whose image n is at (n, -n, 2n)."""
    at = np.arange(count, dtype=np.float32)
    axes: dict[str, Any] = {"x": at, "y": -at, "z": 2 * at}
    frame = EmbeddingMap(
        {
            "image_id": [f"a{n}" for n in range(count)],
            **{name: axes[name] for name in "xyz"[:dimensions]},
            "cluster": np.arange(count) % 3 + 1,
        }
    )
    attrs: dict[Any, Any] = {
        "collection": "photos",
        "pipeline": "resnet50/max/whole",
        "method": "umap",
        "dimensions": dimensions,
        "parameters": {"neighbours": 15, "min_distance": 0.1},
    }
    frame.attrs = attrs | attributes
    return frame


def comparison_of(
    first: EmbeddingMap, second: EmbeddingMap, agreement: Sequence[float]
) -> EmbeddingComparison:
    """The comparison of two maps by two neighbours, with an agreement for each image."""
    table = Table({"image_id": first["image_id"], "agreement": agreement})
    near = np.zeros((len(first), 2), np.int32)
    names = (first.attrs["pipeline"], second.attrs["pipeline"])
    return EmbeddingComparison(*names, 2, first, second, table, near, near)
