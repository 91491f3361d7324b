"""An evaluation of instance search in videos as HTML without script."""

from __future__ import annotations

from workbench.engine.moment_evaluation import MomentEvaluation
from workbench.report.markup import escape, paragraph


def moment_summary(evaluation: MomentEvaluation) -> str:
    """The pipeline, its measures, what they are of, and the notes."""
    measured, *about = evaluation.lines()
    return paragraph(
        [
            f"<code>{escape(evaluation.pipeline)}</code> on {escape(evaluation.collection)}",
            f"<strong>{escape(measured)}</strong>",
            *map(escape, about),
            *(f"⚠ {escape(note)}" for note in evaluation.warnings),
        ]
    )
