"""Evaluations and comparisons as HTML without script."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.analysis.ap_factors import ApFactors
from workbench.analysis.score_distributions import ScoreDistributions
from workbench.collections.protocols import PROTOCOLS
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Comparison
from workbench.evaluation.comparison_export import cells
from workbench.evaluation.judged import judged_text
from workbench.evaluation.measures_text import distinct_notes, measured, on_target
from workbench.figures.pipeline_labels import shared_backbone
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
    """A row of measures for each pipeline, the differences from the first, and the notes, by the rows' names.

    What all pipelines begin with is said once, above the table.
    """
    evaluations = comparison.evaluations
    if not evaluations:
        return paragraph(["There is no pipeline in this comparison."])
    shown, first, names = cells(evaluations), evaluations[0], _names(len(evaluations))
    shared = shared_backbone([evaluation.pipeline for evaluation in evaluations])
    costs = [getattr(evaluation, "costs", {}) for evaluation in evaluations]
    titles = ["", "Pipeline", *shown.titles, "Queries", "Bytes/image", "ms/query"]
    rows = [
        [
            f"<strong>{name}</strong>",
            _pipeline(pipeline, shared),
            *values,
            escape(judged_text(evaluation.provenance).removesuffix(" queries")),
            f"{cost['bytes']:,.0f}" if cost else "",
            f"{cost['milliseconds']:.2f}" if cost else "",
        ]
        for name, pipeline, values, evaluation, cost in zip(
            names,
            shown.pipelines,
            shown.rows(escape, "<strong>%s</strong>"),
            evaluations,
            costs,
            strict=True,
        )
    ]
    above = [f"on {escape(first.collection)}"]
    if shared:
        above.append(f"all pipelines begin with <code>{escape(shared)}</code>")
    differences = [
        escape(comparison.difference(0, number).sentence(f"Pipeline {name}"))
        for number, name in enumerate(names)
        if number
    ]
    if differences:
        differences.insert(0, f"Compared with pipeline {names[0]}:")
    notes = _warnings(distinct_notes(evaluations, names))
    return (
        paragraph([f"Comparison {'; '.join(above)}."])
        + table(titles, rows, words=(0, 1))
        + paragraph([*differences, escape(_protocol(first)), *notes])
    )


def _names(count: int) -> list[str]:
    """Short names of the pipelines: A and B, as in the figure, or numbers of more than two."""
    return ["A", "B"][:count] if count <= 2 else [str(number + 1) for number in range(count)]


def _pipeline(pipeline: str, shared: str) -> str:
    """A pipeline without its beginning, which is its title; it can be broken after a slash."""
    rest = escape(pipeline.removeprefix(shared)).replace("/", "/<wbr>")
    return f'<code title="{escape(pipeline)}" style="display: inline-block; min-width: 12em">{rest}</code>'


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
