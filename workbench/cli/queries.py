"""The commands on one query: search, classify and explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.console import print_json, print_line, print_notes, print_table, progress_bar
from workbench.cli.options import JSON, STATIC, Opening, output_file
from workbench.cli.videos import search_videos
from workbench.common.files import write_output
from workbench.common.rounding import signed
from workbench.config.config import ONE_PIPELINE
from workbench.config.errors import WorkbenchError
from workbench.query.query import Query

if TYPE_CHECKING:
    from workbench.common.geometry import Box

PIPELINE = Annotated[str | None, typer.Option(help="the pipeline; by default the safest for the collection")]
PAGE_SIDE = 960  # pixels of a picture on a page
BOX = Annotated[str | None, typer.Option(help="crop the query: x0,y0,x1,y1 in pixels")]


def search(
    opening: Opening,
    image: Annotated[
        str | None, typer.Argument(help="a query's name, an image of the collection, or a file")
    ] = None,
    text: Annotated[str | None, typer.Option(help="search for words in place of an image")] = None,
    query: Annotated[
        str | None, typer.Option(help='search for several parts: image:NAME + 0.5 text:"at night" …')
    ] = None,
    box: BOX = None,
    pipeline: PIPELINE = None,
    k: Annotated[int, typer.Option("-k", help="number of results")] = 20,
    locate: Annotated[
        bool, typer.Option("--locate", help="also locate the query in each result: a box x0,y0,x1,y1")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(help="rank the shots, the videos or the moments of videos: shot, video, moment"),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Rank the collection's images by similarity to an image, to words, or to several parts."""
    crop = _box(box)
    given = [
        name for name, value in (("IMAGE", image), ("--text", text), ("--query", query)) if value is not None
    ]
    if len(given) != 1:
        raise WorkbenchError(f"give one of IMAGE, --text and --query, not {' and '.join(given) or 'none'}")
    wanted = image if query is None else Query.parse(query)
    if by is not None:
        if locate:
            raise WorkbenchError("--locate is of images; leave out --by, or --locate")
        search_videos(opening, wanted, text, crop, by, pipeline, k, as_json)
        return
    with progress_bar() as progress:
        bench = opening(progress)
        # Not ``bench.search``, whose table needs pandas.
        from workbench.common.geometry import CORNERS
        from workbench.engine.query_search import SearchOptions
        from workbench.engine.search import search as ranked

        config, options = bench.engine.config(pipeline), SearchOptions(k, locate=locate, judge=False)
        ranking = ranked(bench.engine, config, wanted, text, crop, progress, options)
    records = ranking.records()
    if as_json:
        print_json(records)
        print_notes(ranking.attrs["warnings"], errors=True)
        return
    rows = [[str(r["rank"]), f"{r['score']:.3f}", str(r["relevance"]), str(r["image_id"])] for r in records]
    names = ["rank", "score", "relevance", "image"]
    parts = [name for name in ranking.values if name.startswith("part ")]
    rows = [[*row, *(signed(r[name], 3) for name in parts)] for row, r in zip(rows, records, strict=True)]
    names += parts
    if locate:
        names.append("box")
        boxes = (",".join(str(round(record[corner])) for corner in CORNERS) for record in records)
        rows = [[*row, box] for row, box in zip(rows, boxes, strict=True)]
    asked = ranking.attrs.get("text")
    described = (
        asked is None
        or pipeline is not None
        or any(part.startswith(("image:", "sketch:")) for part in ranking.attrs["parts"])
    )
    used = f", {pipeline or bench.default_pipeline}" if described else ""
    print_table(f"{bench.collection.name}{f': {asked}' if asked else ''}{used}", names, rows)
    if parts:
        print("a part adds its standardised score times its weight")
    if pipeline is None and described:
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
    query: Annotated[
        str, typer.Argument(help='a query\'s name, an image, a file, or parts as in image:NAME + text:"cat"')
    ],
    image: Annotated[str, typer.Argument(help="an image of the collection")],
    out: Annotated[Path, typer.Option(help="the HTML file to write")],
    box: BOX = None,
    pipeline: PIPELINE = None,
    static: STATIC = False,
) -> None:
    """Decompose a score into parts, cells and regions, on a page that opens offline."""
    from workbench.explain.score import Explanation
    from workbench.report.explanation import page, result_page

    crop = _box(box)
    out = output_file(out)
    with progress_bar() as progress:
        bench = opening(progress)
        why = bench.explain(query, image, pipeline=pipeline, box=crop, progress=progress)
    if isinstance(why, Explanation) and why.pictures:
        first, second = (picture.load(PAGE_SIDE) for picture in why.pictures)
        shown = pipeline or bench.default_pipeline
        text = page(why, why.pictures[0].name, image, shown, first, second, static)
    else:
        text = result_page(why, f"Why {image} scores {why.score:.3f}", static)
    write_output(out, text, "explanation")
    print_line(f"score {why.score:.3f}; written to {out}")
    print_notes(why.warnings)


def _box(text: str | None) -> Box | None:
    from workbench.common.geometry import valid_box

    try:
        return None if text is None else valid_box(text)
    except WorkbenchError as error:
        raise WorkbenchError(f"--{error}") from None
