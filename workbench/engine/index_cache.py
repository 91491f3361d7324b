"""Read an index from disk, or build it and save it there if that took long."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.config.steps import CODES, INVERTED, Step
from workbench.search import faiss_index, index_io
from workbench.search.ranking import Index

MIN_SECONDS = 1.0  # an index that took longer to build is saved on disk


def read_or_build(
    steps: Sequence[Step], vectors: np.ndarray, options: Options, progress: Progress
) -> tuple[Index, list[str]]:
    """The index of vectors [N, D] float32, and warnings about a saved file that could not be used.

    The file is named by a fingerprint of the vectors, the steps and the seed.
    """
    progress("building the index", 0, 0)
    warnings = []
    fingerprint = index_io.fingerprint(vectors, ",".join(map(str, steps)), options.seed)
    path: Path = options.cache / "indexes" / f"{fingerprint}.index"
    if path.exists():
        try:
            return index_io.read(path, fingerprint, (len(vectors), vectors.shape[1])), []
        except WorkbenchError as error:
            warnings.append(f"a saved index could not be used and was built again: {error}")
    started = time.perf_counter()
    index = faiss_index.build(steps, vectors, options.seed, progress)
    if time.perf_counter() - started > MIN_SECONDS or path.exists():
        with contextlib.suppress(OSError):  # without a writable cache it is built again next time
            index_io.write(path, index, fingerprint)
    return index, warnings


def index_warnings(config: Config, index: Index) -> Iterator[str]:
    """The warnings about an index and about re-ranking by the ground truth that are shown with measures."""
    for step in config.index_steps:
        if step.name in INVERTED:
            cells = int(step.args[0]) if step.name == "ivf" else 4 ** int(step.args[0])
            yield (
                f"approximate index: {step} searches {int(step.args[1])} of {cells} cells, "
                "and images in other cells count as not found"
            )
        elif index.graph:
            all_others = ", and all others count as not found" if index.reach < index.size else ""
            yield (
                f"approximate index: {step} searches its graph with up to {index.reach} candidates for "
                f"{index.size} images{all_others}"
            )
        elif step.name in CODES:
            yield f"approximate index: scores are of codes by {step}, {index.bytes:g} bytes per image"
    if 0 < index.centroids < 2**faiss_index.BITS:
        of = f"{index.centroids} centroids, not {2**faiss_index.BITS}"
        yield f"codes have {of}: there are too few images for more"
    if index.note:
        yield index.note
    for step in config.reranking_steps:
        if step.name == "nojunk":
            yield "junk was removed by the ground truth before re-ranking, which no user could do"
