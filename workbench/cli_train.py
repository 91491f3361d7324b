"""``workbench train …``: what is trained, on a collection of one's own."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, Any, cast

import typer

from workbench.cli_options import Opening, opens
from workbench.console import percent, progress_bar

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train on a collection of one's own.")
NAME = Annotated[str, typer.Option(help="small letters, digits, - and _")]


@app.command()
@opens
def whitening(
    opened: Opening,
    pipeline: Annotated[str, typer.Argument(help="with pca, pcaw or lw, of as many dimensions as wanted")],
    name: NAME,
) -> None:
    """Fit a pipeline's whitening on a collection, to be used on others as the step pcaw:256:NAME."""
    from workbench.config import Config
    from workbench.learning.whitening import keep

    with progress_bar() as progress:
        bench = opened(progress)
        path = keep(bench.collection, bench.options, pipeline, name, progress)
    step = Config.parse(pipeline).whitenings[0]
    print(
        f"written to {path}; use it as the step {step.name}:{step.args[0]:g}:{name}, or with fewer dimensions"
    )


@app.command()
@opens
def attention(
    opened: Opening,
    name: NAME,
    backbone: Annotated[str, typer.Option(help="a backbone with a linear classifier")] = "efficientnet_lite0",
    targets: Annotated[
        str, typer.Option(help="predictions: any photos; labels: those of the classifier's classes, in order")
    ] = "predictions",
    composites: Annotated[int, typer.Option(help="photos among clutter, to be made of the photos")] = 1000,
    epochs: Annotated[int, typer.Option(help="at most")] = 8,
    area: Annotated[bool, typer.Option("--area", help="regions count by their areas besides")] = False,
) -> None:
    """Train regional attention on a collection's photos, to be used as the step attention:NAME."""
    from workbench.descriptors.attention import Attention
    from workbench.learning.attention.train import Settings, train
    from workbench.learning.trainer import Epoch

    def report(epoch: Epoch) -> None:
        losses = f"loss {epoch.loss:.3f}, held out {epoch.validation:.3f}"
        print(f"epoch {epoch.number}: {losses}", file=sys.stderr)

    settings = Settings(targets, composites, epochs, area=area)
    command = shlex.join(["workbench", *sys.argv[1:]])
    with progress_bar() as progress:
        bench = opened(progress)
        path = train(bench.collection, bench.options, name, backbone, settings, progress, report, command)
    about = Attention.load(path).about
    if about["unreadable"]:
        print(f"note: {about['unreadable']} photos could not be read and are left out", file=sys.stderr)
    use = f"{backbone}/max/rmac:5/attention:{name}"
    print(f"epoch {about['kept']} is written to {path}; use it as {use}")


@app.command()
@opens
def backbone(
    opened: Opening,
    name: NAME,
    backbone: Annotated[str, typer.Option(help="a convolutional backbone")] = "efficientnet_lite0",
    pooling: Annotated[str, typer.Option(help="max, mean or gem:p, over the whole map")] = "gem:3",
    loss: Annotated[str, typer.Option(help="contrastive, triplet or classification")] = "triplet",
    blocks: Annotated[int, typer.Option(help="how many of the last blocks are trained")] = 4,
    epochs: Annotated[int, typer.Option(help="at most")] = 8,
    rate: Annotated[float, typer.Option(help="of learning, at the beginning")] = 3e-4,
) -> None:
    """Fine-tune a backbone for search on a labelled collection, to be used as the backbone file:PATH."""
    from workbench.learning.descent import Epoch, Settings
    from workbench.learning.finetuning.train import card, finetune

    def report(epoch: Epoch) -> None:
        fell = "untrained" if epoch.loss is None else f"loss {epoch.loss:.3f}"
        print(f"epoch {epoch.number}: {fell}, held-out mAP {percent(epoch.mean_ap)} %", file=sys.stderr)

    settings = Settings(cast(Any, loss), pooling, blocks, epochs, rate)
    command = shlex.join(["workbench", *sys.argv[1:]])
    with progress_bar() as progress:
        bench = opened(progress)
        path = finetune(bench.collection, bench.options, name, backbone, settings, progress, report, command)
    about = card(path)
    for note in about["notes"]:
        print(f"note: {note}", file=sys.stderr)
    before, kept = (about["figures"][number]["mean_ap"] for number in (0, about["kept"]))
    if kept <= before:
        print("note: no epoch was better than the untrained backbone; try another --rate", file=sys.stderr)
    use = f"file:{path}/{pooling}/whole --size {about['size']}"
    print(f"epoch {about['kept']} is written to {path}; use it as {use}")


@app.command()
@opens
def hardnet(
    opened: Opening,
    name: NAME,
    width: Annotated[int, typer.Option(help="channels of the first layer; 32 as published")] = 16,
    steps: Annotated[int, typer.Option(help="of 512 pairs each")] = 700,
    views: Annotated[int, typer.Option(help="that are made of each photo")] = 4,
    rate: Annotated[float, typer.Option(help="of learning, at its highest")] = 2e-3,
    real: Annotated[
        bool, typer.Option("--real", help="other photos of the same thing besides, by outlines or labels")
    ] = False,
) -> None:
    """Train HardNet's local descriptors on any photos, to be used as the backbone hardnet:NAME."""
    from workbench.learning.hardnet.train import Epoch, Settings, train
    from workbench.local.hardnet import card

    def report(epoch: Epoch) -> None:
        wrong = f"{100 * epoch.false_positives:.2f} % false positives at 95 % recall"
        print(f"epoch {epoch.number}: loss {epoch.loss:.3f}, held out {wrong}", file=sys.stderr)

    command = shlex.join(["workbench", *sys.argv[1:]])
    settings = Settings(width, steps, rate, views)
    with progress_bar() as progress:
        bench = opened(progress)
        path = train(bench.collection, bench.options, name, settings, progress, report, command, real)
    lost = card(path)["unreadable"]
    if lost:
        print(f"note: {lost} photos could not be read and are left out", file=sys.stderr)
    print(f"written to {path}; use it as hardnet:{name}/bow:4096/whole")


@app.command()
@opens
def proposals(
    opened: Opening,
    name: NAME,
    backbone: Annotated[str, typer.Option(help="a convolutional backbone")] = "efficientnet_lite0",
    scenes: Annotated[int, typer.Option(help="to be made, of other seeds than the collection's")] = 3000,
    epochs: Annotated[int, typer.Option(help="passes over them")] = 5,
    rate: Annotated[float, typer.Option(help="of learning, at its highest")] = 1e-3,
) -> None:
    """Train region proposals on scenes made like those of posters, to be used as proposals:20:NAME."""
    from workbench.learning.proposals.train import FIRST, Epoch, Settings, train

    def report(epoch: Epoch) -> None:
        found = (
            f"{percent(epoch.recall)} % found by {FIRST} proposals, {percent(epoch.refined)} % moved to fit"
        )
        what = "untrained" if epoch.loss is None else f"epoch {epoch.number}: loss {epoch.loss:.3f}"
        print(f"{what}, held out {found}", file=sys.stderr)

    settings = Settings(scenes, epochs, rate=rate)
    command = shlex.join(["workbench", *sys.argv[1:]])
    with progress_bar() as progress:
        bench = opened(progress)
        path = train(bench.collection, bench.options, name, backbone, settings, progress, report, command)
    print(f"written to {path}; use it as {backbone}/max/proposals:20:{name}")
