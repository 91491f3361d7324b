"""Numbers that a user gives, checked."""

from __future__ import annotations

import operator
from typing import Any

from workbench.config.errors import WorkbenchError


def result_count(k: Any) -> int | None:
    """Check a number of results; None stands for all.

    Raises WorkbenchError if it is not a whole number from 1.
    """
    try:
        count = None if k is None else operator.index(k)
    except TypeError:
        count = 0
    if count is not None and count < 1:
        raise WorkbenchError(f"k is {k!r}; it is the number of results, from 1")
    return count
