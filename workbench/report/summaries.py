"""Results as HTML without script: the numbers and notes that a notebook shows beside the figure."""

from __future__ import annotations

from functools import singledispatch

from workbench.report.markup import escape


@singledispatch
def summary(result: object) -> str:
    """The HTML of a result; a kind of result without a summary of its own is shown as its text."""
    return f"<pre>{escape(result)}</pre>"
