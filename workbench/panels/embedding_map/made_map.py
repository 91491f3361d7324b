"""A map that the panel shows: of one pipeline, or of two side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from workbench.analysis.map_method import MapMethod
from workbench.common.progress import Progress
from workbench.common.tables import Table

if TYPE_CHECKING:
    from workbench.analysis.embedding_comparison import EmbeddingComparison
    from workbench.bench.bench import Bench


class MapRequest(NamedTuple):
    """The pipeline of a map, the one to compare with ("" for none), and the method."""

    pipeline: str
    other: str
    method: MapMethod


class MadeMap(NamedTuple):
    """A map, and the comparison it belongs to if there is another pipeline; at first there is none."""

    request: MapRequest | None = None
    frame: pd.DataFrame = Table(columns=["image_id", "x", "y", "cluster"])
    comparison: EmbeddingComparison | None = None
    quick: bool = False  # whether it was made without a click, by PCA in place of the chosen method

    @property
    def pipeline(self) -> str:
        return self.request.pipeline if self.request else ""

    def stands_in_for(self, request: MapRequest) -> bool:
        """Whether this is a quick map of that pipeline, in as many dimensions."""
        if not self.quick or self.request is None or request.other:
            return False
        same = self.request.method.dimensions == request.method.dimensions
        return same and self.request.pipeline == request.pipeline


def make_map(bench: Bench, request: MapRequest, progress: Progress, known_only: bool = False) -> MadeMap:
    """Make the map, or both maps and their comparison. ``known_only``: empty if it is not stored."""
    options = asdict(request.method)
    if request.other:
        comparison = bench.studies.compare_embeddings(
            request.pipeline, request.other, progress=progress, **options
        )
        return MadeMap(request, comparison.map_a, comparison)
    frame = bench.studies.embedding(request.pipeline, progress=progress, known_only=known_only, **options)
    return MadeMap(request, frame)
