"""The cells of inverted indexes: how evenly they are filled, and how much of the database a query reads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.search.inspection import imbalance, searched_cells
from workbench.search.ranking import Index


def cell_table(indexes: Mapping[str, Index], queries: np.ndarray) -> Table:
    """A row for each index: index, cells, empty, fullest, imbalance and compared.

    ``empty`` counts cells without an image, ``fullest`` is the number of images in the largest cell,
    ``imbalance`` as of ``CellStatistics``, and ``compared`` the share of the images that a query is compared
    with, the mean over the queries [Q, D]. Raises WorkbenchError if an index has no cells.
    """
    rows = []
    for name, index in indexes.items():
        searched = searched_cells(index, queries)
        if searched is None:
            raise WorkbenchError(f"{name!r} has no cells; valid: ivf:64, imi:3, ivf:64,pq:16 and so on")
        sizes, cells = searched
        compared = sizes[cells].sum(1).mean() / max(1, index.size)
        empty, fullest = int((sizes == 0).sum()), int(sizes.max())
        rows.append((name, len(sizes), empty, fullest, imbalance(sizes), float(compared)))
    return Table(rows, columns=["index", "cells", "empty", "fullest", "imbalance", "compared"])
