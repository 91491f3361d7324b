"""The comparison of pipelines as a self-contained HTML page, without scripts."""

from __future__ import annotations

import math
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
from workbench.evaluation.judged import judged_text, queries_text
from workbench.report import charts, explanation, queries
from workbench.report.charts import swatch
from workbench.report.markup import escape
from workbench.report.queries import letter

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

_VARIANTS = {"trapezoid": "area under the curve (trapezoids)", "sum": "mean precision at the positives"}
_STYLE = """
h1 { font-size: 26px } h2 { font-size: 19px; margin: 40px 0 8px } h3 { font-size: 15px; margin: 32px 0 8px }
.numbers { width: 100% }
.numbers :is(td, th) { border-bottom: 1px solid var(--line); vertical-align: baseline }
.numbers td { font-variant-numeric: tabular-nums } .numbers :is(td, th):nth-child(2) { text-align: left }
.numbers :is(td, th):last-child { padding-right: 0 } .numbers th { vertical-align: bottom }
:is(td, p, span) svg { display: inline; max-width: none; vertical-align: middle } .wide { overflow-x: auto }
.warning::before { content: "⚠ " } .curves { display: flex; flex-wrap: wrap; gap: 16px }
.curves figure { flex: 1 1 280px; max-width: 460px } .curves figcaption { margin: 0 0 4px 52px }
.numbers td:first-child { white-space: nowrap } .numbers code { font-size: 13px }
.numbers td:nth-child(2) { min-width: 216px } .legend { display: flex; flex-wrap: wrap; gap: 0 24px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px }
dt { color: var(--quiet) } dd { margin: 0; overflow-wrap: anywhere }
@media print { body { max-width: none; margin: 0 } h2 { break-after: avoid } tr, svg { break-inside: avoid } }
"""


def write_report(bench: Bench, pipelines: Sequence[str], out: Path, progress: Progress = silent) -> None:
    """Evaluate pipelines and write their report atomically. Raises WorkbenchError if it cannot be written."""
    write_output(out, page(bench, pipelines, progress), "report")


def page(bench: Bench, pipelines: Sequence[str], progress: Progress = silent) -> str:
    """The report as text, with escaped names. Raises WorkbenchError if there is no ground truth."""
    names = list(dict.fromkeys(str(Config.parse(pipeline)) for pipeline in pipelines))
    if not names:
        raise WorkbenchError("a report needs a pipeline; name one or more")
    evaluations = [bench.evaluate(name, progress=progress) for name in names]
    aps = Comparison(evaluations).per_query
    chosen = queries.chosen_queries(aps)
    sections = []
    for done, (query, reason) in enumerate(chosen.items()):
        progress("Writing the report", done, len(chosen))
        sections.append(queries.section(bench, query, reason, aps, progress))
    progress("Writing the report", len(chosen), len(chosen))
    title = f"Image retrieval on {bench.collection.name}"
    style = explanation.STYLE + charts.STYLE + queries.STYLE + _STYLE
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(title)}</title><style>{style}</style>
<main>
<h1>{escape(title)}</h1>
{_about(evaluations)}
<h2>Measures</h2>
{_measures(evaluations)}
<h2>Query by query</h2>
{_legend(evaluations)}
{charts.query_chart(aps)}
<h2>Precision and recall</h2>
{_legend(evaluations)}
{_curves(evaluations)}
<h2>Some queries</h2>
{"".join(sections)}
<h2>Reproduction</h2>
{_reproduction(bench.collection.name, evaluations)}
</main>
</html>
"""


def _about(evaluations: Sequence[Evaluation]) -> str:
    about, protocol = evaluations[0].provenance, PROTOCOLS[evaluations[0].protocol]
    distinct = dict.fromkeys(warning for evaluation in evaluations for warning in evaluation.warnings)
    warnings = "".join(f'<p class="warning">{escape(warning)}</p>' for warning in distinct)
    return f"""<p class="quiet">Retrieval Workbench {escape(about["versions"]["workbench"])},
{datetime.now(UTC):%Y-%m-%d %H:%M} UTC</p>
<p>{about["images"]:,} images, {queries_text(about)}. Protocol: {escape(protocol.title)};
{escape(protocol.note)}. Average precision: {_VARIANTS[protocol.variant]}.</p>
{warnings}"""


def _measures(evaluations: Sequence[Evaluation]) -> str:
    """A row for each pipeline, the best value of a measure in bold; and the differences from the first."""
    shown = [name for name in evaluations[0].metrics if name.startswith(("mAP", "mP@10", "N-S"))]
    shown += [name for name in ("localisation",) if name in evaluations[0].metrics]
    best = {name: max(evaluation.metrics[name] for evaluation in evaluations) for name in shown}
    head = "".join(f"<th>{_title(name)}</th>" for name in shown)
    rows = []
    for position, evaluation in enumerate(evaluations):
        cells = ""
        for name in shown:
            strong = len(evaluations) > 1 and evaluation.metrics[name] == best[name]
            text = _number(name, evaluation.metrics[name])
            cells += f"<td><b>{text}</b></td>" if strong else f"<td>{text}</td>"
        rows.append(
            f"<tr><td>{swatch(position)} {letter(position)}</td><td>{_code(evaluation.pipeline)}</td>"
            f"{cells}<td>{judged_text(evaluation.provenance).removesuffix(' queries')}</td>"
            f"<td>{evaluation.costs['bytes']:,.0f}</td>"
            f"<td>{evaluation.costs['milliseconds']:.2f}</td></tr>"
        )
    comparison = Comparison(evaluations)
    differences = "".join(
        f"<p>Compared with A: {escape(comparison.difference(0, position).sentence(letter(position)))}.</p>"
        for position in range(1, len(evaluations))
    )
    return f"""<div class="wide"><table class="numbers">
