"""The inverted file of ASMK: the sums of residuals of a collection, cached on disk, and their search."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from safetensors.numpy import load_file, save

from workbench.common.checksums import intact, sealed
from workbench.common.damage import DAMAGE
from workbench.common.files import replace_file
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.local import asmk
from workbench.local.asmk import Kernel, Postings, Sums
from workbench.local.features import LocalFeatures
from workbench.local.vocabulary import MOST_BYTES, VisualWords
from workbench.search.exact import rankings
from workbench.search.ranking import IndexTraits, Ranking


@dataclass(frozen=True)
class AsmkIndex(IndexTraits):
    """A collection in sums of residuals by word, searched by a kernel; ``words`` are the vocabulary.

    Queries are local features in place of vectors. Search is exact: an image without any word of the query
    scores zero. ``repaired``: the stored sums were damaged and have been computed again.
    """

    words: VisualWords
    kernel: Kernel
    postings: Postings
    repaired: bool = False
    name: ClassVar[str] = "inverted file"
    compares_features: ClassVar[bool] = True

    @property
    def size(self) -> int:
        return len(self.postings.counts)

    @property
    def exhaustive(self) -> Self:
        return self

    @property
    def bytes(self) -> float:
        return (self.postings.codes.nbytes + self.postings.images.nbytes) / max(1, self.size)

    @property
    def shared_bytes(self) -> int:
        return int(self.words.centroids.nbytes + self.postings.starts.nbytes)

    @property
    def kernel_arguments(self) -> dict[str, float | str]:
        """What is noted of the kernel and of the inverted file with every number."""
        return {
            "sums": "binary" if self.kernel.binary else "full",
            "alpha": self.kernel.alpha,
            "tau": self.kernel.tau,
            "words of a query's keypoint": asmk.ASSIGNED,
            "words an image": round(float(self.postings.counts.mean()), 1),
            "bytes a word": self.postings.codes.itemsize * self.postings.codes.shape[1]
            + self.postings.images.itemsize,
        }

    def sums(self, features: LocalFeatures) -> Sums:
        """The sums of a query, each of whose keypoints belongs to several words."""
        assigned = self.words.nearest(features, asmk.ASSIGNED)
        return asmk.aggregate(features.descriptors, assigned, self.words.centroids, self.kernel.binary)

    def similarities(self, queries: Sequence[LocalFeatures]) -> np.ndarray:
        """Scores float32 [Q, N] of queries with all images."""
        dimensions = self.words.centroids.shape[1]
        found = (asmk.scores(self.sums(query), self.postings, self.kernel, dimensions) for query in queries)
        return np.array([*found], np.float32).reshape(-1, self.size)

    def search(self, queries: Sequence[LocalFeatures], k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` (None: all) images for each query."""
        return [ranking for query in queries for ranking in rankings(self.similarities([query]), k)]


def asmk_index(
    words: VisualWords,
    kernel: Kernel,
    count: int,
    read: Callable[[], Iterable[tuple[int, LocalFeatures]]],
    cache: Path,
    progress: Progress = silent,
) -> AsmkIndex:
    """The index of the first ``count`` pictures; ``read`` yields (position, features).

    The sums are cached on disk, for all alpha and tau. Raises WorkbenchError if they do not fit into memory.
    """
    dimensions = words.centroids.shape[1]
    most = int(words.starts[count]) * (4 + (dimensions / 8 if kernel.binary else 4 * dimensions))
    if most > MOST_BYTES:
        remedy = "take a part of the images" if kernel.binary else "use asmk, which takes a few percent of it"
        raise WorkbenchError(
            f"sums of residuals of {count:,} images take up to {most / 1e9:.1f} GB; {remedy}"
        )
    kind = "asmk" if kernel.binary else "asmk-full"
    path = cache / "words" / f"{words.fingerprint}-{count}.{kind}"
    postings = _read(path, words, count, kernel.binary)
    repaired = postings is None and path.exists()
    if postings is None:
        postings = _build(words, count, read, kernel.binary, progress)
        with contextlib.suppress(WorkbenchError):  # an unwritable cache costs time, not the sums
            replace_file(path, b"".join(sealed(save(postings._asdict()))))
    return AsmkIndex(words, kernel, postings, repaired)


def _build(
    words: VisualWords,
    count: int,
    read: Callable[[], Iterable[tuple[int, LocalFeatures]]],
    binary: bool,
    progress: Progress,
) -> Postings:
    no_keypoints = np.zeros((0, words.centroids.shape[1]), np.float32), np.zeros((0, 1), np.int32)
    sums = [asmk.aggregate(*no_keypoints, words.centroids, binary)] * count
    for completed, (row, features) in enumerate(read()):
        progress("adding up residuals of keypoints", completed, count)
        sums[row] = asmk.aggregate(features.descriptors, words.of(row)[:, None], words.centroids, binary)
    return asmk.invert(sums, len(words.centroids))


def _read(path: Path, words: VisualWords, count: int, binary: bool) -> Postings | None:
    """Read cached sums; None if they are missing or damaged: they are computed again."""
    try:
        if not intact(path):
            return None
        starts, images, codes, counts = postings = Postings(**load_file(path))
        types = tuple(array.dtype for array in postings)
        width = -(-words.centroids.shape[1] // 64) if binary else words.centroids.shape[1]
        shapes = (len(words.centroids) + 1,), (len(images),), (len(images), width), (count,)
        if types != (np.int64, np.int32, np.uint64 if binary else np.float32, np.int32):
            return None
        if tuple(array.shape for array in postings) != shapes:
            return None
        if starts[0] != 0 or starts[-1] != len(images) or (np.diff(starts) < 0).any():
            return None
        if images.min(initial=0) < 0 or (np.bincount(images, minlength=count) != counts).any():
            return None
        if not binary and not np.isfinite(codes).all():
            return None
    except DAMAGE:
        return None
    return postings
