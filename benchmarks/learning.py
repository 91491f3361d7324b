"""Fine-tuning for search: its gain on similar photos, its loss on other photos, and neural codes.

Settings are chosen by the mAP of held-out training images (seed 0), then trained from three seeds and
evaluated on test sets that were not used for the choice. Trained files are saved, so that an interrupted run
can be continued.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from _photos import DATASETS, RESIZE, grocery
from _table import print_table

import workbench
from workbench.collections.folder import open_folder
from workbench.collections.labels import open_csv
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options, default_cache
from workbench.evaluation.comparison import paired_difference
from workbench.learning.finetuning.train import FinetuningSettings, card, finetune
from workbench.learning.trainer import Epoch

BACKBONE, POOLING, SIZE = "efficientnet_lite0", "gem:3", 320
SEEDS = (0, 1, 2)
DIMENSIONS = (16, 32, 64, 128, 256, 512)
FIRST = FinetuningSettings("contrastive", POOLING, rate=1e-4)
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
    print(f"The photos in {str(DATASETS)!r} are missing, so nothing can be trained.")
    sys.exit()
TESTS = {  # name → arguments of ``workbench.open``
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


def trained(name: str, settings: FinetuningSettings, seed: int, training_set: str = "grocery") -> Path:
    """The trained file, trained now unless it is saved."""
    collection = (
        open_csv(grocery("train"))
        if training_set == "grocery"
        else open_folder(DATASETS / training_set, "folders")
    )
    options = Options(size=SIZE, seed=seed, cache=default_cache())
    name = f"benchmark-{training_set}-{name}-{seed}"
    path = options.cache / "learned" / f"{name}.safetensors"
    if path.is_file() and not path.with_suffix(".training").exists():
        return path

    def report(epoch: Epoch) -> None:
        print(name, epoch, file=sys.stderr, flush=True)

    return finetune(collection, options, name, BACKBONE, settings, report=report)


def try_settings() -> dict[str, float]:
    """Print a table of the tried settings, and return the mAP of each on the held-out images."""
    rows, mean_aps = [], {}
    for name, settings in TRIED.items():
        try:
            details = card(trained(name, settings, SEEDS[0]))
        except WorkbenchError as error:
            rows.append([name, str(error), "", "", "", ""])
            continue
        mean_aps[name] = max(epoch["mean_ap"] for epoch in details["figures"][1:])
        before = details["figures"][0]["mean_ap"]
        columns = [settings.loss, str(settings.blocks), f"{settings.rate:g}", str(details["kept"])]
        rows.append([*columns, f"{100 * before:.1f}", f"{100 * mean_aps[name]:.1f}"])
    print_table(["loss", "blocks", "rate", "best epoch", "held out, before %", "held out, after %"], rows)
    return mean_aps


def aps(test: str, backbone: str, descriptor: str = f"{POOLING}/whole") -> np.ndarray:
    """The AP of each query of a test set."""
    bench = workbench.open(**TESTS[test], size=SIZE, resize=RESIZE)
    evaluation = bench.evaluate(f"{backbone}/{descriptor}", localise=False)
    return evaluation.per_query["ap"].to_numpy(np.float64)


def transfer(chosen: str) -> None:
    """Print the change of mAP on each test set by training on each set, from each seed."""
    rows = []
    for training_set, tests in PAIRS.items():
        files = [f"file:{trained(chosen, TRIED[chosen], seed, training_set)}" for seed in SEEDS]
        for test in tests:
            before = aps(test, BACKBONE)
            after = np.stack([aps(test, file) for file in files])
            change = paired_difference(before, after.mean(0))
            seeds = " · ".join(f"{100 * np.nanmean(seed_ap):.1f}" for seed_ap in after)
            interval = f"{100 * change.mean:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
            rows.append([training_set, test, f"{100 * np.nanmean(before):.1f}", seeds, interval])
    columns = ["trained on", "tested on", "before, mAP %", "after, of each seed", "difference, 95 % interval"]
    print_table(columns, rows)


def neural_codes(backbones: dict[str, list[str]]) -> None:
    """Print mAP on grocery's test set by dimensions, the mean over the files of each kind."""
    rows = []
    for descriptor in ("mean/whole", f"{POOLING}/whole"):
        for name, files in backbones.items():
            steps = [f"/pca:{dimensions}" for dimensions in DIMENSIONS] + [""]
            file_mean_aps = [
                [np.nanmean(aps("grocery, test", file, descriptor + step)) for step in steps]
                for file in files
            ]
            rows.append(
                [descriptor, name, *(f"{100 * mean_ap:.1f}" for mean_ap in np.mean(file_mean_aps, 0))]
            )
    print_table(["descriptor", "backbone", *map(str, DIMENSIONS), "all 1280"], rows)


def main() -> None:
    mean_aps = try_settings()
    chosen = max(mean_aps, key=lambda name: mean_aps[name])
    print(f"Chosen: {chosen}\n", flush=True)
    transfer(chosen)
    retrained = max(
        (name for name in mean_aps if TRIED[name].loss == "classification"), key=lambda n: mean_aps[n]
    )
    files = [f"file:{trained(chosen, TRIED[chosen], seed)}" for seed in SEEDS]
    retrained_files = [f"file:{trained(retrained, TRIED[retrained], SEEDS[0])}"]
    kinds = {"untrained": [BACKBONE], f"{retrained}, seed {SEEDS[0]}": retrained_files}
    neural_codes(kinds | {f"{chosen}, mean of {len(SEEDS)} seeds": files})


if __name__ == "__main__":
    main()
