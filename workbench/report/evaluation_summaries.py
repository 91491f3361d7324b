"""Evaluations and comparisons as HTML without script."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.analysis.ap_factors import ApFactors
from workbench.analysis.score_distributions import ScoreDistributions
from workbench.collections.protocols import PROTOCOLS
from workbench.common.paths import shortened
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Comparison
from workbench.evaluation.comparison_export import cells
from workbench.evaluation.judged import judged_text
from workbench.evaluation.measures_text import distinct_notes, measured, on_target
from workbench.report.markup import escape, paragraph, table


def evaluation_summary(evaluation: Evaluation) -> str:
    """The pipeline, its measures, the protocol, the notes and the costs."""
    costs, used = evaluation.costs, [on_target(evaluation)]
    if costs:
        used.append(f"{costs['bytes']:,.0f} bytes an image")
        used.append(f"{costs['milliseconds']:.2f} ms a query")
    lines = [
        f"<code>{escape(evaluation.pipeline)}</code> on {escape(evaluation.collection)}",
        f"<strong>{escape(measured(evaluation))}</strong>",
        escape(" · ".join(filter(None, used))),
        escape(_protocol(evaluation)),
        *_warnings(evaluation.warnings),
    ]
    return paragraph(lines)


def comparison_summary(comparison: Comparison) -> str:
    """A row of measures for each pipeline, the notes, and the differences from the first pipeline."""
    evaluations = comparison.evaluations
    if not evaluations:
        return paragraph(["There is no pipeline in this comparison."])
    shown, first = cells(evaluations), evaluations[0]
    costs = [getattr(evaluation, "costs", {}) for evaluation in evaluations]
    titles = ["pipeline", *shown.titles, "queries", "bytes/image", "ms/query"]
    rows = [
        [
            f'<div style="min-width: 18em"><code>{escape(name)}</code></div>',
            *values,
            escape(judged_text(evaluation.provenance).removesuffix(" queries")),
            f"{cost['bytes']:,.0f}" if cost else "",
            f"{cost['milliseconds']:.2f}" if cost else "",
        ]
        for name, values, evaluation, cost in zip(
            shown.pipelines, shown.rows(escape, "<strong>%s</strong>"), evaluations, costs, strict=True
        )
    ]
    differences = [
        escape(comparison.difference(0, number).sentence(shortened(evaluation.pipeline)))
        for number, evaluation in enumerate(evaluations)
        if number
    ]
    if differences:
        differences.insert(0, f"Compared with <code>{escape(shortened(first.pipeline))}</code>:")
    return table(titles, rows) + paragraph(
        [*differences, escape(_protocol(first)), *_warnings(distinct_notes(evaluations))]
    )


def scores_summary(scores: ScoreDistributions) -> str:
    """The mean and the quartiles of the scores of each class, their AUC and the notes."""
    rows = [
        [
            str(row.relevance),
            f"{row.scores:,}",
            *("–" if value != value else f"{value:.3f}" for value in row[3:]),
        ]
        for row in scores.table.itertuples()
    ]
    titles = ["relevance", "scores", "mean", "deviation", "lower quartile", "median", "upper quartile"]
    return paragraph([escape(scores)]) + table(titles, rows) + paragraph(_warnings(scores.warnings))


def factors_summary(factors: ApFactors) -> str:
    """The number of positives, what is known of them, and the notes."""
    return paragraph([escape(factors), *_warnings(factors.warnings)])


def _protocol(evaluation: Any) -> str:
    protocol = PROTOCOLS[evaluation.protocol]
    return f"Protocol: {protocol.title}; AP by the {protocol.variant} rule; {protocol.note}"


def _warnings(notes: Iterable[str]) -> list[str]:
    return [f"⚠ {escape(note)}" for note in dict.fromkeys(notes)]
