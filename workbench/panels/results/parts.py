"""What each part of a combined query adds to the score of a result, as bars below its picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.panels.formatting import part_name
from workbench.panels.widgets.region import Line, line
from workbench.query.query import Query

MOST_NAMES = 4  # in the line above the results; the tooltip of the bars has all
FEEDBACK = "feedback"  # the column of judged results


class PartColumns:
    """The columns of a ranking with what each part, and feedback, adds to the score; none for one part."""

    def __init__(self, ranking: pd.DataFrame) -> None:
        self.columns = [name for name in ranking.columns if name.startswith("part ") or name == FEEDBACK]
        parts = Query.parse(ranking.attrs["text"]).parts if self.columns else ()
        names = [part_name(part) for part, _ in parts]
        self.names = [*names, *self.columns[len(names) :]]
        self.top = max((float(ranking[name].abs().max()) for name in self.columns), default=0.0) or 1.0

    def bars(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """For each row its ``parts`` as lengths -1…1, on the scale of the ranking, and as text (``said``)."""
        if not self.columns:
            return [{} for _ in range(len(rows))]
        return [
            {
                "parts": np.round(np.nan_to_num(values) / self.top, 3).tolist(),
                "said": [f"{name} {value:+.2f}" for name, value in zip(self.names, values, strict=True)],
            }
            for values in rows[self.columns].to_numpy(float)
        ]

    def legend(self) -> list[Line]:
        """A line with the names of the bars, from left to right; none if there are no bars."""
        if not self.names:
            return []
        more = [f"{len(self.names) - MOST_NAMES} more"] if len(self.names) > MOST_NAMES else []
        return [line(f"Bars: {' · '.join([*self.names[:MOST_NAMES], *more])}", "note", "parts")]
