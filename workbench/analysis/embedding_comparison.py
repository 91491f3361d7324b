"""Two pipelines compared by the neighbours of each image: what changes between their maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workbench.analysis.embedding_map import EmbeddingMap, embedding_map
from workbench.analysis.map_method import MapMethod
from workbench.common.arguments import result_count
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.engine.description import DescribedCollection
from workbench.search.knn import nearest

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, eq=False)
class EmbeddingComparison(Drawable):
    """The maps of two pipelines, ``map_a`` and ``map_b``, with the same images in the same order.

    ``agreement`` is a table of image_id and agreement: the share of an image's ``k`` nearest neighbours by
    descriptor, itself not counted, that both pipelines have in common, 0 to 1. ``neighbours_a`` and
    ``neighbours_b`` are their rows int32 [n, k], the nearest first; ``k`` is at most the number of other
    images. Without another image the agreement is nan.
    """

    a: str
    b: str
    k: int
    map_a: EmbeddingMap = field(repr=False)
    map_b: EmbeddingMap = field(repr=False)
    agreement: Table = field(repr=False)
    neighbours_a: np.ndarray = field(repr=False)
    neighbours_b: np.ndarray = field(repr=False)

    @property
    def mean(self) -> float:
        """The mean agreement."""
        return float(self.agreement["agreement"].mean())

    def differing(self, n: int | None = 20) -> Table:
        """The ``n`` images whose neighbours agree least (None: all), in the collection's order where equal.

        A table of image_id, agreement, and the image ids of the neighbours: tuples ``neighbours_a``,
        ``neighbours_b``.
        """
        values = self.agreement["agreement"].to_numpy()
        rows = np.argsort(values, kind="stable")[: result_count(n)]
        images = self.agreement["image_id"].to_numpy(object)
        return Table(
            {
                "image_id": images[rows],
                "agreement": values[rows],
                "neighbours_a": [tuple(images[near]) for near in self.neighbours_a[rows]],
                "neighbours_b": [tuple(images[near]) for near in self.neighbours_b[rows]],
            }
        )

    def figure(self) -> Figure:
        """Both maps side by side, each point coloured by its agreement."""
        return draw("embedding_comparison", self)


def compare_embeddings(
    first: DescribedCollection,
    second: DescribedCollection,
    k: int = 10,
    method: MapMethod | None = None,
    progress: Progress = silent,
) -> EmbeddingComparison:
    """Compare the neighbours of each image that both descriptions have.

    Raises WorkbenchError if ``k`` is not a whole number from 1, or if no image is in both.
    """
    count = result_count(k)
    if count is None:
        raise WorkbenchError("k is None; it is the number of neighbours, from 1")
    maps = [embedding_map(described, progress, method=method) for described in (first, second)]
    names = [list(described.collection.images) for described in (first, second)]
    known = set(names[1])
    images = [image for image in names[0] if image in known]
    if not images:
        raise WorkbenchError(f"{first.config} and {second.config} describe no image in common")
    count = min(count, len(images) - 1)
    tables, neighbours = [], []
    for described, frame, own in zip((first, second), maps, names, strict=True):
        row_of = {image: row for row, image in enumerate(own)}
        rows = [row_of[image] for image in images]
        vectors = np.ascontiguousarray(described.database.cpu().numpy()[rows], np.float32)
        table = frame.iloc[rows].reset_index(drop=True)
        table.attrs = dict(frame.attrs)
        tables.append(table)
        neighbours.append(nearest(vectors, count + 1, progress)[0][:, 1:])  # the first is the image itself
    agreement = Table({"image_id": images, "agreement": shared(*neighbours)})
    map_a, map_b = tables
    near_a, near_b = neighbours
    names_ab = str(first.config), str(second.config)
    return EmbeddingComparison(*names_ab, count, map_a, map_b, agreement, near_a, near_b)


def shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The share of the neighbours [n, k] that each row of both has in common: float64 [n]; nan for k = 0.

    No row names a neighbour twice.
    """
    if first.shape[1] == 0:
        return np.full(len(first), np.nan)
    both = np.sort(np.hstack([first, second]), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(1) / first.shape[1]
