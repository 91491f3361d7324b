"""``workbench train …``: train a model on a collection."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from workbench.cli.console import print_line, progress_bar
from workbench.cli.options import Opening, opens

if TYPE_CHECKING:
    from workbench.learning.trainer import Epoch

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train on a collection of one's own.")
NAME = Annotated[str, typer.Option(help="small letters, digits, - and _")]


@app.command()
@opens
def whitening(
    opened: Opening,
    pipeline: Annotated[str, typer.Argument(help="with pca, pcaw or lw, of as many dimensions as wanted")],
    name: NAME,
) -> None:
    """Fit a pipeline's whitening on a collection, for use on others as the step pcaw:256:NAME."""
    from workbench.config.config import Config
    from workbench.evaluation.measures_text import percent
    from workbench.learning.whitening import fit_whitening

    def report(epoch: Epoch) -> None:  # of the whitening of cells, which is trained
        _print_epoch(epoch, f"held-out mAP {percent(epoch.measures['mean_ap'])} %")

    with progress_bar() as progress:
        bench = opened(progress)
        path = fit_whitening(bench.collection, bench.options, pipeline, name, progress, report, _command())
    step = Config.parse(pipeline).whitenings[0]
    print_line(
        f"written to {path}; use it as the step {step.name}:{step.args[0]:g}:{name}, or with fewer dimensions"
    )


@app.command()
@opens
def attention(
    opened: Opening,
    name: NAME,
    backbone: Annotated[str, typer.Option(help="a backbone with maps")] = "efficientnet_lite0",
    targets: Annotated[
        str,
        typer.Option(
            help="photos: retrieve the photo shown; predictions: the classifier's, for that photo; labels: "
            "the classifier's classes, in order"
        ),
    ] = "photos",
    composites: Annotated[int, typer.Option(help="pictures generated of photos among clutter")] = 4000,
    epochs: Annotated[int, typer.Option(help="at most")] = 16,
    area: Annotated[bool, typer.Option("--area", help="multiply weights with the regions' areas")] = False,
) -> None:
    """Train regional attention on a collection's photos, for use as the step attention:NAME."""
    from workbench.descriptors.attention import Attention
    from workbench.evaluation.measures_text import percent
    from workbench.learning.attention.train import AttentionSettings, train_attention

    def report(epoch: Epoch) -> None:
        mean_ap, on_target = (percent(epoch.measures[name]) for name in ("mean_ap", "on_target"))
        _print_epoch(epoch, f"held-out mAP {mean_ap} %, weight on the target {on_target} %")

    settings = AttentionSettings(targets, composites, epochs, area=area)
    with progress_bar() as progress:
        bench = opened(progress)
        path = train_attention(
            bench.collection, bench.options, name, backbone, settings, progress, report, _command()
        )
    about = Attention.load(path).about
    _note_unreadable(about["unreadable"])
    print_line(_written(about["kept"], path, f"{backbone}/max/rmac:5/attention:{name}"))


@app.command()
@opens
def backbone(
    opened: Opening,
    name: NAME,
    backbone: Annotated[str, typer.Option(help="a convolutional backbone")] = "efficientnet_lite0",
    pooling: Annotated[str, typer.Option(help="max, mean, gem:p or asmk, over the whole map")] = "gem:3",
    loss: Annotated[str, typer.Option(help="contrastive, triplet or classification")] = "triplet",
    blocks: Annotated[int, typer.Option(help="how many of the last blocks are trained")] = 4,
    epochs: Annotated[int, typer.Option(help="at most")] = 8,
    rate: Annotated[float, typer.Option(help="learning rate of the first epoch")] = 3e-4,
    edges: Annotated[
        bool,
        typer.Option("--edges", help="train on distorted contours of the images, for queries by sketch"),
    ] = False,
) -> None:
    """Fine-tune a backbone for search on a labelled collection, for use as the backbone file:PATH."""
    from workbench.evaluation.measures_text import percent
    from workbench.learning.finetuning.train import FinetuningSettings, card, finetune

    def report(epoch: Epoch) -> None:
        _print_epoch(epoch, f"held-out mAP {percent(epoch.measures['mean_ap'])} %")

    settings = FinetuningSettings(cast(Any, loss), pooling, blocks, epochs, rate, edges=edges)
    with progress_bar() as progress:
        bench = opened(progress)
        path = finetune(
            bench.collection, bench.options, name, backbone, settings, progress, report, _command()
        )
    about = card(path)
    for note in about["notes"]:
        print_line(f"note: {note}", file=sys.stderr)
    before, kept = (about["figures"][number]["mean_ap"] for number in (0, about["kept"]))
    if kept <= before:
        print_line(
            "note: no epoch was better than the untrained backbone; try another --rate", file=sys.stderr
        )
    print_line(_written(about["kept"], path, f"file:{path}/{pooling}/whole --size {about['size']}"))


