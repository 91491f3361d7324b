"""Search an index with more probes where it returns fewer results than are wanted."""

from __future__ import annotations

import numpy as np

from workbench.search.binary_index import CodeIndex
from workbench.search.faiss_index import FaissIndex, with_probes
from workbench.search.milvus_index import MilvusIndex
from workbench.search.ranking import Index, Ranking


def search_at_least(index: Index, queries: np.ndarray, k: int | None) -> list[Ranking]:
    """Rank all rows within reach for queries [Q, D]; with ``k``, at least that many if the index has them.

    Queries with fewer results are searched again with twice the probes, until all cells are probed. A graph
    is searched with ``k`` candidates, not with as many as a whole ranking needs.
    """
    if k is not None and isinstance(index, FaissIndex) and index.graph:
        return index.search(queries, min(index.size, max(k, index.probes)))
    rankings = index.search(queries, k if isinstance(index, MilvusIndex) else None)
    if k is None or not isinstance(index, FaissIndex | CodeIndex) or not index.cell_count:
        return rankings
    probes, wanted = index.probes, min(k, index.size)
    while probes < index.cell_count:
        short = [position for position, ranking in enumerate(rankings) if len(ranking.rows) < wanted]
        if not short:
            break
        probes = min(2 * probes, index.cell_count)
        for position, ranking in zip(short, with_probes(index, probes).search(queries[short]), strict=True):
            rankings[position] = ranking
    return rankings
