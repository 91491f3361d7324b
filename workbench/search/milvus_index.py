"""A database in a Milvus server, searched there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self
from urllib.parse import quote_from_bytes

import numpy as np

from workbench.config.errors import WorkbenchError
from workbench.config.index_server import IndexServer
from workbench.config.steps import Step
from workbench.search import milvus_client
from workbench.search.milvus_client import answering
from workbench.search.probing import probing_steps
from workbench.search.ranking import IndexTraits, Ranking, sorted_ranking

MOST_RESULTS = 16_384  # that Milvus returns for a query
CANDIDATES = 10_000  # of a graph, if the whole ranking is wanted, as in memory
SERVED = "exact, ivf:N, ivf:N,pq:M, hnsw:M, diskann"
_UNINDEXED = 1024  # vectors of a segment that Milvus searches without its index
_ANSWER_ROWS = 200_000  # of results in one answer
CALL_SECONDS = 30  # for one call; whole, as a client of version 2.4 otherwise tries again for minutes
LONG_SECONDS = 600  # to load a collection, or to store what was sent
_LINKS = 40  # candidates while a graph is built, as FAISS does
CENTROID_BITS = 8  # bits of a sub-vector's code


@dataclass(frozen=True)
class MilvusIndex(IndexTraits):
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
    selects_ties: ClassVar[bool] = True
    own_memory: ClassVar[bool] = False

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
        return 4 * self.dimensions * (self.cell_count + 2**CENTROID_BITS * (self.centroids > 0))

    @property
    def cell_count(self) -> int:
        return next((int(step.args[0]) for step in self.steps if step.name == "ivf"), 0)

    @property
    def graph(self) -> bool:
        return bool(self.steps) and self.steps[0].name in ("hnsw", "diskann")

    @property
    def reach(self) -> int:
        return min(self.size, max(self.probes, CANDIDATES) if self.graph else MOST_RESULTS)

    @property
    def centroids(self) -> int:
        return 2**CENTROID_BITS * any(step.name == "pq" for step in self.steps)

    @property
    def served_by(self) -> str:
        return str(self.server)

    @property
    def versions(self) -> dict[str, str]:
        return {"milvus": self.version}

    def probing(self, probes: int) -> Self:
        return replace(self, steps=probing_steps(self.steps, probes), probes=probes)

    @property
    def note(self) -> str:
        """What answered, shown beside every number."""
        kind = index_kind(self.steps)[0]
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
                return client.search(self.collection, timeout=CALL_SECONDS, **question)
            except MilvusException as error:
                if "not loaded" not in str(error):
                    raise
            # The server was started again, or someone released the collection.
            client.load_collection(self.collection, timeout=LONG_SECONDS)
            return client.search(self.collection, timeout=CALL_SECONDS, **question)

    def _ranking(self, answer: Any) -> Ranking:
        rows = np.array([self._row_of.get(_key_of(hit), -1) for hit in answer], np.int64)
        scores = np.array([hit["distance"] for hit in answer], np.float32)
        _, first = np.unique(rows, return_index=True)
        return sorted_ranking(rows[first], scores[first])

    @cached_property
    def keys(self) -> list[str]:
        return [key(image) for image in self.ids]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.keys)}


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


def index_kind(steps: Sequence[Step]) -> tuple[str, dict[str, int]]:
    """The name and the parameters of an index in Milvus."""
    named = {step.name: step for step in steps}
    if "ivf" in named:
        parameters = {"nlist": int(named["ivf"].args[0])}
        if "pq" not in named:
            return "IVF_FLAT", parameters
        return "IVF_PQ", {**parameters, "m": int(named["pq"].args[0]), "nbits": CENTROID_BITS}
    if "hnsw" in named:
        return "HNSW", {"M": int(named["hnsw"].args[0]), "efConstruction": _LINKS}
    return ("DISKANN", {}) if "diskann" in named else ("FLAT", {})


def _key_of(hit: Any) -> str:
    return str(hit["id"] if "id" in hit else hit["image"])
