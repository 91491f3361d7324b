"""The command line, ``workbench``: see ``workbench --help``."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench import cli_train
from workbench.cli_options import CACHE, WEIGHTS, Opening, opens
from workbench.config import WorkbenchError
from workbench.console import count, measure, percent, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from workbench.collections.collection import Box

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

app.add_typer(cli_train.app, name="train")
_UsageError: Any = typer.BadParameter.__bases__[0]  # typer's own copy of click, or click's
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
    opened: Opening,
    pipelines: PIPELINES,
    as_json: JSON = False,
) -> None:
    """Judge pipelines by the collection's protocol: a table of mAP."""
    with progress_bar() as progress:
        bench = opened(progress)
        evaluations = [bench.evaluate(pipeline, progress) for pipeline in pipelines]
    if as_json:
        names = ("pipeline", "collection", "protocol", "mean_ap", "metrics", "provenance", "warnings")
        print_json([{name: getattr(one, name) for name in names} for one in evaluations])
        return
    shown = [name for name in evaluations[0].metrics if name != "mAP" or len(evaluations[0].metrics) == 1]
    shown = [name for name in shown if name.startswith(("mAP", "mP@10", "N-S")) or name == "localisation"]
    rows = [
        [one.pipeline, percent(one.mean_ap), *(measure(name, one.metrics[name]) for name in shown)]
        for one in evaluations
    ]
    first = evaluations[0]
    title = f"{first.collection}: {first.provenance['images']} images, {first.provenance['queries']} queries"
    print_table(title, ["pipeline", "mAP %", *shown], rows)
    about = first.provenance
    print(f"protocol {first.protocol}, AP by {about['ap_variant']}: {about['protocol_note']}")
    for warning in dict.fromkeys(w for one in evaluations for w in one.warnings):
        print(f"note: {warning}")


@app.command()
@opens
def search(
    opened: Opening,
    image: Annotated[str, typer.Argument(help="a query's name, an image of the collection, or a file")],
    box: BOX = None,
    pipeline: PIPELINE = None,
    k: Annotated[int, typer.Option("-k", help="how many results")] = 20,
    locate: Annotated[
        bool, typer.Option("--locate", help="also the box of what was asked for, x0,y0,x1,y1")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Rank the collection's images for one image."""
    crop = _box(box)
    with progress_bar() as progress:
        bench = opened(progress)
        ranking = bench.search(image, crop, _default(pipeline), k, progress, locate=locate)
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
    opened: Opening,
    image: Annotated[str, typer.Argument(help="an image of the collection, or a file")],
    box: BOX = None,
    pipeline: Annotated[str | None, typer.Option(help="how regions are described, and kept")] = None,
    k: Annotated[int, typer.Option("-k", help="how many classes")] = 10,
    as_json: JSON = False,
) -> None:
    """Which label has a picture? By its regions' nearest neighbours among those of labelled images."""
    from workbench.pipeline import ONE_PIPELINE

    crop = _box(box)
    with progress_bar() as progress:
        bench = opened(progress)
        classes = bench.classify(image, pipeline or ONE_PIPELINE, k, crop, progress)
    if as_json:
        records = classes.to_dict("records")
        print_json([{**one, "votes": [vote._asdict() for vote in one["votes"]]} for one in records])
        return
    rows = [[label, f"{score:.3f}", str(images)] for label, score, images in classes.iloc[:, :3].to_numpy()]
    print_table(f"{bench.collection.name}: {pipeline or ONE_PIPELINE}", ["label", "score", "images"], rows)


@app.command()
@opens
def explain(
    opened: Opening,
    query: Annotated[str, typer.Argument(help="a query's name, an image of the collection, or a file")],
    image: Annotated[str, typer.Argument(help="an image of the collection")],
    out: Annotated[Path, typer.Option(help="the HTML file to write")],
    box: BOX = None,
    pipeline: PIPELINE = None,
) -> None:
    """Take one score apart into cells and pairs of regions, on a page that opens offline."""
    from workbench.report.explanation import page

    crop = _box(box)
    _check_folder(out)
    with progress_bar() as progress:
        bench = opened(progress)
        why = bench.explain(query, image, _default(pipeline), crop, progress)
        pictures = bench.picture(query, crop), bench.picture(image)
    out.write_text(page(why, query, image, _default(pipeline), *pictures), encoding="utf-8")
    print(f"score {why.score:.3f}; written to {out}")


@app.command()
@opens
def report(
    opened: Opening,
    pipelines: PIPELINES,
    out: Annotated[Path, typer.Option(help="the HTML file to write")],
) -> None:
    """Compare pipelines on one page that opens offline: measures, curves, rankings, explanations."""
    from workbench.report.page import write

    _check_folder(out)
    with progress_bar() as progress:
        bench = opened(progress)
        write(bench, pipelines, out, progress)
    print(f"written to {out}")


@app.command()
def runs(
    collection: Annotated[str | None, typer.Argument(help="only those of this collection")] = None,
    diff: Annotated[
        tuple[str, str] | None, typer.Option(help="two ids, or their beginnings: what differs", metavar="A B")
    ] = None,
    as_json: JSON = False,
    cache: CACHE = None,
) -> None:
    """What was evaluated before, the newest first; or what differs between two of them."""
    from workbench import runs
    from workbench.opening import default_cache

    place = (cache or default_cache()).expanduser()
    if diff:
        found = runs.diff(*(runs.load(place, name) for name in diff))
        tables = {"metrics": found.metrics, "per_query": found.per_query, "provenance": found.provenance}
        if as_json:
            print_json({name: table.to_dict("records") for name, table in tables.items()})
            return
        print(found.difference.sentence(f"{found.b.pipeline} ({found.b.id[:8]})"))
        measured = found.metrics.itertuples(index=False, name=None)
        measures = [[name, *(measure(name, value) for value in values)] for name, *values in measured]
        print_table("Measures, in percent", ["measure", "A", "B", "B - A"], measures)
        print_table("What differs", ["", "A", "B"], found.provenance.to_numpy().tolist())
        return
    table = runs.list(place, collection)
    if as_json:
        print_json(table.to_dict("records"))
        return
    rows = [
        [id[:8], time[:16].replace("T", " "), name, pipeline, percent(mean_ap), f"{seconds:.1f}"]
        for id, time, name, pipeline, _, mean_ap, seconds, *_ in table.itertuples(index=False, name=None)
    ]
    print_table(f"Runs in {place}", ["id", "time (UTC)", "collection", "pipeline", "mAP %", "seconds"], rows)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="a benchmark (see `workbench collections`) or a backbone")],
    cache: CACHE = None,
    weights: WEIGHTS = None,
) -> None:
    """Download a benchmark, or a backbone's weights; resumes where it was broken off."""
    from workbench.collections.download import SOURCES, fetch
    from workbench.features.backbones import BACKBONES, Spec
    from workbench.features.weights import download, locate
    from workbench.opening import default_cache

    if name in BACKBONES or name.startswith("timm:"):
        spec = Spec.parse(name)
        print(locate(spec, weights) or download(spec, weights))
        return
    if name not in SOURCES:
        raise WorkbenchError(
            f"{name!r} cannot be fetched; benchmarks: {', '.join(SOURCES)}; backbones: {', '.join(BACKBONES)}"
        )
    with progress_bar() as progress:
        folder = fetch(name, (cache or default_cache()).expanduser(), progress)
    print(f"{name} is in {folder}")


