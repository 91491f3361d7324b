"""Events and their recounting as HTML: the intervals with their scores, the moments, and the sum."""

from __future__ import annotations

from workbench.analysis.events import Events
from workbench.analysis.recounting import Recounting
from workbench.collections.video.moment import clock, seconds_of
from workbench.common.picture_bytes import jpeg
from workbench.common.rounding import signed
from workbench.config.errors import WorkbenchError
from workbench.figures.recounting import drawn_cells
from workbench.report.explanation_summary import sum_table
from workbench.report.markup import escape, paragraph, picture, table
from workbench.report.pictures import heat_picture

_ROWS = 30  # of a table
_SIDE = 240  # pixels of a picture's longer side


def events_summary(result: Events) -> str:
    """The query, how events were decided, the notes, and a row for each event."""
    lines = [
        f"<b>Events {escape(result.title)}</b>",
        f"for the query <code>{escape(result.query)}</code>" if result.name else "",
        escape(result.sentence),
        f"<code>{escape(result.pipeline)}</code>",
        *(f"⚠ {escape(warning)}" for warning in result.warnings),
    ]
    rows = [
        [escape(video), clock(start), clock(end), f"{score:.2f}", clock(seconds_of(peak))]
        for video, start, end, score, peak in result.table.head(_ROWS).itertuples(index=False, name=None)
    ]
    more = len(result.table) - _ROWS
    rest = paragraph([f"{more:,} more rows in <code>.table</code>"]) if more > 0 else ""
    listed = table(["video", "from", "to", "score", "highest at"], rows) if rows else ""
    return paragraph(lines) + listed + rest


def recounting_summary(result: Recounting) -> str:
    """The decision, and what each moment adds."""
    lines = [
        f"<b>Event {escape(result.title)}</b> in {escape(result.video)}",
        escape(result.sentence),
        f"<code>{escape(result.pipeline)}</code>",
    ]
    shown = result.moments.head(_ROWS)
    rows = [
        [clock(seconds), f"{weight:.3f}", f"{score:.3f}", signed(contribution)]
        for _, seconds, weight, score, contribution in shown.itertuples(index=False, name=None)
    ]
    rows.append(["all moments", "", "", f"<b>{signed(result.score)}</b>"])
    more = len(result.moments) - len(shown)
    rest = paragraph([f"{more:,} more rows in <code>.moments</code>"]) if more > 0 else ""
    return paragraph(lines) + table(["moment", "weight", "score", "adds"], rows) + rest


def recounting_still(result: Recounting) -> str:
    """The moments that add most under the heat of their cells, and the sum over parts."""
    cells = drawn_cells(result)
    heated = ""
    if cells:
        quantity = f"contribution of a cell to the score {result.score:.3f}"
        try:
            shown = heat_picture(
                [part.picture for part in cells], [part.heatmap for part in cells], quantity, side=_SIDE
            )
            heated = paragraph([picture(jpeg(shown), f"moments of {result.title} under their heat")])
        except WorkbenchError as error:
            heated = paragraph([escape(error)])
    return heated + sum_table(result.sum())
