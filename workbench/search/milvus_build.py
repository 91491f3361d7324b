"""Fill a collection of a Milvus server in batches, which an interrupted run continues; build the index."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.config.index_server import IndexServer
from workbench.config.steps import Step
from workbench.search import milvus_client
from workbench.search.milvus_client import answering
from workbench.search.milvus_index import (
    CALL_SECONDS,
    LONG_SECONDS,
    MOST_RESULTS,
    MilvusIndex,
    check_served,
    index_kind,
)

PARTITION = "distractors"  # the images that other folders, or random numbers, add to a collection
_VERSION = 1  # of the collections that are made here
_BATCH_BYTES = 2**22  # of vectors that are sent at a time; a message holds 64 MB
_IDLE_SECONDS = 120.0  # without progress of an index, after which it is given up


def build(
    server: IndexServer,
    steps: Sequence[Step],
    vectors: np.ndarray,
    ids: Sequence[str],
    distractors: np.ndarray,
    fingerprint: str,
    progress: Progress = silent,
) -> MilvusIndex:
    """Store unit vectors [N, D] float32 on a server, build the index there, and return it.

    ``distractors`` bool [N] are stored in a partition of their own; ``fingerprint`` names the collection.
    What an interrupted run has stored is kept. Raises WorkbenchError if the steps are not available there,
    the server does not answer, or a collection of that name has another version, metric or dimension.
    """
    check_served(steps)
    if not np.isfinite(vectors).all():
        raise WorkbenchError("a vector is not finite: an index of it would find nothing")
    if any(step.name == "pq" and vectors.shape[1] % int(step.args[0]) for step in steps):
        raise WorkbenchError(
            f"index {','.join(map(str, steps))}: {vectors.shape[1]} dimensions do not divide into equal parts"
        )
    version = milvus_client.version(server)
    probes = int(steps[0].args[1]) if steps and len(steps[0].args) > 1 else 0
    index = MilvusIndex(
        tuple(steps), server, version, f"workbench_{fingerprint}", tuple(ids), vectors.shape[1], probes
    )
    if _count(index) != index.size:
        _fill(index, vectors, distractors, progress)
    return index


def _description(steps: Sequence[Step]) -> str:
    kind, parameters = index_kind(steps)
    return f"Retrieval Workbench, version {_VERSION}: {kind} {parameters}"


def _count(index: MilvusIndex) -> int:
    """The number of stored vectors of a complete or interrupted collection, loaded; 0 if there is none.

    Raises WorkbenchError if a collection of that name is another one.
    """
    server, name = index.server, index.collection
    with answering(server, "looking at its collections"):
        client = milvus_client.client(server)
        if not client.has_collection(name, timeout=CALL_SECONDS):
            return 0
        about = client.describe_collection(name, timeout=CALL_SECONDS)
        indexed = client.list_indexes(name, timeout=CALL_SECONDS)
        built = client.describe_index(name, "vector", timeout=CALL_SECONDS) if indexed else {}
    dimensions = next(
        (int(entry["params"].get("dim", 0)) for entry in about["fields"] if entry["name"] == "vector"), 0
    )
    kind = index_kind(index.steps)[0]
    different = [
        f"{what} is {value}, not {wanted}"
        for what, value, wanted in (
            ("description", about.get("description"), _description(index.steps)),
            ("dimension", dimensions, index.dimensions),
            ("metric", built.get("metric_type", "IP"), "IP"),
            ("index", built.get("index_type", kind), kind),
        )
        if value != wanted
    ]
    if different:
        raise WorkbenchError(
            f"the collection {name} of the index server {server} was not made by this version: its "
            f"{' and its '.join(different)}; drop it there and run again"
        )
    if not built:  # a run was killed before it had the index made
        return 0
    with answering(server, "counting its vectors"):
        client.load_collection(name, timeout=LONG_SECONDS)
        # The default level of these collections sees all that was stored before.
        rows = client.query(name, filter="", output_fields=["count(*)"], timeout=CALL_SECONDS)
    return int(rows[0]["count(*)"])


def _fill(index: MilvusIndex, vectors: np.ndarray, distractors: np.ndarray, progress: Progress) -> None:
    """Store the vectors that are missing, and wait until the server has built the index of all."""
    for _ in range(2):
        stored = set() if _create(index) else _stored_keys(index)
        _insert(index, vectors, distractors, stored, progress)
        count = _count(index)
        if count == index.size:
            return
        # Some images are there twice, by two processes on two machines.
        with answering(index.server, "removing a collection"):
            milvus_client.client(index.server).drop_collection(index.collection, timeout=CALL_SECONDS)
    raise WorkbenchError(
        f"the index server {index.server} holds {count} of {index.size} vectors after they were stored twice"
    )


def _create(index: MilvusIndex) -> bool:
    """Make the collection, or what an interrupted run has not made of it. Returns whether it is new."""
    from pymilvus import DataType, MilvusClient

    kind, parameters = index_kind(index.steps)
    with answering(index.server, "making a collection"):
        client, name = milvus_client.client(index.server), index.collection
        new = not client.has_collection(name, timeout=CALL_SECONDS)
        if new:
            schema = MilvusClient.create_schema(
                auto_id=False, enable_dynamic_field=False, description=_description(index.steps)
            )
            schema.add_field("image", DataType.VARCHAR, is_primary=True, max_length=65_535)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=index.dimensions)
            client.create_collection(name, schema=schema, consistency_level="Strong", timeout=CALL_SECONDS)
        if not client.has_partition(name, PARTITION, timeout=CALL_SECONDS):
            client.create_partition(name, PARTITION, timeout=CALL_SECONDS)
        if not client.list_indexes(name, timeout=CALL_SECONDS):
            indexes = client.prepare_index_params()
            indexes.add_index("vector", index_type=kind, metric_type="IP", params=parameters)
            client.create_index(name, indexes, timeout=CALL_SECONDS)
    return new


def _insert(
    index: MilvusIndex, vectors: np.ndarray, distractors: np.ndarray, stored: set[str], progress: Progress
) -> None:
    """Send the vectors whose keys are not ``stored``, and wait for the index of all."""
    client, name, keys = milvus_client.client(index.server), index.collection, index.keys
    missing = np.array([row for row, name in enumerate(keys) if name not in stored], np.int64)
    done, together = index.size - len(missing), max(1, _BATCH_BYTES // (4 * index.dimensions))
    for partition, rows in (
        (None, missing[~distractors[missing]]),
        (PARTITION, missing[distractors[missing]]),
    ):
        for start in range(0, len(rows), together):
            progress("sending vectors to the index server", done, index.size)
            batch = rows[start : start + together].tolist()
            data = [{"image": keys[row], "vector": vectors[row]} for row in batch]
            with answering(index.server, f"sending vectors: {done} of {index.size} are stored"):
                client.insert(name, data, partition_name=partition, timeout=CALL_SECONDS)
            done += len(batch)
    with answering(index.server, "storing vectors"):
        client.flush(name, timeout=LONG_SECONDS)
    _wait_for_index(index, progress)


def _stored_keys(index: MilvusIndex) -> set[str]:
    """The keys of the images that an interrupted run has stored."""
    with answering(index.server, "reading which images it holds"):
        client = milvus_client.client(index.server)
        client.load_collection(index.collection, timeout=LONG_SECONDS)
        iterator = client.query_iterator(
            index.collection, batch_size=MOST_RESULTS // 2, output_fields=["image"], timeout=CALL_SECONDS
        )
        keys: set[str] = set()
        while batch := iterator.next():
            keys.update(row["image"] for row in batch)
        iterator.close()
    return keys


def _wait_for_index(index: MilvusIndex, progress: Progress) -> None:
    """Wait until the server has built the index. Raises WorkbenchError if it fails, or makes no progress."""
    client, last, since = milvus_client.client(index.server), -1, time.monotonic()
    while True:
        with answering(index.server, "building the index"):
            state = client.describe_index(index.collection, "vector", timeout=CALL_SECONDS)
        done, pending = int(state.get("indexed_rows", 0)), int(state.get("pending_index_rows", 0))
        progress("building the index on the server", done, done + pending)
        if state.get("state") == "Failed":
            reason = state.get("index_state_fail_reason") or "its log says why"
            raise WorkbenchError(f"the index server {index.server} cannot build {index.name}: {reason}")
        if state.get("state") == "Finished" and not pending:
            return
        if done != last:
            last, since = done, time.monotonic()
        elif time.monotonic() - since > _IDLE_SECONDS:
            raise WorkbenchError(
                f"the index server {index.server} has not gone on with the index {index.name} for "
                f"{_IDLE_SECONDS:.0f} s (an embedded server has no DISKANN): see its log, or choose another"
            )
        time.sleep(0.2)
