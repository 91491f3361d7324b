"""Numbers and measures as text, in the form that all panels share."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from workbench.collections.collection import Query
from workbench.collections.protocols import SIGNS
from workbench.collections.uploads import display_name
from workbench.evaluation.measures_text import percent
from workbench.panels.moment_captions import Starts, moment_caption
from workbench.panels.ranking_depth import NOT_REACHED
from workbench.panels.refinement import Question
from workbench.panels.widgets.grid import Figure
from workbench.query.part import Part

CROPPED = "the crop drawn here"  # in place of the box by which the query is evaluated

DRAWING = "drawing.png"  # the name of what is drawn on the canvas
LONGEST_PART = 40  # characters of the name of a part of a query
_DRAWN = {"sketch": "contours of", "colours": "colour layout of"}


def part_name(part: Part) -> str:
    """The name of a part of a query: words in quotes, the name of a picture, or what of a drawing counts."""
    name = f"“{part.value}”" if part.kind == "text" else display_name(part.value)
    if part.kind in _DRAWN:
        name = f"{_DRAWN[part.kind]} {'the drawing' if name == DRAWING else name}"
    return name if len(name) <= LONGEST_PART else f"{name[: LONGEST_PART - 1]}…"


def plural(count: int, singular: str, plural_form: str = "") -> str:
    """A count with its noun: ``1 match``, ``2,000 matches``; the default plural form adds an s."""
    return f"{count:,} {singular if count == 1 else plural_form or singular + 's'}"


def time_left(seconds: float) -> str:
    """A duration: ``8 s``, ``2 min 10 s``, ``1 h 5 min``."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def about(seconds: float) -> str:
    """An estimated duration, rounded up as its uncertainty deserves: ``about 1 s``, ``about 20 min``."""
    if seconds > 5400:
        return f"about {round(seconds / 3600)} h"
    value, unit = (seconds / 60, "min") if seconds > 45 else (seconds, "s")
    steps = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90)
    return f"about {next((step for step in steps if step >= value), steps[-1])} {unit}"


def with_sign(relevance: str) -> str:
    """A relevance after its sign: ``✓ positive``."""
    sign = SIGNS.get(relevance, "")
    return relevance if sign == relevance else f"{sign} {relevance}".strip()


def of_ranking(ranking: pd.DataFrame, ranked: Question, query: Query) -> str:
    """The AP of a ranking, with what its question adds to the query; empty if it is not known."""
    share = ranking.attrs.get("ap")
    if share is None:
        return ""
    if math.isnan(share):
        return "AP of this query not defined: it has no positives"
    added = {
        CROPPED: ranked.box not in (None, query.box),
        "further queries": bool(ranked.also),
        "feedback": ranked.feedback is not None,
    }
    if ranked.expression:
        return f"AP of this query {percent(share)}, by the positives of {ranking.attrs['query']}"
    words = " and ".join(word for word, given in added.items() if given)
    return f"AP of this query {percent(share)}" + (f", with {words}" if words else "")


def figure(row: Any, starts: Starts | None = None, absent: str = NOT_REACHED) -> Figure:
    """A row of a ranking as a figure of a grid, without its picture; ``starts`` are those of known shots, and
    ``absent`` says why it has no rank."""
    moved = int(getattr(row, "moved", 0))
    caption = moment_caption(row.image_id, starts or {})
    return ({"caption": caption} if caption else {}) | {
        "alt": f"rank {row.rank}: {row.image_id}" if row.rank else f"{absent}: {row.image_id}",
        "name": row.image_id,
        "rank": str(row.rank) if row.rank else absent.removesuffix(" by the index"),
        "score": f"{row.score:.3f}" if row.rank else "",
        "relevance": row.relevance,
        "sign": SIGNS.get(row.relevance, ""),
        "moved": f"{'▲' if moved > 0 else '▼'} {abs(moved)}" if moved else "",
    }
