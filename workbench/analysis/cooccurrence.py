"""Correlations between the dimensions of a descriptor, before whitening and after it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.descriptors.aggregation import Parts, apply_step, pool_regions, split_steps, sum_regions
from workbench.engine.description import DescribedCollection, require_maps

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_IMAGES = 500


@dataclass(frozen=True)
class Cooccurrence(Drawable):
    """Correlations between dimensions of the vectors that a pipeline whitens, before and after whitening.

    ``before`` [k, k]: among the k dimensions (``dimensions``, by number) that correlate most with others,
    similar ones side by side; ``after`` [k, k]: among the first k directions of the whitening. ``shared`` is
    the mean of r² over all pairs of dimensions, before and after, and ``spectrum`` the share of variance [D]
    of each principal direction, before and after. ``vectors`` is the number of vectors, ``strength`` that of
    the whitening from 0 (none, as in ``pca``) to 1, None for a learned one.
    """

    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    dimensions: np.ndarray = field(repr=False)
    shared: tuple[float, float]
    spectrum: tuple[np.ndarray, np.ndarray] = field(repr=False)
    vectors: int
    pipeline: str = ""
    collection: str = ""
    strength: float | None = None

    def figure(self) -> Figure:
        """The correlations of dimensions before and after whitening, as two matrices."""
        return draw("cooccurrence", self)

    def spectrum_figure(self) -> Figure:
        """The share of variance of each principal direction, before and after whitening."""
        return draw("spectrum", self)


def cooccurrence(described: DescribedCollection, k: int = 64, progress: Progress = silent) -> Cooccurrence:
    """Correlate the vectors that the pipeline whitens, images or regions, of up to 500 images.

    Visual elements that often occur together count several times in a sum of squares, which whitening
    corrects (Jégou and Chum, ECCV 2012, section 4). Raises WorkbenchError if the pipeline has no whitening.
    """
    if not described.config.whitenings:
        raise WorkbenchError(
            f"{str(described.config)!r} has no whitening: name it, as in {described.config}/pcaw:256"
        )
    before, after = _whitened_vectors(described, progress)
    step = described.config.whitenings[0]
    return replace(
        correlate(before.double().numpy(), after.double().numpy(), k),
        pipeline=str(described.config),
        collection=described.collection.name,
        strength=None if step.name == "lw" else step.strength,
    )


def correlate(before: np.ndarray, after: np.ndarray, k: int) -> Cooccurrence:
    """The correlations of vectors [n, C] and of the same vectors after whitening, [n, D]."""
    correlations, whitened = _correlations(before), _correlations(after)
    totals = (correlations**2).sum(0)
    chosen = np.sort(np.argsort(-totals, kind="stable")[:k])
    chosen = chosen[_grouped(correlations[np.ix_(chosen, chosen)])]
    spectrum = _spectrum(before), _spectrum(after)
    shared = _mean_squared(correlations), _mean_squared(whitened)
    size = min(k, len(whitened))
    return Cooccurrence(
        correlations[np.ix_(chosen, chosen)], whitened[:size, :size], chosen, shared, spectrum, len(before)
    )


def _whitened_vectors(
    described: DescribedCollection, progress: Progress
) -> tuple[torch.Tensor, torch.Tensor]:
    """The vectors before the whitening [n, C] and after it [n, D], of unit length."""
    config, descriptors = described.config, described.descriptors
    regional, final = split_steps(config)
    at_regions = config.whitenings[0] in regional
    steps, fitted = (regional, descriptors.regional) if at_regions else (final, descriptors.final)
    rows = range(min(len(described.collection.images), MAX_IMAGES))
    keys = [described.keys[0][row] for row in rows]
    vectors = []
    for done, (_, maps) in enumerate(require_maps(described.source).batches(keys, 0)):
        progress("pooling", done, 0)
        pools = pool_regions(maps.float(), config, descriptors.attention, descriptors.proposals)
        regions = pools.vectors.flatten(0, 1) if pools.valid is None else pools.vectors[pools.valid]
        parts = Parts(regions[:, None]) if at_regions else sum_regions(pools, config, ())
        vectors.append(parts.total[:, 0])
    parts = Parts(torch.cat(vectors)[:, None])
    for step, whitening in zip(steps, fitted, strict=True):
        changed = apply_step(parts, step, whitening, together=False)
        if whitening is not None:
            return parts.total[:, 0], changed.total[:, 0]
        parts = changed
    raise AssertionError(f"{config} has no whitening")


def _correlations(vectors: np.ndarray) -> np.ndarray:
    """The correlations of all pairs of columns; those of a constant column are 0."""
    centred = vectors - vectors.mean(0)
    lengths = np.linalg.norm(centred, axis=0)
    scaled = centred / np.where(lengths > 0, lengths, 1)
    return np.asarray(scaled.T @ scaled)


def _mean_squared(correlations: np.ndarray) -> float:
    """The mean of r² over all pairs of different columns."""
    pairs = len(correlations) * (len(correlations) - 1)
    return float(((correlations**2).sum() - (np.diag(correlations) ** 2).sum()) / max(pairs, 1))


def _grouped(correlations: np.ndarray) -> np.ndarray:
    """An order in which correlated dimensions are side by side."""
    if len(correlations) < 3:
        return np.arange(len(correlations))
    distances = np.clip(1 - np.abs(correlations), 0, 1)
    np.fill_diagonal(distances, 0)
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree))


def _spectrum(vectors: np.ndarray) -> np.ndarray:
    values = np.linalg.eigvalsh(np.cov(vectors.T, bias=True))[::-1].clip(0)
    return np.asarray(values / max(values.sum(), 1e-30))
