"""A database in a Milvus server: filled in batches that an interrupted run continues, and searched there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np

from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.config.index_server import IndexServer
from workbench.config.steps import Step
from workbench.search import milvus_client
from workbench.search.milvus_client import answering
from workbench.search.ranking import Ranking, sorted_ranking

MOST_RESULTS = 16_384  # that Milvus returns for a query
CANDIDATES = 10_000  # of a graph, if the whole ranking is wanted, as in memory
PARTITION = "distractors"  # the images that other folders, or random numbers, add to a collection
SERVED = "exact, ivf:N, ivf:N,pq:M, hnsw:M, diskann"
_UNINDEXED = 1024  # vectors of a segment that Milvus searches without its index
_VERSION = 1  # of the collections that are made here
_BATCH_BYTES = 2**22  # of vectors that are sent at a time; a message holds 64 MB
_ANSWER_ROWS = 200_000  # of results in one answer
_SECONDS = 30  # for one call; whole, as a client of version 2.4 otherwise tries again for minutes
_LONG = 600  # to load a collection, or to store what was sent
_IDLE_SECONDS = 120.0  # without progress of an index, after which it is given up
_LINKS = 40  # candidates while a graph is built, as FAISS does
_CENTROIDS = 8  # bits of a sub-vector's code


@dataclass(frozen=True)
class MilvusIndex:
    """The vectors of ``ids`` [N] in a collection of a Milvus server, by inner product.

    ``steps`` are empty for an exhaustive search. ``probes``: cells probed, or the smallest list of
    candidates of a graph. A search returns at most 16,384 images: all others count as not reached.
    """

    steps: tuple[Step, ...]
    server: IndexServer
    version: str
    collection: str
    ids: tuple[str, ...] = field(repr=False)
    dimensions: int
    probes: int = 0

    @property
    def name(self) -> str:
        return ",".join(map(str, self.steps)) or "exact"

    @property
    def size(self) -> int:
        return len(self.ids)

    @property
    def bytes(self) -> float:
        """Bytes of a vector in the index, by its parameters; the server adds its own to them."""
        named = {step.name: step for step in self.steps}
        if "pq" in named:
            return named["pq"].args[0] + 8
        links = 8 * named["hnsw"].args[0] if "hnsw" in named else 0
        return 4.0 * self.dimensions + links + 8 * ("ivf" in named)

    @property
    def shared_bytes(self) -> int:
        return 4 * self.dimensions * (self.cell_count + 2**_CENTROIDS * (self.centroids > 0))

    @property
    def cell_count(self) -> int:
        """The number of cells that can be probed; 0 without cells."""
        return next((int(step.args[0]) for step in self.steps if step.name == "ivf"), 0)

    @property
    def graph(self) -> bool:
        """Whether the index is a graph, of which a search sees a list of candidates."""
        return bool(self.steps) and self.steps[0].name in ("hnsw", "diskann")

    @property
    def reach(self) -> int:
        """The largest number of images that a search without ``k`` returns."""
        return min(self.size, max(self.probes, CANDIDATES) if self.graph else MOST_RESULTS)

    @property
    def centroids(self) -> int:
        """Number of centroids per sub-vector; 0 without product codes."""
        return 2**_CENTROIDS * any(step.name == "pq" for step in self.steps)

    @property
    def note(self) -> str:
        """What answered, shown beside every number."""
        kind = _index_kind(self.steps)[0]
        about = ""
        if self.reach < self.size and not self.graph:
            about = f", which ranks at most {self.reach:,} images for a query: all others count as not found"
        elif self.steps and self.size < _UNINDEXED:
            about = f", which searches fewer than {_UNINDEXED:,} images exhaustively, without its index"
        return f"searched by {self.server.uri} (Milvus {self.version}, index {kind}){about}"

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` (None: all within reach) for each query [Q, D]. Raises WorkbenchError."""
        limit = min(self.size, MOST_RESULTS, self.reach if k is None else k)
        vectors = np.ascontiguousarray(queries, np.float32)
        rankings: list[Ranking] = []
        for batch in np.array_split(vectors, max(1, -(-len(vectors) * limit // _ANSWER_ROWS))):
            if len(batch):
                rankings += self._search(batch, limit)
        return rankings

    def score(self, query: np.ndarray, row: int) -> float | None:
        """Return the score of a database row for a query [D], whichever cell the row is in; None if the row
        is behind the 16,384 images that the server returns.

        The whole ranking is searched for it: Milvus 2.3 returns scores of other rows for a product code that
        a filter selects.
        """
        (ranking,) = self._search(query[None], min(self.size, MOST_RESULTS), self.cell_count)
        position = np.flatnonzero(ranking.rows == row)
        return float(ranking.scores[position[0]]) if len(position) else None

    def _search(self, queries: np.ndarray, limit: int, probes: int = 0) -> list[Ranking]:
        parameters = (
            {
                "ivf": {"nprobe": probes or self.probes},
                "hnsw": {"ef": max(self.probes, limit)},
                "diskann": {"search_list": max(16, limit)},
            }[self.steps[0].name]
            if self.steps
            else {}
        )
        # What was stored is known to be complete: waiting for the clock of the server adds 0.2 s.
        for consistency in ("Eventually", "Strong"):
            answers = self._answers(
                data=list(queries),
                limit=limit,
                search_params={"metric_type": "IP", "params": parameters},
                consistency_level=consistency,
            )
            if self.steps or all(len(answer) == limit for answer in answers):
                break
        else:
            raise WorkbenchError(
                f"the collection {self.collection} of the index server {self.server} has lost images: drop "
                "it there and run again"
            )
        return [self._ranking(answer) for answer in answers]

    def _answers(self, **question: Any) -> Any:
        client = milvus_client.client(self.server)
        with answering(self.server, "searching"):
            from pymilvus.exceptions import MilvusException

            try:
                return client.search(self.collection, timeout=_SECONDS, **question)
            except MilvusException as error:
                if "not loaded" not in str(error):
                    raise
            # The server was started again, or someone released the collection.
            client.load_collection(self.collection, timeout=_LONG)
            return client.search(self.collection, timeout=_SECONDS, **question)

    def _ranking(self, answer: Any) -> Ranking:
        rows = np.array([self._row_of.get(_key_of(hit), -1) for hit in answer], np.int64)
        scores = np.array([hit["distance"] for hit in answer], np.float32)
        _, first = np.unique(rows, return_index=True)
        return sorted_ranking(rows[first], scores[first])

    @cached_property
    def _keys(self) -> list[str]:
        return [key(image) for image in self.ids]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._keys)}


def key(image: str) -> str:
    """The primary key of an image: its id, or that as a quoted path where it is no valid text."""
    try:
        image.encode()
        return image
    except UnicodeEncodeError:
        return "bytes:" + quote_from_bytes(image.encode(errors="surrogateescape"))


def check_served(steps: Sequence[Step]) -> None:
    """Raise WorkbenchError where Milvus has no index of these steps."""
    names = [step.name for step in steps]
    if names not in ([], ["ivf"], ["ivf", "pq"], ["hnsw"], ["diskann"]):
        raise WorkbenchError(
            f"index {','.join(map(str, steps))} is not available on an index server; valid there: {SERVED}"
        )


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
    kind, parameters = _index_kind(steps)
    return f"Retrieval Workbench, version {_VERSION}: {kind} {parameters}"


def _index_kind(steps: Sequence[Step]) -> tuple[str, dict[str, int]]:
    """The name and the parameters of an index in Milvus."""
    named = {step.name: step for step in steps}
    if "ivf" in named:
        parameters = {"nlist": int(named["ivf"].args[0])}
        if "pq" not in named:
            return "IVF_FLAT", parameters
        return "IVF_PQ", {**parameters, "m": int(named["pq"].args[0]), "nbits": _CENTROIDS}
    if "hnsw" in named:
        return "HNSW", {"M": int(named["hnsw"].args[0]), "efConstruction": _LINKS}
    return ("DISKANN", {}) if "diskann" in named else ("FLAT", {})


def _count(index: MilvusIndex) -> int:
    """The number of stored vectors of a complete or interrupted collection, loaded; 0 if there is none.

    Raises WorkbenchError if a collection of that name is another one.
    """
    server, name = index.server, index.collection
    with answering(server, "looking at its collections"):
        client = milvus_client.client(server)
        if not client.has_collection(name, timeout=_SECONDS):
            return 0
        about = client.describe_collection(name, timeout=_SECONDS)
        indexed = client.list_indexes(name, timeout=_SECONDS)
        built = client.describe_index(name, "vector", timeout=_SECONDS) if indexed else {}
    dimensions = next(
        (int(entry["params"].get("dim", 0)) for entry in about["fields"] if entry["name"] == "vector"), 0
    )
    kind = _index_kind(index.steps)[0]
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
        client.load_collection(name, timeout=_LONG)
        # The default level of these collections sees all that was stored before.
        rows = client.query(name, filter="", output_fields=["count(*)"], timeout=_SECONDS)
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
            milvus_client.client(index.server).drop_collection(index.collection, timeout=_SECONDS)
    raise WorkbenchError(
        f"the index server {index.server} holds {count} of {index.size} vectors after they were stored twice"
    )


def _create(index: MilvusIndex) -> bool:
    """Make the collection, or what an interrupted run has not made of it. Returns whether it is new."""
    from pymilvus import DataType, MilvusClient

    kind, parameters = _index_kind(index.steps)
    with answering(index.server, "making a collection"):
        client, name = milvus_client.client(index.server), index.collection
        new = not client.has_collection(name, timeout=_SECONDS)
        if new:
            schema = MilvusClient.create_schema(
                auto_id=False, enable_dynamic_field=False, description=_description(index.steps)
            )
            schema.add_field("image", DataType.VARCHAR, is_primary=True, max_length=65_535)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=index.dimensions)
            client.create_collection(name, schema=schema, consistency_level="Strong", timeout=_SECONDS)
        if not client.has_partition(name, PARTITION, timeout=_SECONDS):
            client.create_partition(name, PARTITION, timeout=_SECONDS)
        if not client.list_indexes(name, timeout=_SECONDS):
            indexes = client.prepare_index_params()
            indexes.add_index("vector", index_type=kind, metric_type="IP", params=parameters)
            client.create_index(name, indexes, timeout=_SECONDS)
    return new


def _insert(
    index: MilvusIndex, vectors: np.ndarray, distractors: np.ndarray, stored: set[str], progress: Progress
) -> None:
    """Send the vectors whose keys are not ``stored``, and wait for the index of all."""
    client, name, keys = milvus_client.client(index.server), index.collection, index._keys
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
                client.insert(name, data, partition_name=partition, timeout=_SECONDS)
            done += len(batch)
    with answering(index.server, "storing vectors"):
        client.flush(name, timeout=_LONG)
    _wait_for_index(index, progress)


def _stored_keys(index: MilvusIndex) -> set[str]:
    """The keys of the images that an interrupted run has stored."""
    with answering(index.server, "reading which images it holds"):
        client = milvus_client.client(index.server)
        client.load_collection(index.collection, timeout=_LONG)
        iterator = client.query_iterator(
            index.collection, batch_size=MOST_RESULTS // 2, output_fields=["image"], timeout=_SECONDS
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
            state = client.describe_index(index.collection, "vector", timeout=_SECONDS)
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


def _key_of(hit: Any) -> str:
    return str(hit["id"] if "id" in hit else hit["image"])
