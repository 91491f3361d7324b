"""Sums of contributions as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.common.rounding import DIGITS, signed
from workbench.config.printable import printable

if TYPE_CHECKING:
    from workbench.explain.one import Evidence
    from workbench.explain.score import Explanation
    from workbench.explain.sums import Line, Sum


def value_text(line: Line) -> str:
    """The value of a line with its sign; that of the whole has a sign only if it is negative."""
    if line.kind == "whole":
        return f"{line.shown:.{DIGITS}f}".replace("-", "−")
    return signed(line.shown)


def share_text(line: Line, total: Sum) -> str:
    """The share of the whole that a line has, in percent; empty if the whole is zero."""
    share = total.share(line.value)
    return "" if math.isnan(share) else f"{100 * share:.1f} %"


def description(title: str, why: Explanation | Evidence) -> str:
    """A score and its sums by group, as a few lines of text."""
    total = why.sum()
    of = f" of {printable(why.subject)}" if why.subject else ""
    query = f" for the query {printable(why.pictures[0].name)}" if why.pictures else ""
    pipeline = f", {printable(why.pipeline)}" if why.pipeline else ""
    rows = [(str(name) or total.unit, value) for name, value in total.groups.items()]
    rows += [("constant", why.constant)] if why.constant else []
    width = max((len(name) for name, _ in rows), default=0)
    lines = [f"  {name:<{width}}  {value:+.{DIGITS}f}" for name, value in rows]
    notes = [f"  note: {warning}" for warning in why.warnings]
    return "\n".join([f"{title}: score {why.score:.3f}{of}{query}{pipeline}", *lines, *notes])