@app.command()
@opens
def hardnet(
    opened: Opening,
    name: NAME,
    width: Annotated[int, typer.Option(help="channels of the first layer; 32 as published")] = 16,
    steps: Annotated[int, typer.Option(help="of 512 pairs each")] = 700,
    views: Annotated[int, typer.Option(help="generated from each photo")] = 4,
    rate: Annotated[float, typer.Option(help="highest learning rate")] = 2e-3,
    real: Annotated[
        bool,
        typer.Option("--real", help="also use other photos of the same object, by outlines or labels"),
    ] = False,
) -> None:
    """Train HardNet's local descriptors on any photos, for use as the backbone hardnet:NAME."""
    from workbench.learning.hardnet.train import HardNetSettings, train_hardnet
    from workbench.local.hardnet import card

    def report(epoch: Epoch) -> None:
        share = 100 * epoch.measures["false_positives"]
        _print_epoch(epoch, f"held out {share:.2f} % false positives at 95 % recall")

    settings = HardNetSettings(width, steps, rate, views)
    with progress_bar() as progress:
        bench = opened(progress)
        path = train_hardnet(
            bench.collection, bench.options, name, settings, progress, report, _command(), real
        )
    _note_unreadable(card(path)["unreadable"])
    print_line(f"written to {path}; use it as hardnet:{name}/bow:4096/whole")


@app.command()
@opens
def proposals(
    opened: Opening,
    name: NAME,
    backbone: Annotated[str, typer.Option(help="a convolutional backbone")] = "efficientnet_lite0",
    scenes: Annotated[int, typer.Option(help="generated from other seeds than the collection's")] = 3000,
    epochs: Annotated[int, typer.Option(help="passes over the scenes")] = 5,
    rate: Annotated[float, typer.Option(help="highest learning rate")] = 1e-3,
) -> None:
    """Train region proposals on generated scenes like those of posters, for use as proposals:20:NAME."""
    from workbench.evaluation.measures_text import percent
    from workbench.learning.proposals.train import FIRST, ProposalSettings, train_proposals

    def report(epoch: Epoch) -> None:
        recall, refined = (percent(epoch.measures[name]) for name in ("recall", "refined"))
        _print_epoch(
            epoch, f"held-out recall of {FIRST} proposals {recall} %, of refined proposals {refined} %"
        )

    settings = ProposalSettings(scenes, epochs, rate=rate)
    with progress_bar() as progress:
        bench = opened(progress)
        path = train_proposals(
            bench.collection, bench.options, name, backbone, settings, progress, report, _command()
        )
    print_line(f"written to {path}; use it as {backbone}/max/proposals:20:{name}")


def _command() -> str:
    """The command line, which cards record."""
    return shlex.join(["workbench", *sys.argv[1:]])


def _print_epoch(epoch: Epoch, measures: str) -> None:
    loss = "untrained" if epoch.loss is None else f"loss {epoch.loss:.3f}"
    print_line(f"epoch {epoch.number}: {loss}, {measures}", file=sys.stderr)


def _note_unreadable(count: int) -> None:
    if count:
        print_line(f"note: {count} photos could not be read and are left out", file=sys.stderr)


def _written(epoch: int, path: Any, use: str) -> str:
    return f"epoch {epoch} is written to {path}; use it as {use}"