@app.command()
def collections(cache: CACHE = None) -> None:
    """The collections known by name."""
    from workbench.collections.catalog import catalog
    from workbench.opening import default_cache

    place = (cache or default_cache()).expanduser()
    rows = [
        [
            entry.name,
            entry.title,
            count(entry.images),
            count(entry.queries),
            f"{entry.bytes / 1e9:.1f} GB" if entry.bytes else "",
            "here"
            if entry.present
            else ("made at first use" if not entry.bytes else f"workbench fetch {entry.name}"),
        ]
        for entry in catalog(place)
    ]
    print_table(f"Collections in {place}", ["name", "title", "images", "queries", "download", ""], rows)
    print(
        "Besides: any folder of images (--labels folders: subfolders are labels), or a CSV with path,label."
    )


@app.command()
def backbones(weights: WEIGHTS = None) -> None:
    """The backbones, and whether their weights are on this machine."""
    from workbench.features.backbones import BACKBONES, LOCAL
    from workbench.features.weights import availability
    from workbench.local.hardnet import SHIPPED

    words = {"embedded": "embedded", "ready": "here", "download": "to download"}
    rows = [
        [name, card.title, words[availability(name, weights)], ", ".join(card.layers)]
        for name, card in BACKBONES.items()
    ]
    there = {"sift": "needs none", "hardnet": "embedded" if SHIPPED.is_file() else "missing"}
    rows += [[name, card.title, there[name], ""] for name, card in LOCAL.items()]
    print_table("Backbones", ["name", "title", "weights", "layers (any module's path besides)"], rows)
    print("Besides: any timm model as timm:NAME, a weight file as file:PATH, a HardNet as hardnet:NAME.")


@app.command()
def doctor(cache: CACHE = None, weights: WEIGHTS = None) -> None:
    """What on this machine is missing or slow, and how to mend it."""
    from workbench.doctor import examine

    findings = examine(cache, weights)
    for finding in findings:
        print(
            f"{'ok  ' if finding.good else 'MEND'} {finding.what}"
            + ("" if finding.good else f"\n     {finding.mend}")
        )
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Start JupyterLab on the notebooks; further options go to JupyterLab."""
    from workbench.lab import start

    with progress_bar() as progress:
        command = start(context.args, progress)
    os.execv(command[0], command)


@app.command("app")
@partial(opens, default="posters")
def serve_app(
    opened: Opening,
    port: Annotated[int | None, typer.Option(help="default: the first free one from 8866")] = None,
    browser: Annotated[bool, typer.Option(help="open the page in a browser")] = True,
    theme: Annotated[str, typer.Option(help="light or dark")] = "light",
) -> None:
    """Serve the panels as a page without code, on this machine only."""
    from workbench.app import serve

    with progress_bar() as progress:  # what is wrong is said here, and the collection is made once
        opened(progress)
    serve(opened.collection, opened.labels, opened.options, port, browser, theme)


def main(arguments: list[str] | None = None) -> None:
    """The entry point: exit status 2 and one sentence on wrong input, never a traceback unasked."""
    try:
        status = app(arguments, prog_name="workbench", standalone_mode=False)
        if status == 130:  # which is how typer takes Ctrl-C
            raise KeyboardInterrupt
    except (WorkbenchError, _UsageError) as error:
        sentence = str(error) if isinstance(error, WorkbenchError) else error.format_message()
        print(f"workbench: {sentence or 'see workbench --help'}", file=sys.stderr)
        raise SystemExit(2) from None
    except (KeyboardInterrupt, typer.Abort):
        print("workbench: stopped; what is stored so far is kept", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    raise SystemExit(status or 0)


def _check_folder(out: Path) -> None:
    if not out.parent.is_dir():
        raise WorkbenchError(
            f"--out {str(out)!r}: the folder {str(out.parent)!r} does not exist; make it first"
        )


def _default(pipeline: str | None) -> str:
    from workbench.pipeline import DEFAULT_PIPELINE

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
