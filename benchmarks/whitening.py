"""Whitening fitted on one collection and applied to another: a comparison of training collections.

R-MAC with the embedded backbone. Whitenings are saved, and fitted once. Differences are from no whitening,
paired by query, with a 95 % bootstrap interval.
"""

from __future__ import annotations

import sys

from _photos import DATASETS, RESIZE, grocery
from _table import print_table

import workbench
from workbench.bench.bench import Bench
from workbench.evaluation.comparison import paired_difference
from workbench.features.cards import trained_path
from workbench.learning.whitening import fit_whitening

RMAC, DIMENSIONS = "efficientnet_lite0/max/rmac:3", 128


def collections() -> tuple[dict[str, Bench], dict[str, Bench]]:
    """The collections to fit on and the collections to test on, by name."""
    fitted, tested = (
        {"posters": workbench.open("posters", resize=RESIZE)},
        {"posters": workbench.open("posters", resize=RESIZE)},
    )
    for name in ("imagenet_sample", "scenes"):
        if (DATASETS / name).is_dir():
            fitted[name] = workbench.open(
                DATASETS / name, "none" if name == "imagenet_sample" else "folders", resize=RESIZE
            )
    if "scenes" in fitted:
        tested["scenes"] = fitted["scenes"]
    if (DATASETS / "grocery").is_dir():
        fitted["grocery train"] = workbench.open(grocery("train"), resize=RESIZE)
        tested["grocery test"] = workbench.open(grocery("test"), resize=RESIZE)
    return fitted, tested


def main() -> None:
    fitted, tested = collections()
    steps = {"no whitening": ""}
    for kind in ("pcaw", "lw"):
        steps[f"{kind}, itself"] = f"/{kind}:{DIMENSIONS}"
        for collection, bench in fitted.items():
            if kind == "lw" and bench.collection.protocol is None:
                continue
            name = f"benchmark-{kind}-{collection.replace(' ', '-').replace('_', '-')}"
            if not trained_path(bench.options.cache, name).is_file():
                print(f"fitting {name}", file=sys.stderr)
                fit_whitening(bench.collection, bench.options, f"{RMAC}/{kind}:{DIMENSIONS}", name)
            steps[f"{kind}, {collection}"] = f"/{kind}:{DIMENSIONS}:{name}"
    rows = []
    for title, step in steps.items():
        row = [title]
        for name, bench in tested.items():
            if title.endswith(name):
                row.append("")  # the same as fitted on itself
                continue
            ap = bench.evaluate(f"{RMAC}{step}", localise=False).per_query["ap"].to_numpy()
            plain = bench.evaluate(RMAC, localise=False).per_query["ap"].to_numpy()
            change = paired_difference(plain, ap)
            interval = f" ({100 * change.low:+.1f} to {100 * change.high:+.1f})" if step else ""
            row.append(f"{100 * bench.evaluate(f'{RMAC}{step}', localise=False).mean_ap:.1f}{interval}")
        rows.append(row)
    print_table(["fitted on", *(f"{name}, mAP %" for name in tested)], rows)


if __name__ == "__main__":
    main()
