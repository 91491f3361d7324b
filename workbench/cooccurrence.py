"""Which numbers of a descriptor rise and fall together, and what whitening does to that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from workbench.config import WorkbenchError
from workbench.described import Ready, mapped
from workbench.descriptors.describe import Parts, apply_step, pooled, split_steps, summed
from workbench.progress import Progress, silent

MOST_IMAGES = 500


@dataclass(frozen=True)
class Cooccurrence:
    """Correlations among numbers of the vectors that a pipeline whitens, before it and after it.

    ``before`` [k, k]: of the k dimensions (``dimensions``, by number) that share most with others, those
    that belong together side by side; ``after`` [k, k]: of the first k directions of the whitening.
    ``shared`` is the mean of r² over all pairs of dimensions, before and after, and ``spectrum`` the share
    of variance [D] of each principal direction, before and after.
    """

    before: np.ndarray
    after: np.ndarray
    dimensions: np.ndarray
    shared: tuple[float, float]
    spectrum: tuple[np.ndarray, np.ndarray]
    vectors: int


def cooccurrence(ready: Ready, k: int = 64, progress: Progress = silent) -> Cooccurrence:
    """Take the vectors that the pipeline whitens, of up to 500 images: regions, where it whitens regions.

    What often occurs together counts several times in a sum of squares, which whitening undoes (Jégou and
    Chum, ECCV 2012, section 4). Raises WorkbenchError where the pipeline has no whitening.
    """
    if not ready.config.whitenings:
        raise WorkbenchError(
            f"{str(ready.config)!r} has no whitening: name it, as in {ready.config}/pcaw:256"
        )
    before, after = _around(ready, progress)
    return compared(before.double().numpy(), after.double().numpy(), k)


def compared(before: np.ndarray, after: np.ndarray, k: int) -> Cooccurrence:
    """Of vectors [n, C] and what they become, [n, D]."""
    own, whitened = _correlations(before), _correlations(after)
    shares = (own**2).sum(0)
    chosen = np.sort(np.argsort(-shares, kind="stable")[:k])
    chosen = chosen[_grouped(own[np.ix_(chosen, chosen)])]
    spectrum = _spectrum(before), _spectrum(after)
    shared = _shared(own), _shared(whitened)
    few = min(k, len(whitened))
    return Cooccurrence(
        own[np.ix_(chosen, chosen)], whitened[:few, :few], chosen, shared, spectrum, len(before)
    )


def _around(ready: Ready, progress: Progress) -> tuple[torch.Tensor, torch.Tensor]:
    """The vectors before the whitening [n, C] and after it [n, D], of unit length."""
    config, described = ready.config, ready.described
    regional, final = split_steps(config)
    at_regions = config.whitenings[0] in regional
    steps, fitted = (regional, described.regional) if at_regions else (final, described.final)
    rows = range(min(len(ready.collection.images), MOST_IMAGES))
    keys = [ready.keys[0][row] for row in rows]
    vectors = []
    for done, (_, maps) in enumerate(mapped(ready.source).batches(keys, 0)):
        progress("pooling", done, 0)
        pools = pooled(maps.float(), config, described.attention, described.proposals)
        own = pools.vectors.flatten(0, 1) if pools.there is None else pools.vectors[pools.there]
        parts = Parts(own[:, None]) if at_regions else summed(pools, config, ())
        vectors.append(parts.total[:, 0])
    parts = Parts(torch.cat(vectors)[:, None])
    for step, whitening in zip(steps, fitted, strict=True):
        changed = apply_step(parts, step, whitening, together=False)
        if whitening is not None:
            return parts.total[:, 0], changed.total[:, 0]
        parts = changed
    raise AssertionError(f"{config} has no whitening")


def _correlations(vectors: np.ndarray) -> np.ndarray:
    """Of all pairs of columns; those that never change correlate with none."""
    centred = vectors - vectors.mean(0)
    lengths = np.linalg.norm(centred, axis=0)
    scaled = centred / np.where(lengths > 0, lengths, 1)
    return np.asarray(scaled.T @ scaled)


def _shared(correlations: np.ndarray) -> float:
    pairs = len(correlations) * (len(correlations) - 1)
    return float(((correlations**2).sum() - (np.diag(correlations) ** 2).sum()) / max(pairs, 1))


def _grouped(correlations: np.ndarray) -> np.ndarray:
    """An order in which dimensions that correlate stand side by side."""
    if len(correlations) < 3:
        return np.arange(len(correlations))
    apart = np.clip(1 - np.abs(correlations), 0, 1)
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree))


def _spectrum(vectors: np.ndarray) -> np.ndarray:
    values = np.linalg.eigvalsh(np.cov(vectors.T, bias=True))[::-1].clip(0)
    return np.asarray(values / max(values.sum(), 1e-30))
