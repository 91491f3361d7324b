"""Fine-tuning for search: what a similar training set gives, what it costs on other photos, neural codes.

Settings are chosen by the mAP of held-out training images (seed 0), then trained from three seeds and judged
on test sets that had no say. What is trained already is used again: the run may be broken off and goes on.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from _photos import DATASETS, grocery
from _table import print_table

import workbench
from workbench.collections.folder import open_folder
from workbench.collections.labels import open_csv
from workbench.config import WorkbenchError
from workbench.evaluation.comparison import paired_difference
from workbench.features.maps import Options
from workbench.learning.finetuning.train import Settings, card, finetune
from workbench.learning.trainer import Epoch
from workbench.opening import default_cache

BACKBONE, POOLING, SIZE = "efficientnet_lite0", "gem:3", 320
SEEDS = (0, 1, 2)
DIMENSIONS = (16, 32, 64, 128, 256, 512)
FIRST = Settings("contrastive", POOLING, rate=1e-4)
TRIED = {
    "contrastive": FIRST,
    "triplet": replace(FIRST, loss="triplet"),
    "classification": replace(FIRST, loss="classification"),
    "contrastive-fast": replace(FIRST, rate=3e-4),
    "triplet-fast": replace(FIRST, loss="triplet", rate=3e-4),
    "classification-fast": replace(FIRST, loss="classification", rate=3e-4),
    "contrastive-deep": replace(FIRST, blocks=6),
}


if not DATASETS.is_dir():
    print(f"Without the photos in {str(DATASETS)!r} there is nothing to train on.")
    sys.exit()
TESTS = {  # name → what is opened, and how
    "grocery, test": {"name": str(grocery("test"))},
    "scenes": {"name": str(DATASETS / "scenes"), "labels": "folders"},
    "scenes among 1,000 photos": {
        "name": str(DATASETS / "scenes"),
        "labels": "folders",
        "distractors": str(DATASETS / "imagenet_sample"),
    },
    "posters": {"name": "posters"},
}
PAIRS = {  # trained on → tested on
    "grocery": tuple(TESTS),
    "scenes": ("grocery, test", "posters"),
}


def trained(name: str, settings: Settings, seed: int, on: str = "grocery") -> Path:
    """The file of a training, which is done where it has not been yet."""
    collection = open_csv(grocery("train")) if on == "grocery" else open_folder(DATASETS / on, "folders")
    options = Options(size=SIZE, seed=seed, cache=default_cache())
    name = f"benchmark-{on}-{name}-{seed}"
    path = options.cache / "learned" / f"{name}.safetensors"
    if path.is_file() and not path.with_suffix(".training").exists():
        return path

    def report(epoch: Epoch) -> None:
        print(name, epoch, file=sys.stderr, flush=True)

    return finetune(collection, options, name, BACKBONE, settings, report=report)


def tried() -> dict[str, float]:
    """Print what was tried; the mAP on the held-out images that each came to."""
    rows, found = [], {}
    for name, settings in TRIED.items():
        try:
            about = card(trained(name, settings, SEEDS[0]))
        except WorkbenchError as error:
            rows.append([name, str(error), "", "", "", ""])
            continue
        found[name] = max(epoch["mean_ap"] for epoch in about["figures"][1:])
        before = about["figures"][0]["mean_ap"]
        said = [settings.loss, str(settings.blocks), f"{settings.rate:g}", str(about["kept"])]
        rows.append([*said, f"{100 * before:.1f}", f"{100 * found[name]:.1f}"])
    print_table(["loss", "blocks", "rate", "best epoch", "held out, before %", "held out, after %"], rows)
    return found


def aps(test: str, backbone: str, descriptor: str = f"{POOLING}/whole") -> np.ndarray:
    """AP of each query of a test set."""
    bench = workbench.open(**TESTS[test], size=SIZE)
    evaluation = bench.evaluate(f"{backbone}/{descriptor}", localise=False)
    return evaluation.per_query["ap"].to_numpy(np.float64)


def transfer(chosen: str) -> None:
    """Print what training on each set, from each seed, does to each test set."""
    rows = []
    for on, tests in PAIRS.items():
        files = [f"file:{trained(chosen, TRIED[chosen], seed, on)}" for seed in SEEDS]
        for test in tests:
            before = aps(test, BACKBONE)
            after = np.stack([aps(test, file) for file in files])
            found = paired_difference(before, after.mean(0))
            seeds = " · ".join(f"{100 * np.nanmean(one):.1f}" for one in after)
            interval = f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
            rows.append([on, test, f"{100 * np.nanmean(before):.1f}", seeds, interval])
    columns = ["trained on", "tested on", "before, mAP %", "after, of each seed", "difference, 95 % interval"]
    print_table(columns, rows)


def neural_codes(backbones: dict[str, list[str]]) -> None:
    """Print mAP on grocery's test set by dimensions, the mean over the files of each kind."""
    rows = []
    for descriptor in ("mean/whole", f"{POOLING}/whole"):
        for name, files in backbones.items():
            steps = [f"/pca:{dimensions}" for dimensions in DIMENSIONS] + [""]
            of_each = [
                [np.nanmean(aps("grocery, test", file, descriptor + step)) for step in steps]
                for file in files
            ]
            rows.append([descriptor, name, *(f"{100 * mean_ap:.1f}" for mean_ap in np.mean(of_each, 0))])
    print_table(["descriptor", "backbone", *map(str, DIMENSIONS), "all 1280"], rows)


def main() -> None:
    found = tried()
    chosen = max(found, key=lambda name: found[name])
    print(f"Chosen: {chosen}\n", flush=True)
    transfer(chosen)
    retrained = max((name for name in found if TRIED[name].loss == "classification"), key=lambda n: found[n])
    files = [f"file:{trained(chosen, TRIED[chosen], seed)}" for seed in SEEDS]
    code = [f"file:{trained(retrained, TRIED[retrained], SEEDS[0])}"]
    kinds = {"untrained": [BACKBONE], f"{retrained}, seed {SEEDS[0]}": code}
    neural_codes(kinds | {f"{chosen}, mean of {len(SEEDS)} seeds": files})


if __name__ == "__main__":
    main()
