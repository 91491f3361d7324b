"""Copy detection as HTML without script."""

from __future__ import annotations

from workbench.engine.copy_evaluation import CopyEvaluation
from workbench.engine.frame_alignment import FrameAlignment
from workbench.evaluation.measures_text import percent
from workbench.report.markup import escape, paragraph, table

_ROWS = 20  # segments that are listed


def copies_summary(result: CopyEvaluation) -> str:
    """The measures, and a row for each transformation."""
    shown = ", ".join(f"{name} {percent(result.metrics[name])} %" for name in ("F1", "precision", "recall"))
    lines = [
        f"<b>µAP {percent(result.metrics['µAP'])} %</b>, {shown}",
        escape(f"{result.collection}, {result.pipeline}: {result.queries:,} query videos"),
        f"in {result.false_alarms:,} of {result.negatives:,} query videos without a copy one is reported"
        if result.negatives
        else "",
        *map(escape, result.warnings),
    ]
    rows = [
        [
            escape(row["transformation"]),
            f"{row['copies']:,}",
            percent(row["recall"]),
            f"{row['iou']:.2f}",
            percent(row["average_precision"]),
        ]
        for row in result.transformations.to_dict("records")
    ]
    titles = ["transformation", "copies", "recall %", "IoU", "AP %"]
    return paragraph(lines) + table(titles, rows, words=(0,))


def alignment_summary(result: FrameAlignment) -> str:
    """The videos, and the copied segments in seconds."""
    lines = [
        f"<b>{len(result.segments):,} copied segment{'s' * (len(result.segments) != 1)}</b>",
        escape(f"{result.query} with {result.video}, {result.pipeline}"),
        "the query is mirrored" if result.mirrored else "",
        *map(escape, result.warnings),
    ]
    rows = [
        [f"{row[name]:.1f}" for name in ("query_start", "query_end", "start", "end", "score")]
        for row in result.segments.head(_ROWS).to_dict("records")
    ]
    titles = ["from, s", "to, s", "video from, s", "to, s", "score"]
    return paragraph(lines) + (table(titles, rows) if rows else "")
