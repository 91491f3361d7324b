"""The commands on this machine's resources: fetch, collections, backbones and doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.console import count, print_line, print_table, progress_bar
from workbench.cli.options import CACHE, WEIGHTS, cache_folder, weights_folder
from workbench.common.packages import install_command, installed
from workbench.config.errors import WorkbenchError


def fetch(
    name: Annotated[str, typer.Argument(help="a benchmark (see `workbench collections`) or a backbone")],
    cache: CACHE = None,
    weights: WEIGHTS = None,
) -> None:
    """Download a benchmark or the weights of a backbone; an interrupted download is resumed."""
    from workbench.collections.download import SOURCES, fetch
    from workbench.config.steps import VISION_LANGUAGE
    from workbench.features.backbones import BACKBONES, BackboneSpec
    from workbench.features.weights import download, locate
    from workbench.text.vision_language import text_encoder

    if name in BACKBONES or name.startswith(("timm:", *VISION_LANGUAGE)):
        spec, folder = BackboneSpec.parse(name), weights_folder(weights)
        print_line(str(locate(spec, folder) or download(spec, folder)))
        if name.startswith(VISION_LANGUAGE):
            text_encoder(spec, folder)  # its tokenizer and settings are files of their own
        return
    if name not in SOURCES:
        raise WorkbenchError(
            f"{name!r} cannot be fetched; benchmarks: {', '.join(SOURCES)}; backbones: {', '.join(BACKBONES)}"
        )
    with progress_bar() as progress:
        target = fetch(name, cache_folder(cache), progress)
    print_line(f"{name} is in {target}")


def collections(cache: CACHE = None) -> None:
    """List the named collections."""
    from workbench.collections.catalog import catalog

    folder = cache_folder(cache)
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
    print_line(
        "Also: any folder of images (--labels folders: subfolders are labels), or a CSV with path,label."
    )


def backbones(weights: WEIGHTS = None) -> None:
    """List the backbones, and whether their weights are on this machine."""
    from workbench.config.steps import LEARNED
    from workbench.features.backbones import BACKBONES, LOCAL
    from workbench.features.weights import availability
    from workbench.local.hardnet import SHIPPED
    from workbench.local.learned_weights import INSTALL, installed

    folder = weights_folder(weights)
    states = {"embedded": "embedded", "ready": "here", "download": "to download"}
    rows = [
        [name, card.title, states[availability(name, folder)], ", ".join(card.layers)]
        for name, card in BACKBONES.items()
    ]
    local = {"sift": "needs none", "hardnet": "embedded" if SHIPPED.is_file() else "missing"}
    local |= {name: "here" if installed(name) else "to install" for name in LEARNED}
    rows += [[name, card.title, local[name], ""] for name, card in LOCAL.items()]
    print_table("Backbones", ["name", "title", "weights", "layers (or the path of any module)"], rows)
    print_line("Also: any timm model as timm:NAME, a weight file as file:PATH, a HardNet as hardnet:NAME,")
    print_line("vision-language models of open_clip as clip:NAME or siglip:NAME" + _open_clip(folder))
    if absent := [name for name in LEARNED if not installed(name)]:
        print_line(f"The keypoints {', '.join(absent)} are installed by: {INSTALL}")


def _open_clip(folder: Path | None) -> str:
    """What is said of vision–language models: those with weights here, or how to install them."""
    from workbench.features.vision_language import models_here

    if not installed("open_clip"):
        return f"; {install_command('clip')} installs them."
    names = models_here(folder)
    return f"; here: {', '.join(names)}." if names else "; none is here."


def doctor(cache: CACHE = None, weights: WEIGHTS = None) -> None:
    """Check this machine: what is missing or slow, and the remedy."""
    from workbench.cli.doctor import examine

    findings = examine(cache_folder(cache), weights_folder(weights))
    for finding in findings:
        print_line(f"{'ok ' if finding.good else 'FIX'} {finding.subject}")
        if not finding.good:
            print_line(f"    {finding.remedy}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)
