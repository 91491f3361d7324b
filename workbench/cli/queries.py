"""The commands on one query: search, classify and explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.console import print_json, print_line, print_notes, print_table, progress_bar
from workbench.cli.options import JSON, STATIC, Opening, output_file
from workbench.common.files import write_output
from workbench.config.config import ONE_PIPELINE
from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.common.geometry import Box

PIPELINE = Annotated[str | None, typer.Option(help="the pipeline; by default the safest for the collection")]
BOX = Annotated[str | None, typer.Option(help="crop the query: x0,y0,x1,y1 in pixels")]


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
        ranking = bench.search(image, box=crop, pipeline=pipeline, k=k, progress=progress, locate=locate)
    records = ranking.to_dict("records")
    if as_json:
        print_json(records)
        print_notes(ranking.attrs["warnings"], errors=True)
        return
    rows = [[str(r["rank"]), f"{r['score']:.3f}", str(r["relevance"]), str(r["image_id"])] for r in records]
    names = ["rank", "score", "relevance", "image"]
    if locate:
        names.append("box")
        corners = ranking[["x0", "y0", "x1", "y1"]].round().astype(int).to_numpy().tolist()
        rows = [[*row, ",".join(map(str, box))] for row, box in zip(rows, corners, strict=True)]
    print_table(f"{bench.collection.name}: {pipeline or bench.default_pipeline}", names, rows)
    if pipeline is None:
        print(f"default pipeline: {bench.engine.default.reason} Another: {bench.engine.default.alternative}")
    print_notes(ranking.attrs["warnings"])


def classify(
    opening: Opening,
    image: Annotated[str, typer.Argument(help="an image of the collection, or a file")],
    box: BOX = None,
    pipeline: Annotated[str, typer.Option(help="the pipeline that describes the regions")] = ONE_PIPELINE,
    k: Annotated[int, typer.Option("-k", help="number of classes")] = 10,
    as_json: JSON = False,
) -> None:
    """Classify an image by the nearest neighbours of its regions among those of labelled images."""
    crop = _box(box)
    with progress_bar() as progress:
        bench = opening(progress)
        classes = bench.classify(image, pipeline=pipeline, box=crop, k=k, progress=progress)
    if as_json:
        records = classes.to_dict("records")
        print_json([{**record, "votes": [vote._asdict() for vote in record["votes"]]} for record in records])
        print_notes(classes.attrs["warnings"], errors=True)
        return
    rows = [[label, f"{score:.3f}", str(images)] for label, score, images in classes.iloc[:, :3].to_numpy()]
    print_table(f"{bench.collection.name}: {pipeline}", ["label", "score", "images"], rows)
    print_notes(classes.attrs["warnings"])


def explain(
    opening: Opening,
    query: Annotated[str, typer.Argument(help="a query's name, an image of the collection, or a file")],
    image: Annotated[str, typer.Argument(help="an image of the collection")],
    out: Annotated[Path, typer.Option(help="the HTML file to write")],
    box: BOX = None,
    pipeline: PIPELINE = None,
    static: STATIC = False,
) -> None:
    """Decompose a score into cells and regions, on a page that opens offline."""
    from workbench.report.explanation import page

    crop = _box(box)
    out = output_file(out)
    with progress_bar() as progress:
        bench = opening(progress)
        why = bench.explain(query, image, pipeline=pipeline, box=crop, progress=progress)
        pictures = bench.picture(query, box=crop), bench.picture(image)
    text = page(why, query, image, pipeline or bench.default_pipeline, *pictures, static=static)
    write_output(out, text, "explanation")
    print_line(f"score {why.score:.3f}; written to {out}")
    print_notes(why.warnings)


def _box(text: str | None) -> Box | None:
    from workbench.common.geometry import valid_box

    try:
        return None if text is None else valid_box(text)
    except WorkbenchError as error:
        raise WorkbenchError(f"--{error}") from None
