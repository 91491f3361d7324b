"""The methods that lay out descriptors in the plane or in space, and their parameters."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from workbench.config.errors import WorkbenchError

METHODS = {"umap": "UMAP", "pca": "PCA", "tsne": "t-SNE"}  # with their names for the screen
DIMENSIONS = (2, 3)
NEIGHBOURS, MOST_NEIGHBOURS = 15, 200  # of each image in UMAP; as MIN_DISTANCE, the default of umap-learn
MIN_DISTANCE = 0.1
PERPLEXITY, MOST_PERPLEXITY = 30.0, 200.0  # of t-SNE; the default of scikit-learn
MIN_IMAGES = 5  # images for UMAP and t-SNE; fewer are laid out by PCA


@dataclass(frozen=True)
class MapMethod:
    """A method of ``METHODS``, the dimensions of its map, and its parameters.

    ``neighbours`` and ``min_distance`` are UMAP's ``n_neighbors`` and ``min_dist``, ``perplexity`` is
    t-SNE's. A map ignores the parameters of other methods. Raises WorkbenchError for invalid values.
    """

    method: str = "umap"
    dimensions: int = 2
    neighbours: int = NEIGHBOURS
    min_distance: float = MIN_DISTANCE
    perplexity: float = PERPLEXITY

    def __post_init__(self) -> None:
        if self.method not in tuple(METHODS):  # it may be unhashable
            raise WorkbenchError(f"no map method {self.method!r}; valid methods are {', '.join(METHODS)}")
        if self.dimensions not in DIMENSIONS:
            raise WorkbenchError(f"dimensions is {self.dimensions!r}; a map has 2 or 3")
        object.__setattr__(self, "dimensions", int(self.dimensions))
        object.__setattr__(self, "neighbours", _whole(self.neighbours))
        object.__setattr__(self, "min_distance", _number("min_distance", self.min_distance, 0, 1))
        object.__setattr__(self, "perplexity", _number("perplexity", self.perplexity, 1, MOST_PERPLEXITY))

    def used(self, count: int) -> tuple[str, dict[str, Any]]:
        """The method and the parameters that lay out ``count`` images."""
        if count < MIN_IMAGES or self.method == "pca":
            return "pca", {}
        if self.method == "tsne":
            return "tsne", {"perplexity": min(self.perplexity, (count - 1) / 3)}
        return "umap", {"neighbours": min(self.neighbours, count - 1), "min_distance": self.min_distance}


def _whole(value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if not 2 <= number <= MOST_NEIGHBOURS:
        raise WorkbenchError(f"neighbours is {value!r}; it is a whole number from 2 to {MOST_NEIGHBOURS}")
    return number


def _number(name: str, value: Any, low: float, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        raise WorkbenchError(f"{name} is {value!r}; it is a number from {low:g} to {high:g}")
    return number
