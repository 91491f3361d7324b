"""The command line, ``workbench``: see ``workbench --help``."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli import moments, queries, resources, train
from workbench.cli.console import (
    print_json,
    print_line,
    print_notes,
    print_table,
    progress_bar,
)
from workbench.cli.copies import copies, duplicates
from workbench.cli.describe import describe
from workbench.cli.export import export
from workbench.cli.options import JSON, STATIC, Opening, opens, output_file
from workbench.cli.runs import runs
from workbench.cli.text import evaluate_texts
from workbench.cli.videos import evaluate_videos, print_videos
from workbench.config.errors import WorkbenchError, torch_mismatch
from workbench.query.errors import QueryError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

app.add_typer(train.app, name="train")
_UsageError: Any = typer.BadParameter.__bases__[0]  # of typer's copy of click, or of click
PIPELINES = Annotated[
    list[str], typer.Argument(help="pipelines, as in efficientnet_lite0/max/rmac:3/pcaw:256")
]


OPTIONAL_PIPELINES = Annotated[
    list[str] | None, typer.Argument(help="pipelines, as in efficientnet_lite0/max/rmac:3/pcaw:256")
]


@app.command()
@opens
def evaluate(
    opening: Opening,
    pipelines: OPTIONAL_PIPELINES = None,
    text_queries: Annotated[
        Path | None,
        typer.Option(help="evaluate search by text in place of this: a CSV text,label or text,path"),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Evaluate pipelines by the collection's protocol: a table of mAP."""
    if text_queries is not None:
        evaluate_texts(opening, pipelines or [], text_queries, as_json)
        return
    if not pipelines:
        raise WorkbenchError("no pipelines are given; name one or more, as in efficientnet_lite0/max/rmac:3")
    from workbench.evaluation.judged import judged_text, queries_text
    from workbench.evaluation.measures_text import measure_value, percent

    with progress_bar() as progress:
        bench = opening(progress)
        evaluations = [bench.evaluate(pipeline, progress=progress) for pipeline in pipelines]
        in_videos = evaluate_videos(bench, pipelines, progress)
    if as_json:
        names = ["pipeline", "collection", "protocol", "mean_ap", "judged", "unjudged"]
        names += ["metrics", "provenance", "warnings"]
        records = [{name: getattr(evaluation, name) for name in names} for evaluation in evaluations]
        for record, of_videos in zip(records, in_videos, strict=False):
            record["videos"] = of_videos.metrics
        print_json(records)
        return
    shown = [name for name in evaluations[0].metrics if name != "mAP" or len(evaluations[0].metrics) == 1]
    shown = [name for name in shown if name.startswith(("mAP", "mP@10", "N-S")) or name == "localisation"]
    rows = [
        [
            evaluation.pipeline,
            percent(evaluation.mean_ap),
            judged_text(evaluation.provenance).replace(" queries", ""),
            *(measure_value(name, evaluation.metrics[name]) for name in shown),
        ]
        for evaluation in evaluations
    ]
    first, about = evaluations[0], evaluations[0].provenance
    title = f"{first.collection}: {about['images']} images, {queries_text(about)}"
    print_table(title, ["pipeline", "mAP %", "queries", *shown], rows)
    print_line(f"protocol {first.protocol}, AP by {about['ap_variant']}: {about['protocol_note']}")
    print_videos(in_videos)
    print_notes(warning for evaluation in evaluations for warning in evaluation.warnings)


@app.command()
@opens
def suggest(
    opening: Opening,
    seconds: Annotated[float, typer.Option(help="the time for trying pipelines")] = 60.0,
    as_json: JSON = False,
) -> None:
    """Suggest a pipeline: one half of the queries chooses it, the other half reports."""
    from workbench.evaluation.measures_text import percent

    with progress_bar() as progress:
        suggestion = opening(progress).suggest(seconds=seconds, progress=progress)
    table = suggestion.table
    if as_json:
        names = ("pipeline", "default", "best", "difference", "interval", "untried", "message")
        content = {name: getattr(suggestion, name) for name in names}
        print_json({**content, "table": table.to_dict("records")})
        return
    rows = [
        [name, percent(chosen), percent(reported), f"{spent:.1f}"]
        for name, chosen, reported, spent in table.itertuples(index=False)
    ]
    print_table("Tried, the best first", ["pipeline", "mAP % choosing", "mAP % reporting", "seconds"], rows)
    print(suggestion.message)


@app.command()
@opens
def report(
    opening: Opening,
    pipelines: PIPELINES,
    out: Annotated[Path, typer.Option(help="the HTML file to write")],
    static: STATIC = False,
) -> None:
    """Compare pipelines on one page that opens offline: measures, figures, rankings, explanations."""
    from workbench.report.page import write_report

    out = output_file(out)
    with progress_bar() as progress:
        bench = opening(progress)
        write_report(bench, pipelines, out, progress, static)
    print_line(f"written to {out}")


for query_command in (
    describe,
    queries.search,
    queries.classify,
    queries.explain,
    moments.summary,
    moments.events,
    copies,
    duplicates,
):
    app.command()(opens(query_command))
app.command()(opens(export, default="posters", option=True))
for command in (runs, resources.fetch, resources.collections, resources.backbones, resources.doctor):
    app.command()(command)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Start JupyterLab on the notebooks; other options are passed to JupyterLab."""
    from workbench.cli.lab import prepare

    with progress_bar() as progress:
        command = prepare(context.args, progress)
    os.execv(command[0], command)


@app.command("app")
@partial(opens, default="posters")
def serve_app(
    opening: Opening,
    port: Annotated[int | None, typer.Option(help="default: the first free one from 8866")] = None,
    browser: Annotated[bool, typer.Option(help="open the page in a browser")] = True,
    theme: Annotated[str, typer.Option(help="light or dark")] = "light",
) -> None:
    """Serve the panels as a page without code, on this machine only."""
    from workbench.cli.app import serve

    with progress_bar() as progress:  # reports errors before the page is served, and makes the collection
        opening(progress)
    serve(opening.collection, opening.labels, opening.options, port, browser, theme)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: wrong input prints one sentence and exits with status 2, without a traceback."""
    try:
        status = app(arguments, prog_name="workbench", standalone_mode=False)
        if status == 130:  # typer's status after Ctrl-C
            raise KeyboardInterrupt
    except (WorkbenchError, _UsageError) as error:
        message = str(error) if isinstance(error, WorkbenchError) else error.format_message()
        # The line of a query that cannot be read, and the caret below it, have lines of their own.
        lines = message.split("\n") if isinstance(error, QueryError) else [message]
        for line in [f"workbench: {lines[0] or 'see workbench --help'}", *lines[1:]]:
            print_line(line, file=sys.stderr)
        raise SystemExit(2) from None
    except RuntimeError as error:
        if "torchvision::" not in str(error):  # it is imported by what first needs it
            raise
        print_line(f"workbench: {torch_mismatch(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except (KeyboardInterrupt, typer.Abort):
        print_line("workbench: stopped; the results stored so far are kept", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader of standard output has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    raise SystemExit(status or 0)
