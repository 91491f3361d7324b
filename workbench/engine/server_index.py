"""The index of a described collection on an index server."""

from __future__ import annotations

import contextlib
from hashlib import blake2b

import numpy as np
from filelock import FileLock

from workbench.common.file_lock import acquire
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.index_server import IndexServer
from workbench.config.options import Options
from workbench.engine.description import DescribedCollection
from workbench.search import index_io, milvus_build, milvus_client, milvus_index
from workbench.search.milvus_index import MilvusIndex


def check_index_server(config: Config, options: Options) -> None:
    """Raise WorkbenchError, before any work, where the index server has no such index, or its client is not
    installed."""
    if options.index_server:
        milvus_index.check_served(config.index_steps)
        milvus_client.check_installed()


def served_index(
    config: Config, vectors: np.ndarray, described: DescribedCollection, progress: Progress
) -> MilvusIndex:
    """The index of vectors [N, D] float32 on the options' server, where it is made if it is not there.

    The keys are the ids of the images. Processes of one machine wait for each other.
    """
    options, collection = described.source.options, described.collection
    drawn = range(len(vectors) - len(collection.images))
    ids = [*collection.images, *(f"synthetic distractor {number}" for number in drawn)]
    distractors = np.array([*map(collection.is_distractor, collection.images), *(True for _ in drawn)], bool)
    kind = ",".join(
        f"{step.name}:{step.args[0]:g}" if step.args else step.name for step in config.index_steps
    )
    names = blake2b("\n".join(map(milvus_index.key, ids)).encode(), digest_size=16).hexdigest()
    fingerprint = index_io.fingerprint(vectors, "milvus", kind, names)
    server = IndexServer.parse(options.index_server)
    folder = options.cache / "indexes"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # without a writable cache nobody waits
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{fingerprint}.lock")
            acquire(lock, progress, "fills the index server")
            stack.callback(lock.release)
        return milvus_build.build(
            server, config.index_steps, vectors, ids, distractors, fingerprint, progress
        )
