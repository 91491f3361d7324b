"""The command line, ``workbench``: see ``workbench --help``."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import train
from workbench.cli.console import count, measure, percent, print_json, print_table, progress_bar
from workbench.cli.options import CACHE, WEIGHTS, Opening, opens
from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.common.geometry import Box

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

app.add_typer(train.app, name="train")
_UsageError: Any = typer.BadParameter.__bases__[0]  # of typer's copy of click, or of click
PIPELINES = Annotated[
    list[str], typer.Argument(help="pipelines, as in efficientnet_lite0/max/rmac:3/pcaw:256")
]
PIPELINE = Annotated[
    str | None, typer.Option(help="the pipeline; default efficientnet_lite0/max/rmac:3/pcaw:256")
]
BOX = Annotated[str | None, typer.Option(help="crop the query: x0,y0,x1,y1 in pixels")]
JSON = Annotated[bool, typer.Option("--json", help="print JSON and nothing else")]


@app.command()
@opens
def evaluate(
    opening: Opening,
    pipelines: PIPELINES,
    as_json: JSON = False,
) -> None:
    """Evaluate pipelines by the collection's protocol: a table of mAP."""
    with progress_bar() as progress:
        bench = opening(progress)
        evaluations = [bench.evaluate(pipeline, progress=progress) for pipeline in pipelines]
    if as_json:
        names = ("pipeline", "collection", "protocol", "mean_ap", "metrics", "provenance", "warnings")
        print_json([{name: getattr(evaluation, name) for name in names} for evaluation in evaluations])
        return
    shown = [name for name in evaluations[0].metrics if name != "mAP" or len(evaluations[0].metrics) == 1]
    shown = [name for name in shown if name.startswith(("mAP", "mP@10", "N-S")) or name == "localisation"]
    rows = [
        [
            evaluation.pipeline,
            percent(evaluation.mean_ap),
            *(measure(name, evaluation.metrics[name]) for name in shown),
        ]
        for evaluation in evaluations
    ]
    first, about = evaluations[0], evaluations[0].provenance
    title = f"{first.collection}: {about['images']} images, {about['queries']} queries"
    print_table(title, ["pipeline", "mAP %", *shown], rows)
    print(f"protocol {first.protocol}, AP by {about['ap_variant']}: {about['protocol_note']}")
    for warning in dict.fromkeys(warning for evaluation in evaluations for warning in evaluation.warnings):
        print(f"note: {warning}")


