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
from workbench.evaluation.measures_text import distinct_notes, measured, percent
from workbench.report.markup import escape

_NUMBER = "padding: 2px 0 2px 12px; text-align: right; font-variant-numeric: tabular-nums"
_NAME = "padding: 2px 0; text-align: left; min-width: 18em; max-width: 48em; overflow-wrap: anywhere"


def evaluation_summary(evaluation: Evaluation) -> str:
    """The pipeline, its measures, the protocol, the notes and the costs."""
    metrics, costs = evaluation.metrics, evaluation.costs
    used = []
    if "localisation" in metrics:
        even = percent(metrics["localisation_even"])
        used.append(f"heat on target {percent(metrics['localisation'])} % (evenly spread: {even} %)")
    if costs:
        used.append(f"{costs['bytes']:,.0f} bytes an image")
        used.append(f"{costs['milliseconds']:.2f} ms a query")
    lines = [
        f"<code>{escape(evaluation.pipeline)}</code> on {escape(evaluation.collection)}",
        f"<strong>{escape(measured(evaluation))}</strong>",
        escape(" · ".join(used)),
        escape(_protocol(evaluation)),
        *_warnings(evaluation.warnings),
    ]
    return _block(lines)


def comparison_summary(comparison: Comparison) -> str:
    """A row of measures for each pipeline, the notes, and the differences from the first pipeline."""
    evaluations = comparison.evaluations
    if not evaluations:
        return _block(["There is no pipeline in this comparison."])
    table, first = cells(evaluations), evaluations[0]
    costs = [getattr(evaluation, "costs", {}) for evaluation in evaluations]
    titles = ["pipeline", *table.titles, "queries", "bytes/image", "ms/query"]
    rows = [
        [
            f"<code>{escape(name)}</code>",
            *values,
            escape(judged_text(evaluation.provenance).removesuffix(" queries")),
            f"{cost['bytes']:,.0f}" if cost else "",
            f"{cost['milliseconds']:.2f}" if cost else "",
        ]
        for name, values, evaluation, cost in zip(
            table.pipelines, table.rows(escape, "<strong>%s</strong>"), evaluations, costs, strict=True
        )
    ]
    differences = [
        escape(comparison.difference(0, number).sentence(shortened(evaluation.pipeline)))
        for number, evaluation in enumerate(evaluations)
        if number
    ]
    if differences:
        differences.insert(0, f"Compared with <code>{escape(shortened(first.pipeline))}</code>:")
    return _table(titles, rows) + _block(
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
    return _block([escape(scores)]) + _table(titles, rows) + _block(_warnings(scores.warnings))


def factors_summary(factors: ApFactors) -> str:
    """The number of positives, what is known of them, and the notes."""
    return _block([escape(factors), *_warnings(factors.warnings)])


def _protocol(evaluation: Any) -> str:
    protocol = PROTOCOLS[evaluation.protocol]
    return f"Protocol: {protocol.title}; AP by the {protocol.variant} rule; {protocol.note}"


def _warnings(notes: Iterable[str]) -> list[str]:
    return [f"⚠ {escape(note)}" for note in dict.fromkeys(notes)]


def _block(lines: Iterable[str]) -> str:
    paragraphs = (f'<div style="overflow-wrap: anywhere">{line}</div>' for line in lines if line)
    return f'<div style="margin: 4px 0; line-height: 1.5">{"".join(paragraphs)}</div>'


def _table(titles: list[str], rows: list[list[str]]) -> str:
    """A table of HTML cells; the first column is text, the others are numbers."""
    head = "".join(
        f'<th scope="col" style="{_NUMBER if number else _NAME}; vertical-align: bottom">{escape(title)}</th>'
        for number, title in enumerate(titles)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_NUMBER if number else _NAME}">{cell}</td>' for number, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    table = f'<table style="border-collapse: collapse; line-height: 1.5"><tr>{head}</tr>{body}</table>'
    return f'<div style="overflow-x: auto">{table}</div>'
