"""Deep local features: mAP of cells compared by words, against R-MAC and words of RootSIFT, paired by query.

``python benchmarks/deep_features.py`` measures PCA whitening that is fitted to the tested collection, and
whitening that is trained on ``grocery``, which it does first. With the argument ``vgg`` it measures VGG-16,
and with ``backbone`` a backbone that it trains on ``grocery``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from _photos import DATASETS, RESIZE, grocery
from _table import print_table
from words import ap

import workbench
from workbench.bench.bench import Bench
from workbench.evaluation.comparison import paired_difference
from workbench.features.cards import trained_path
from workbench.learning.finetuning.train import FinetuningSettings, finetune
from workbench.learning.whitening import fit_whitening

WORDS = int(os.environ.get("WORDS", "1024"))
BACKBONE = "efficientnet_lite0"
NAME, TUNED = "grocery-cells", "grocery-asmk"
CELLS = f"asmk:{WORDS}/whole"
PIPELINES = [
    f"{BACKBONE}/max/rmac:3",
    f"sift/{CELLS}",
    f"{BACKBONE}/{CELLS}/pcaw:128",
    f"{BACKBONE}/{CELLS}/scales:3/pcaw:128",
    f"{BACKBONE}/{CELLS}/scales:3/pca:128",
    f"{BACKBONE}/{CELLS}/scales:3/pcaw:128:{NAME}-pca",
    f"{BACKBONE}/{CELLS}/scales:3/lw:128:{NAME}",
]
VGG = [
    f"vgg16@conv5_3/{parts}" for parts in ("max/rmac:3", f"{CELLS}/pcaw:128", f"{CELLS}/scales:3/pcaw:128")
]


def train_whitenings(bench: Bench) -> None:
    """Fit and train on groceries the whitenings that are not there yet."""
    for step, name in (("pcaw:128", f"{NAME}-pca"), ("lw:128", NAME)):
        if not trained_path(bench.options.cache, name).is_file():
            pipeline = f"{BACKBONE}/{CELLS}/{step}"
            fit_whitening(bench.collection, bench.options, pipeline, name, report=print_error)


def train_backbone(bench: Bench) -> str:
    """The backbone that is trained on groceries through its cells."""
    path = trained_path(bench.options.cache, TUNED)
    if not path.is_file():
        settings = FinetuningSettings(loss="contrastive", pooling=f"asmk:{WORDS}", rate=1e-4)
        finetune(bench.collection, bench.options, TUNED, BACKBONE, settings, report=print_error)
    return f"file:{path}"


def print_error(epoch: object) -> None:
    print(epoch, file=sys.stderr, flush=True)


def table(title: str, bench: Bench, pipelines: Sequence[str]) -> None:
    """Print the measures of pipelines, and their differences from the first and the second."""
    bases = [ap(bench, pipeline) for pipeline in pipelines[:2]]
    rows = []
    for pipeline in pipelines:
        evaluation = bench.evaluate(pipeline, localise=False)
        print(title, pipeline, f"{100 * evaluation.mean_ap:.1f}", file=sys.stderr, flush=True)
        changes = [paired_difference(base, ap(bench, pipeline)) for base in bases]
        names = [name for name in evaluation.metrics if name.startswith("mAP")]
        settings = [name for name in names if not name.endswith("istic")]  # of ties
        rows.append(
            [
                f"`{pipeline.replace(str(bench.options.cache), 'data')}`",
                *(f"{100 * evaluation.metrics[name]:.1f}" for name in settings),
                *(f"{100 * c.mean:+.1f} ({100 * c.low:+.1f} to {100 * c.high:+.1f})" for c in changes),
                f"{evaluation.costs['bytes'] / 1024:.1f}",
                f"{evaluation.costs['milliseconds']:.1f}",
            ]
        )
    print(f"{title}, {len(bench.collection.images)} images\n")
    measures = [f"{name.replace('_', ', ')} %" for name in settings]
    print_table(["pipeline", *measures, "from R-MAC", "from RootSIFT", "KB an image", "ms a query"], rows)


def main() -> None:
    groceries = workbench.open(grocery("train"), resize=RESIZE, size=320)
    train_whitenings(groceries)
    pipelines = list(PIPELINES)
    if "vgg" in sys.argv:
        pipelines = [*PIPELINES[:2], *VGG]
    if "backbone" in sys.argv:
        tuned = train_backbone(groceries)
        pipelines = [*PIPELINES[:2], f"{tuned}/max/rmac:3", f"{tuned}/{CELLS}/scales:3/pcaw:128"]
    table("scenes", workbench.open(DATASETS / "scenes", "folders", resize=RESIZE), pipelines)
    table("posters", workbench.open("posters", resize=RESIZE), pipelines)


if __name__ == "__main__":
    main()