<tr><th></th><th>pipeline</th>{head}<th>queries judged</th><th>bytes an image</th><th>ms a query</th></tr>
{"".join(rows)}</table></div>
{differences}"""


def _curves(evaluations: Sequence[Evaluation]) -> str:
    figures = ""
    for setting in evaluations[0].curves:
        chart = charts.curve_chart(
            {evaluation.pipeline: evaluation.curves[setting] for evaluation in evaluations}
        )
        figures += f'<figure><figcaption class="quiet">{escape(setting)}</figcaption>{chart}</figure>'
    return f"""<div class="curves">{figures}</div>
<p class="quiet">Mean interpolated precision over the queries that have positives.</p>"""


def _legend(evaluations: Sequence[Evaluation]) -> str:
    names = (
        f"<span>{swatch(position)} {letter(position)} {_code(evaluation.pipeline)}</span>"
        for position, evaluation in enumerate(evaluations)
    )
    return f'<p class="legend quiet">{"".join(names)}</p>'


def _code(pipeline: str) -> str:
    """A pipeline as HTML, with line breaks allowed between its parts."""
    return f"<code>{escape(pipeline).replace('/', '/<wbr>')}</code>"


def _reproduction(collection: str, evaluations: Sequence[Evaluation]) -> str:
    about = evaluations[0].provenance
    options = ["--size", str(about["size"]), "--precision", about["precision"], "--seed", str(about["seed"])]
    if about["distractors"]:
        options += ["--distractors", about["distractors"]]
    pipelines = [evaluation.pipeline for evaluation in evaluations]
    command = shlex.join(["workbench", "evaluate", collection, *pipelines, *options])
    facts = {
        "Device": str(about["device"]),
        "Versions": ", ".join(f"{name} {version}" for name, version in about["versions"].items()),
    }
    for position, evaluation in enumerate(evaluations):
        provenance = evaluation.provenance
        words = [f"weights {provenance['weights']}", f"{provenance['dimensions']} dimensions"]
        for fitted in provenance["whitening"]:
            words.append(
                f"{fitted['kind']} fitted on {fitted['vectors']:,} vectors of {fitted['collection']}"
            )
        facts[letter(position)] = " · ".join(words)
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f"<p><code>{escape(command)}</code></p><dl>{items}</dl>"


def _title(measure: str) -> str:
    """The heading of a measure's column."""
    return escape(measure.replace("_", " ") + ("" if measure.startswith("N-S") else " %"))


def _number(measure: str, value: float) -> str:
    """A measure in percent, N-S as it is, or a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if measure.startswith("N-S") else f"{100 * value:.1f}"
