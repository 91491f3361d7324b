"""Synthetic distractors: any number of vectors similar to those of a collection, streamed in chunks.

The smoothed bootstrap with shrinkage (Silverman and Young 1987, section 2.3; Silverman 1986, section
6.4.1): a randomly drawn vector x, plus noise e of the vectors' covariance, where m is their mean,

    y = m + (x - m + h e) / sqrt(1 + h^2),    h = (4 / (n (d + 2)))^(1 / (d + 4)),

so that mean and covariance are preserved; h is Silverman's bandwidth (1986, equation 4.14) for n vectors
of d dimensions. The result is scaled to unit length. If all vectors are equal, every draw equals them.

Distractors are drawn with infinite h: y = m + e, the Gaussian with that mean and covariance. In many
dimensions h is below one, and a vector drawn near an image has a cosine of about 0.7 with it: among a
million distractors each positive would have a thousand near-copies that count as negatives.
"""

from __future__ import annotations

import errno
import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

_ROWS, _NUMBERS = 16_384, 2**21  # of a chunk, at most


def draw(
    vectors: np.ndarray, count: int, seed: int = 0, bandwidth: float | None = None
) -> Iterator[np.ndarray]:
    """Yield ``count`` unit vectors distributed like ``vectors`` [n, D], in chunks [m, D] float32.

    ``bandwidth`` is h (None: Silverman's), or ``math.inf``. With the same seed, a smaller ``count`` yields
    the first vectors of a larger one. Raises WorkbenchError if there are no vectors or not all are finite.
    """
    for chunk in draw_unnormalised(vectors, count, seed, bandwidth):
        lengths = np.linalg.norm(chunk, axis=1, keepdims=True)
        yield np.divide(chunk, lengths, out=chunk, where=lengths > 0)


def draw_unnormalised(
    vectors: np.ndarray, count: int, seed: int = 0, bandwidth: float | None = None
) -> Iterator[np.ndarray]:
    """Like ``draw``, but before scaling to unit length: with the mean and covariance of ``vectors``."""
    if vectors.ndim != 2 or not vectors.size:
        raise WorkbenchError(f"distractors are drawn from vectors [n, D], not {tuple(vectors.shape)}")
    n, dimensions = vectors.shape
    mean, factor = _moments(vectors)
    if bandwidth is None:
        bandwidth = (4 / (n * (dimensions + 2))) ** (1 / (dimensions + 4))
    shrinkage = 1 / math.sqrt(1 + bandwidth**2)
    noise = (math.sqrt(1 - shrinkage**2) * factor).astype(np.float32)
    centre = mean.astype(np.float32)
    rows = max(1, min(_ROWS, _NUMBERS // dimensions))
    for number, start in enumerate(range(0, count, rows)):
        # Whole chunks, each with its own seed: a smaller count then yields identical vectors.
        choice, noise_source = (np.random.default_rng([seed, number, part]) for part in (0, 1))
        chunk = vectors[choice.integers(0, n, rows)].astype(np.float32, copy=False) - centre
        chunk *= np.float32(shrinkage)
        chunk += noise_source.standard_normal((rows, len(noise)), np.float32) @ noise
        chunk += centre
        yield chunk[: count - start]


def _moments(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean [D] and a factor F [r, D] of the covariance (dividing by n): F^T F, of rank r."""
    n, dimensions = vectors.shape
    total, products = np.zeros(dimensions), np.zeros((dimensions, dimensions))
    origin = vectors[0].astype(np.float64)  # near the mean, to avoid cancellation
    for start in range(0, n, _ROWS):
        batch = vectors[start : start + _ROWS]
        finite = np.isfinite(batch).all(1)
        if not finite.all():
            row = start + int(finite.argmin())
            raise WorkbenchError(f"vector {row} is not finite: no distractors can be drawn from it")
        centred = batch - origin
        total += centred.sum(0)
        products += centred.T @ centred
    shift = total / n
    values, directions = np.linalg.eigh(products / n - np.outer(shift, shift))
    kept = values > max(values[-1], 0) * dimensions * np.finfo(np.float64).eps
    return origin + shift, (np.sqrt(values[kept]) * directions[:, kept]).T


def with_distractors(
    vectors: np.ndarray, count: int, seed: int, folder: Path, progress: Progress = silent
) -> np.memmap:
    """Append ``count`` distractors to ``vectors`` [n, D]: a memory map [n + count, D] float32.

    Its file in ``folder`` has no name: it is removed when the array is freed or the process ends, however
    that happens. Raises WorkbenchError if the disk has too little room or the folder cannot be written.
    """
    n, dimensions = vectors.shape
    needed = 4 * (n + count) * dimensions
    drawn = draw(vectors, count, seed, math.inf)
    subject = f"{count:,} synthetic distractors take {needed / 1e9:,.1f} GB in {str(folder)!r}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(folder).free) < needed:
            raise WorkbenchError(
                f"{subject}, where {free / 1e9:,.1f} GB are free; take fewer, or another cache"
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            # Written, not mapped: a full disk then raises an error instead of killing the process.
            for start in range(0, n, _ROWS):
                file.write(np.ascontiguousarray(vectors[start : start + _ROWS], np.float32).data)
            written = 0
            for chunk in drawn:
                progress("drawing distractors", written, count)
                file.write(chunk.data)
                written += len(chunk)
            file.flush()
            progress("drawing distractors", written, count)
            return np.memmap(file, np.float32, "r+", shape=(n + count, dimensions))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        why = "it is full" if full else error.strerror or str(error)
        raise WorkbenchError(f"{subject}, which failed ({why}); take fewer, or another cache") from None
