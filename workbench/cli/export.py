"""The command ``export``: a pipeline as an ONNX file, and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.console import print_line, print_notes, progress_bar
from workbench.cli.options import Opening, output_file
from workbench.config.errors import WorkbenchError


def export(
    opening: Opening,
    pipeline: Annotated[str, typer.Argument(help="as in efficientnet_lite0/max/rmac:3/pcaw:256/itq:256")],
    out: Annotated[Path | None, typer.Option(help="the ONNX file to write")] = None,
    page: Annotated[
        Path | None, typer.Option(help="an HTML file to write, which encodes and searches in a browser")
    ] = None,
    precision: Annotated[str, typer.Option(help="weights in the file: fp32, fp16 or int8")] = "fp32",
) -> None:
    """Export a pipeline as one ONNX file, from a picture to its descriptor and code, and as a page."""
    from workbench.export.export import check_pipeline
    from workbench.export.export import export as write

    files = [None if path is None else output_file(path) for path in (out, page)]
    if not any(files):
        raise WorkbenchError("nothing is to be written; name a file with --out or --page")
    with progress_bar() as progress:
        bench = opening(progress)
        config = bench.engine.config(pipeline)
        check_pipeline(config, precision)
        written = []
        if files[0] is not None:
            written.append((files[0], write(bench.engine, config, files[0], precision, progress)))
        if files[1] is not None:
            from workbench.export.page import write_page

            page_file = write_page(bench.engine, config, files[1], precision, progress)
            written.append((files[1], page_file))
    for path, result in written:
        print_line(
            f"written to {path}: {path.stat().st_size / 1e6:.1f} MB, weights in {result.precision}; cosine "
            f"to the pipeline at least {result.cosine:.5f} on {result.photos} photographs"
            + (f", {result.bits:.1%} of the bits of codes equal" if result.bits is not None else "")
        )
    print_notes(note for _, result in written[:1] for note in result.notes)
