"""Exact resizing against resizing to whole cells of the network: extraction speed, and mAP.

Speed: photos of many shapes, described from an empty cache. mAP: paired by query, with a 95 % bootstrap
interval. AlexNet needs its weights (``WORKBENCH_WEIGHTS``).
"""

from __future__ import annotations

import tempfile
import time

from _photos import DATASETS, grocery
from _table import print_table

import workbench
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.config.options import RESIZES
from workbench.engine.evaluate import evaluate
from workbench.evaluation.comparison import paired_difference
from workbench.features.weights import availability

PIPELINES = {
    "efficientnet_lite0": ("max/rmac:3", "max/whole", "mean/whole"),
    "alexnet": ("max/rmac:3", "max/whole"),
}


def speed() -> None:
    rows = []
    for name in ("imagenet_sample", "scenes"):
        if not (DATASETS / name).is_dir():
            continue
        rate = dict.fromkeys(RESIZES, 0.0)
        for resize in (*RESIZES, *RESIZES):  # the better of two runs in turn
            with tempfile.TemporaryDirectory() as cache:
                bench = workbench.open(DATASETS / name, cache=cache, resize=resize)
                started = time.perf_counter()
                bench.engine.describe(Config.parse("efficientnet_lite0/max/whole"))
                seconds = time.perf_counter() - started
                rate[resize] = max(rate[resize], len(bench.collection.images) / seconds)
        exact, cells = (rate[resize] for resize in RESIZES)
        rows.append([name, f"{exact:.1f}", f"{cells:.1f}", f"{exact / cells:.2f}"])
    print_table(["photos", "exact, images/s", "cells, images/s", "exact / cells"], rows)


def benches(resize: str) -> dict[str, Bench]:
    opened = {"posters": workbench.open("posters", resize=resize)}
    if (DATASETS / "scenes").is_dir():
        opened["scenes"] = workbench.open(DATASETS / "scenes", "folders", resize=resize)
    if (DATASETS / "grocery").is_dir():
        opened["grocery test"] = workbench.open(grocery("test"), resize=resize)
    return opened


def main() -> None:
    speed()
    exact, cells = (benches(resize) for resize in RESIZES)
    rows = []
    for backbone, ways in PIPELINES.items():
        if availability(backbone, next(iter(exact.values())).options.weights) not in ("embedded", "ready"):
            continue
        for way in ways:
            row = [f"{backbone}/{way}"]
            for name in exact:
                ap = [
                    evaluate(bench[name].engine.searcher(Config.parse(f"{backbone}/{way}"))).per_query["ap"]
                    for bench in (cells, exact)
                ]
                change = paired_difference(*(values.to_numpy() for values in ap))
                row.append(f"{100 * ap[1].mean():.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})")
            rows.append(row)
    print_table(["pipeline", *(f"{name}, mAP % exact (exact − cells)" for name in exact)], rows)


if __name__ == "__main__":
    main()
