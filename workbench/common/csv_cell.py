"""Values as they stand in a CSV that a spreadsheet may open."""

from __future__ import annotations

from typing import Any

import numpy as np

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet computes what begins with one of them


def csv_cell(value: Any) -> Any:
    """A value for a CSV: NaN is empty, and text that would be computed begins with an apostrophe."""
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else repr(float(value))
    if isinstance(value, (int, np.integer)):
        return int(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