@app.command()
@opens
def search(
    opening: Opening,
    image: Annotated[str, typer.Argument(help="a query's name, an image of the collection, or a file")],
    box: BOX = None,
    pipeline: PIPELINE = None,
    k: Annotated[int, typer.Option("-k", help="number of results")] = 20,
    locate: Annotated[
        bool, typer.Option("--locate", help="also locate the query in each result: a box x0,y0,x1,y1")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Rank the collection's images by similarity to an image."""
    crop = _box(box)
    with progress_bar() as progress:
        bench = opening(progress)
        ranking = bench.search(
            image, box=crop, pipeline=_default(pipeline), k=k, progress=progress, locate=locate
        )
    records = ranking.to_dict("records")
    if as_json:
        print_json(records)
        return
    rows = [[str(r["rank"]), f"{r['score']:.3f}", str(r["relevance"]), str(r["image_id"])] for r in records]
    names = ["rank", "score", "relevance", "image"]
    if locate:
        names.append("box")
        corners = ranking[["x0", "y0", "x1", "y1"]].round().astype(int).to_numpy().tolist()
        rows = [[*row, ",".join(map(str, box))] for row, box in zip(rows, corners, strict=True)]
    print_table(f"{bench.collection.name}: {_default(pipeline)}", names, rows)


@app.command()
@opens
def classify(
    opening: Opening,
    image: Annotated[str, typer.Argument(help="an image of the collection, or a file")],
    box: BOX = None,
    pipeline: Annotated[str | None, typer.Option(help="pipeline that describes the regions")] = None,
    k: Annotated[int, typer.Option("-k", help="number of classes")] = 10,
    as_json: JSON = False,
) -> None:
    """Classify an image by the nearest neighbours of its regions among those of labelled images."""
    from workbench.config.config import ONE_PIPELINE

    crop = _box(box)
    with progress_bar() as progress:
        bench = opening(progress)
        classes = bench.classify(image, pipeline=pipeline or ONE_PIPELINE, k=k, box=crop, progress=progress)
    if as_json:
        records = classes.to_dict("records")
        print_json([{**record, "votes": [vote._asdict() for vote in record["votes"]]} for record in records])
        return
    rows = [[label, f"{score:.3f}", str(images)] for label, score, images in classes.iloc[:, :3].to_numpy()]
    print_table(f"{bench.collection.name}: {pipeline or ONE_PIPELINE}", ["label", "score", "images"], rows)


@app.command()
@opens
def explain(
    opening: Opening,
    query: Annotated[str, typer.Argument(help="a query's name, an image of the collection, or a file")],
    image: Annotated[str, typer.Argument(help="an image of the collection")],
    out: Annotated[Path, typer.Option(help="the HTML file to write")],
    box: BOX = None,
    pipeline: PIPELINE = None,
) -> None:
    """Decompose a score into cells and pairs of regions, on a page that opens offline."""
    from workbench.report.explanation import page

    crop = _box(box)
    _check_folder(out)
    with progress_bar() as progress:
        bench = opening(progress)
        why = bench.explain(query, image, pipeline=_default(pipeline), box=crop, progress=progress)
        pictures = bench.picture(query, box=crop), bench.picture(image)
    out.write_text(page(why, query, image, _default(pipeline), *pictures), encoding="utf-8")
    print(f"score {why.score:.3f}; written to {out}")


@app.command()
@opens
def report(
    opening: Opening,
    pipelines: PIPELINES,
    out: Annotated[Path, typer.Option(help="the HTML file to write")],
) -> None:
    """Compare pipelines on one page that opens offline: measures, curves, rankings, explanations."""
    from workbench.report.page import write_report

    _check_folder(out)
    with progress_bar() as progress:
        bench = opening(progress)
        write_report(bench, pipelines, out, progress)
    print(f"written to {out}")


@app.command()
def runs(
    collection: Annotated[str | None, typer.Argument(help="only runs on this collection")] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(help="compare two runs, by ids or the beginnings of ids", metavar="A B"),
    ] = None,
    as_json: JSON = False,
    cache: CACHE = None,
) -> None:
    """List earlier evaluations, newest first, or compare two of them."""
    from workbench.config.options import default_cache
    from workbench.runs import store

    folder = (cache or default_cache()).expanduser()
    if diff:
        comparison = store.diff(*(store.load(folder, name) for name in diff))
        tables = {
            "metrics": comparison.metrics,
            "per_query": comparison.per_query,
            "provenance": comparison.provenance,
        }
        if as_json:
            print_json({name: table.to_dict("records") for name, table in tables.items()})
            return
        print(comparison.difference.sentence(f"{comparison.b.pipeline} ({comparison.b.id[:8]})"))
        measured = comparison.metrics.itertuples(index=False, name=None)
        measures = [[name, *(measure(name, value) for value in values)] for name, *values in measured]
        print_table("Measures, in percent", ["measure", "A", "B", "B - A"], measures)
        print_table("Provenance: differences", ["", "A", "B"], comparison.provenance.to_numpy().tolist())
        return
    table = store.list_runs(folder, collection)
    if as_json:
        print_json(table.to_dict("records"))
        return
    rows = [
        [run_id[:8], time[:16].replace("T", " "), name, pipeline, percent(mean_ap), f"{seconds:.1f}"]
        for run_id, time, name, pipeline, _, mean_ap, seconds, *_ in table.itertuples(index=False, name=None)
    ]
    print_table(f"Runs in {folder}", ["id", "time (UTC)", "collection", "pipeline", "mAP %", "seconds"], rows)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="a benchmark (see `workbench collections`) or a backbone")],
    cache: CACHE = None,
    weights: WEIGHTS = None,
) -> None:
    """Download a benchmark or the weights of a backbone; an interrupted download is resumed."""
    from workbench.collections.download import SOURCES, fetch
    from workbench.config.options import default_cache
    from workbench.features.backbones import BACKBONES, BackboneSpec
    from workbench.features.weights import download, locate

    if name in BACKBONES or name.startswith("timm:"):
        spec = BackboneSpec.parse(name)
        print(locate(spec, weights) or download(spec, weights))
        return
    if name not in SOURCES:
        raise WorkbenchError(
            f"{name!r} cannot be fetched; benchmarks: {', '.join(SOURCES)}; backbones: {', '.join(BACKBONES)}"
        )
    with progress_bar() as progress:
        target = fetch(name, (cache or default_cache()).expanduser(), progress)
    print(f"{name} is in {target}")


