"""Arrangements: whether the parts of a query, located in an image, are left of, or above, others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.engine.places import LOCATED, Places
from workbench.query.query import Query


class Arrangement:
    """Check the order of a query's parts in images."""

    def __init__(self, query: Query, places: Places, progress: Progress = silent) -> None:
        self._parts = [part for part, _ in query.parts]
        self._places, self._progress = places, progress

    def check(
        self, operator: str, rows: NDArray[np.int64], sides: Sequence[tuple[list[int], list[int]]]
    ) -> NDArray[np.bool_]:
        """Whether each part at the left side is left of, or right of, above, below, each one at the right
        side: by the centres of their boxes, in each image.

        Raises WorkbenchError if no part at a side has a place.
        """
        placed = [[self._placed(operator, parts) for parts in pair] for pair in sides]
        holds = []
        for done, (row, (first, second)) in enumerate(zip(rows, placed, strict=True)):
            self._progress("locating the parts in images", done, len(rows))
            boxes = np.array(self._places.boxes([self._parts[part] for part in (*first, *second)], int(row)))
            axis = 0 if operator in ("left of", "right of") else 1
            centres = boxes[:, axis] + boxes[:, axis + 2]
            before, after = centres[: len(first)], centres[len(first) :]
            if operator in ("right of", "below"):
                before, after = after, before
            holds.append(before.max() < after.min())
        return np.array(holds, bool)

    def _placed(self, operator: str, parts: list[int]) -> list[int]:
        """Those of a side's parts that have a place."""
        placed = [part for part in parts if self._parts[part].kind in LOCATED]
        if not parts:
            raise WorkbenchError(
                f"{operator!r} compares places, and parts of negative weight have none; give each side a "
                "part of positive weight"
            )
        if not placed:
            part = self._parts[parts[0]]
            raise WorkbenchError(
                f'{operator!r} compares places, and {part} has none; valid: image:NAME, text:"words", '
                "sketch:FILE"
            )
        return placed
