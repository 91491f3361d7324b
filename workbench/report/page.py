"""The comparison of pipelines as a self-contained HTML page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.collections.protocols import PROTOCOLS
from workbench.common.files import write_output
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Comparison
from workbench.evaluation.comparison_export import cells
from workbench.evaluation.judged import judged_text, queries_text
from workbench.evaluation.measures_text import descriptor_text
from workbench.figures.ap_differences import ap_differences
from workbench.figures.mean_aps import mean_aps
from workbench.figures.precision_recall import precision_recall
from workbench.figures.style import Figure
from workbench.report import queries
from workbench.report.frame import document, drawn
from workbench.report.markup import escape
from workbench.report.queries import letter

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

_VARIANTS = {"trapezoid": "area under the curve (trapezoids)", "sum": "mean precision at the positives"}


def write_report(
    bench: Bench, pipelines: Sequence[str], out: Path, progress: Progress = silent, static: bool = False
) -> None:
    """Evaluate pipelines and write their report atomically. Raises WorkbenchError if it cannot be written."""
    write_output(out, page(bench, pipelines, progress, static), "report")


def page(bench: Bench, pipelines: Sequence[str], progress: Progress = silent, static: bool = False) -> str:
    """The report as text, with escaped names; ``static``: without script, figures are pictures.

    Raises WorkbenchError if there is no ground truth.
    """
    names = list(dict.fromkeys(str(Config.parse(pipeline)) for pipeline in pipelines))
    if not names:
        raise WorkbenchError("a report needs a pipeline; name one or more")
    evaluations = [bench.evaluate(name, progress=progress) for name in names]
    comparison = Comparison(evaluations)
    aps = comparison.per_query
    chosen = queries.chosen_queries(aps)
    sections = []
    for done, (query, reason) in enumerate(chosen.items()):
        progress("Writing the report", done, len(chosen))
        sections.append(queries.section(bench, query, reason, aps, progress))
    progress("Writing the report", len(chosen), len(chosen))
    title = f"Image retrieval on {bench.collection.name}"
    body = f"""<h1>{escape(title)}</h1>
{_about(evaluations)}
<h2>Measures</h2>
{_measures(comparison, evaluations)}
<h2>Figures</h2>
{"".join(drawn(figures(evaluations), static))}
<h2>Some queries</h2>
{"".join(sections)}
<h2>Reproduction</h2>
{_reproduction(bench.collection.name, evaluations)}"""
    return document(title, body, static)


def figures(evaluations: Sequence[Evaluation]) -> list[Figure]:
    """The figures of a report: mAPs of several pipelines, the AP of each query, precision over recall."""
    means = [mean_aps(evaluations)] if len(evaluations) > 1 else []
    return [
        *means,
        ap_differences(Comparison(evaluations), 0, 1),
        *(precision_recall(evaluations, setting) for setting in evaluations[0].curves),
    ]


def _about(evaluations: Sequence[Evaluation]) -> str:
    about, protocol = evaluations[0].provenance, PROTOCOLS[evaluations[0].protocol]
    distinct = dict.fromkeys(warning for evaluation in evaluations for warning in evaluation.warnings)
    warnings = "".join(f'<p class="warning">{escape(warning)}</p>' for warning in distinct)
    return f"""<p class="quiet">Retrieval Workbench {escape(about["versions"]["workbench"])},
{datetime.now(UTC):%Y-%m-%d %H:%M} UTC</p>
<p>{about["images"]:,} images, {queries_text(about)}. Protocol: {escape(protocol.title)};
{escape(protocol.note)}. Average precision: {_VARIANTS[protocol.variant]}.</p>
{warnings}"""


def _measures(comparison: Comparison, evaluations: Sequence[Evaluation]) -> str:
    """A row for each pipeline, the best values of a measure in bold; and the differences from the first."""
    shown = cells(evaluations)
    head = "".join(f"<th>{escape(title)}</th>" for title in shown.titles)
    rows = []
    for position, (evaluation, values) in enumerate(
        zip(evaluations, shown.rows(escape, "<b>%s</b>"), strict=True)
    ):
        measures = "".join(f"<td>{value}</td>" for value in values)
        rows.append(
            f"<tr><td>{letter(position)}</td><td>{_code(evaluation.pipeline)}</td>"
            f"{measures}<td>{judged_text(evaluation.provenance).removesuffix(' queries')}</td>"
            f"<td>{evaluation.costs['bytes']:,.0f}</td>"
            f"<td>{evaluation.costs['milliseconds']:.2f}</td></tr>"
        )
    differences = "".join(
        f"<p>Compared with A: {escape(comparison.difference(0, position).sentence(letter(position)))}.</p>"
        for position in range(1, len(evaluations))
    )
    return f"""<div class="wide"><table class="numbers">
<tr><th></th><th>pipeline</th>{head}<th>queries judged</th><th>bytes an image</th><th>ms a query</th></tr>
{"".join(rows)}</table></div>
{differences}"""


def _code(pipeline: str) -> str:
    """A pipeline as HTML, with line breaks allowed between its parts."""
    return f"<code>{escape(pipeline).replace('/', '/<wbr>')}</code>"


def _reproduction(collection: str, evaluations: Sequence[Evaluation]) -> str:
    about = evaluations[0].provenance
    options = ["--size", str(about["size"]), "--precision", about["precision"], "--seed", str(about["seed"])]
    runtime = about.get("runtime", "")
    if runtime and about["device"] == "cpu":
        options += ["--runtime", runtime.split()[0]]
    if about["distractors"]:
        options += ["--distractors", about["distractors"]]
    if "index server" in about:
        options += ["--index-server", about["index server"]]
    pipelines = [evaluation.pipeline for evaluation in evaluations]
    command = shlex.join(["workbench", "evaluate", collection, *pipelines, *options])
    facts = {
        "Device": f"{about['device']}, {runtime}" if runtime else str(about["device"]),
        "Versions": ", ".join(f"{name} {version}" for name, version in about["versions"].items()),
    }
    for position, evaluation in enumerate(evaluations):
        provenance = evaluation.provenance
        words = [f"weights {provenance['weights']}", descriptor_text(provenance)]
        for fitted in provenance["whitening"]:
            words.append(
                f"{fitted['kind']} fitted on {fitted['vectors']:,} vectors of {fitted['collection']}"
            )
        facts[letter(position)] = " · ".join(words)
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f"<p><code>{escape(command)}</code></p><dl>{items}</dl>"