@app.command()
def collections(cache: CACHE = None) -> None:
    """List the named collections."""
    from workbench.collections.catalog import catalog
    from workbench.config.options import default_cache

    folder = (cache or default_cache()).expanduser()
    rows = [
        [
            entry.name,
            entry.title,
            count(entry.images),
            count(entry.queries),
            f"{entry.bytes / 1e9:.1f} GB" if entry.bytes else "",
            "here"
            if entry.present
            else ("made on first use" if not entry.bytes else f"workbench fetch {entry.name}"),
        ]
        for entry in catalog(folder)
    ]
    print_table(f"Collections in {folder}", ["name", "title", "images", "queries", "download", ""], rows)
    print("Also: any folder of images (--labels folders: subfolders are labels), or a CSV with path,label.")


@app.command()
def backbones(weights: WEIGHTS = None) -> None:
    """List the backbones, and whether their weights are on this machine."""
    from workbench.features.backbones import BACKBONES, LOCAL
    from workbench.features.weights import availability
    from workbench.local.hardnet import SHIPPED

    states = {"embedded": "embedded", "ready": "here", "download": "to download"}
    rows = [
        [name, card.title, states[availability(name, weights)], ", ".join(card.layers)]
        for name, card in BACKBONES.items()
    ]
    local = {"sift": "needs none", "hardnet": "embedded" if SHIPPED.is_file() else "missing"}
    rows += [[name, card.title, local[name], ""] for name, card in LOCAL.items()]
    print_table("Backbones", ["name", "title", "weights", "layers (or the path of any module)"], rows)
    print("Also: any timm model as timm:NAME, a weight file as file:PATH, a HardNet as hardnet:NAME.")


@app.command()
def doctor(cache: CACHE = None, weights: WEIGHTS = None) -> None:
    """Check this machine: what is missing or slow, and the remedy."""
    from workbench.cli.doctor import examine

    findings = examine(cache, weights)
    for finding in findings:
        print(
            f"{'ok ' if finding.good else 'FIX'} {finding.subject}"
            + ("" if finding.good else f"\n    {finding.remedy}")
        )
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


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
        print(f"workbench: {message or 'see workbench --help'}", file=sys.stderr)
        raise SystemExit(2) from None
    except (KeyboardInterrupt, typer.Abort):
        print("workbench: stopped; the results stored so far are kept", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader of standard output has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    raise SystemExit(status or 0)


def _check_folder(out: Path) -> None:
    if not out.parent.is_dir():
        raise WorkbenchError(
            f"--out {str(out)!r}: the folder {str(out.parent)!r} does not exist; create it first"
        )


def _default(pipeline: str | None) -> str:
    from workbench.config.config import DEFAULT_PIPELINE

    return pipeline or DEFAULT_PIPELINE


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        x0, y0, x1, y1 = (float(word) for word in text.split(","))
    except ValueError:
        raise WorkbenchError(f"--box {text!r}: write four numbers, x0,y0,x1,y1 in pixels") from None
    return x0, y0, x1, y1


if __name__ == "__main__":
    main()
