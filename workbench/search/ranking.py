"""A ranking as a table, the change of ranks between two rankings, and what every index answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from workbench.common.columns import Columns

if TYPE_CHECKING:
    import pandas as pd

    from workbench.search.duplicates import Duplicates


def ranking_table(
    ranking: Ranking,
    ids: Sequence[str],
    relevance: Callable[[str], str],
    k: int | None = None,
    previous: Ranking | None = None,
) -> pd.DataFrame:
    """As ``ranking_columns``, as a DataFrame."""
    return ranking_columns(ranking, ids, relevance, k, previous).table()


def ranking_columns(
    ranking: Ranking,
    ids: Sequence[str],
    relevance: Callable[[str], str],
    k: int | None = None,
    previous: Ranking | None = None,
) -> Columns:
    """List the first ``k`` (None: all) results of ``ranking`` among the images ``ids`` [N], best first.

    Columns: rank (from 1), image_id, score, relevance and, with a ``previous`` ranking, moved:
    the number of positions by which an image rose since, negative where it fell. An image that is
    missing from a ranking counts as placed behind all images in it.
    """
    named = ranking.rows < len(ids)  # synthetic distractors have no name
    rows, scores = ranking.rows[named], ranking.scores[named]
    values: dict[str, Any] = {
        "rank": np.arange(1, len(rows) + 1)[:k],
        "image_id": [ids[row] for row in rows[:k]],
        "score": scores[:k].astype(float),
        "relevance": [relevance(ids[row]) for row in rows[:k]],
    }
    if previous is not None:
        size = len(ids) + int(max(ranking.rows.max(initial=0), previous.rows.max(initial=0)))
        values["moved"] = (ranks(previous, size) - ranks(ranking, size))[rows[:k]]
    return Columns(values)


def ranks(ranking: Ranking, size: int) -> np.ndarray:
    """Return the position of each of ``size`` images, 0 for the best, int64 [size]."""
    positions = np.full(size, len(ranking.rows))
    positions[ranking.rows] = np.arange(len(ranking.rows))
    return positions


class Ranking(NamedTuple):
    """The ranking of one query: rows of the database, best first, int64 [k], and scores float32 [k].

    Scores never increase; ties keep the database's order. Images that the search did not reach are absent.
    """

    rows: np.ndarray
    scores: np.ndarray


class Exhaustive(Protocol):
    """A comparison of a query with all images: rankings are the images sorted by their similarities."""

    @property
    def size(self) -> int: ...

    def similarities(self, queries: Any) -> np.ndarray:
        """Scores float32 [Q, N] of queries [Q, D], or of the local features of each, with all images."""
        ...


class IndexTraits(Protocol):
    """What is asked of an index besides searching; an index inherits the usual answers and states its own."""

    @property
    def size(self) -> int: ...  # number of vectors

    @property
    def exhaustive(self) -> Exhaustive | None:
        """The index itself if it compares a query with all images."""
        return None

    @property
    def duplicates(self) -> Duplicates | None:
        """The rows with the same vector as an earlier row, if the index knows them."""
        return None

    @property
    def graph(self) -> bool:
        """Whether the index is a graph, of which a search sees a list of candidates."""
        return False

    @property
    def cell_count(self) -> int:
        """The number of cells that can be probed; 0 without cells."""
        return 0

    @property
    def probes(self) -> int:
        """Cells probed, or the smallest list of candidates of a graph."""
        return 0

    def probing(self, probes: int) -> Self:
        """The same index, without copying, with another number of probed cells or candidates."""
        return self

    @property
    def reach(self) -> int:
        """The largest number of rows that a search without ``k`` can return."""
        return self.size

    @property
    def selects_ties(self) -> bool:
        """Whether a search for ``k`` rows returns any of those that tie for the last place."""
        return False

    @property
    def centroids(self) -> int:
        """Number of centroids per sub-vector; 0 without product codes."""
        return 0

    def score(self, query: np.ndarray, row: int) -> float | None:
        """The score of a row for a query [D], whichever cell it is in; None if the index cannot tell."""
        return None

    @property
    def compares_features(self) -> bool:
        """Whether queries are local features in place of vectors."""
        return False

    @property
    def kernel_arguments(self) -> dict[str, float | str]:
        """What is noted of the kernel that compares local features; empty without one."""
        return {}

    @property
    def own_memory(self) -> bool:
        """Whether the index holds its bytes in this process, besides the descriptors."""
        return True

    @property
    def note(self) -> str:
        """What is said of the index beside every number; empty if nothing must be said."""
        return ""

    @property
    def served_by(self) -> str:
        """The address of the server that searches; empty if this process does."""
        return ""

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the programs that search besides this package, by their names."""
        return {}


class Index(IndexTraits, Protocol):
    """A database [N, D] searchable by inner product or an approximation of it; higher scores are better."""

    @property
    def name(self) -> str: ...  # the steps that built it, as in ``ivf:64,pq:16``
    @property
    def bytes(self) -> float: ...  # per vector, without the shared bytes
    @property
    def shared_bytes(self) -> int: ...  # centroids, codebooks, rotations

    def search(self, queries: Any, k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` rows (None: all within reach; at least one) for each query [Q, D] float32.

        Queries of an inverted file of local features are the features of each.
        """
        ...


def sorted_ranking(rows: np.ndarray, scores: np.ndarray) -> Ranking:
    """Sort rows [k] by scores [k], best first; rows below zero and NaN scores are dropped."""
    if len(rows) > 1 and scores.dtype == np.float32 and (scores[1:] < scores[:-1]).all() and rows.min() >= 0:
        return Ranking(rows, scores)  # already sorted, as most searches return them
    kept = (rows >= 0) & ~np.isnan(scores)
    rows, scores = rows[kept].astype(np.int64, copy=False), scores[kept].astype(np.float32, copy=False)
    order = np.lexsort((rows, -scores))
    return Ranking(rows[order], scores[order])
