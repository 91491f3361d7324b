"""The graded images of each query of a collection, as rows of its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from workbench.collections.collection import Collection, Query
from workbench.collections.protocols import Protocol
from workbench.collections.same_label import SameLabel
from workbench.evaluation.grades import SELF, Graded, image_grades


class GradedQueries(Sequence[Graded]):
    """The graded images of each query, made when they are read; the rows of a label are found once.

    ``row_of`` maps the images of the database to their rows. Raises WorkbenchError when a query with a grade
    without a meaning under the protocol is read.
    """

    def __init__(self, collection: Collection, row_of: Mapping[str, int], protocol: Protocol) -> None:
        self._queries, self._relevance = collection.queries, collection.relevance
        self._row_of, self._protocol = row_of, protocol
        self._rows: dict[str, NDArray[np.int64]] = {}  # of each label

    def __len__(self) -> int:
        return len(self._queries)

    @overload
    def __getitem__(self, position: int) -> Graded: ...
    @overload
    def __getitem__(self, position: slice) -> list[Graded]: ...
    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        return self.of(self._queries[position])

    def of(self, query: Query) -> Graded:
        """The graded images of any query that the ground truth knows."""
        if isinstance(self._relevance, SameLabel) and not self._protocol.query_in_database:
            return self._of_label(query, self._relevance)
        row_of = self._row_of
        grades: dict[Any, Any] = {
            row_of[image]: grade for image, grade in self._relevance.get(query.id, {}).items()
        }
        if query.image in row_of:
            grades[SELF] = row_of[query.image]
        return Graded.of(image_grades(grades, self._protocol, query.id))

    def _of_label(self, query: Query, relevance: SameLabel) -> Graded:
        label = relevance.label(query.id)
        rows = self._rows.get(label)
        if rows is None:
            members = relevance.members(label)
            rows = self._rows[label] = np.fromiter(
                (self._row_of[image] for image in members), np.int64, len(members)
            )
        own = self._row_of.get(query.image)
        if own is None:
            return Graded(rows, np.zeros(len(rows), np.int8), ("positive",))
        positives = rows[rows != own]
        codes = np.zeros(len(positives) + 1, np.int8)
        codes[-1] = 1
        return Graded(np.append(positives, own), codes, ("positive", SELF))
