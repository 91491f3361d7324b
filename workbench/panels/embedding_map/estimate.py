"""The time that a map takes, by its method and the number of images."""

from __future__ import annotations

from workbench.analysis.map_method import MapMethod
from workbench.panels.formatting import about

# Seconds to start a method, and per image, for descriptors of 256 dimensions on one core.
_SECONDS = {"pca": (0.1, 1e-5), "umap": (7.0, 1.2e-3), "tsne": (5.0, 2.5e-3)}


def duration(method: MapMethod, images: int) -> str:
    """How long the map of that many images takes, such as ``about 10 s``."""
    start, each = _SECONDS[method.used(images)[0]]
    if method.method == "tsne" and method.dimensions == 3:
        each *= 4
    return about(start + each * images)
