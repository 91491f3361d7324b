"""The lecture's table: bags of words, verification, expansion, global descriptors, and both together.

The mAP of each pipeline on the embedded posters and on multi-view photos; differences are paired by query.
"""

from __future__ import annotations

import sys

import numpy as np
from _photos import DATASETS, RESIZE
from _table import print_table

import workbench
from workbench.bench.bench import Bench
from workbench.evaluation.comparison import paired_difference

GLOBAL = "efficientnet_lite0/max/rmac:3"
BOUNDS = ("mAP_optimistic", "mAP_pessimistic")  # all ties resolved for and against the positives
CHOICES = [f"sift/bow:{n}/whole" for n in (256, 1024, 4096, 8192)]


def words(*steps: str) -> list[str]:
    """Pipelines of bags of words, by each descriptor and each of the steps."""
    return [f"{name}/bow:4096/whole{step}" for name in ("sift", "hardnet") for step in steps]


POSTERS = [
    *words("", "/power:0.5", "/he:24", "/power:0.5/sv:50", "/power:0.5/sv:50/aqe:5", "/he:24/sv:50"),
    *(f"{GLOBAL}{steps}" for steps in ("", "/pcaw:256", "/pcaw:256/aqe:5")),
    *(f"{GLOBAL}/pcaw:256/sv:50:{name}{then}" for name in ("sift", "hardnet") for then in ("", "/aqe:5")),
    f"{GLOBAL}/sv:50:hardnet",
]
# A query of scenes has about twenty positives among 187 images, and whitening lowers its mAP.
SCENES = [
    *words("", "/power:0.5"),
    *(f"sift/bow:4096/whole{steps}" for steps in ("/he:24", "/power:0.5/sv:25", "/power:0.5/sv:25/aqe:5")),
    "sift/bow:4096/whole/he:24/sv:25",
    GLOBAL,
]


def table(title: str, bench: Bench, pipelines: list[str], base: str) -> None:
    """Print the measures of pipelines, and their differences from ``base``."""
    base_ap = ap(bench, base)
    rows = []
    for pipeline in pipelines:
        print(title, pipeline, file=sys.stderr, flush=True)
        evaluation = bench.evaluate(pipeline, localise=False)
        change = paired_difference(base_ap, ap(bench, pipeline))
        settings = [name for name in evaluation.metrics if name.startswith("mAP") and name not in BOUNDS]
        pair = next((v for n, v in evaluation.provenance["timings"].items() if "a pair" in n), None)
        rows.append(
            [
                f"`{pipeline}`",
                *(f"{100 * evaluation.metrics[name]:.1f}" for name in settings),
                f"{100 * change.mean:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})",
                f"{evaluation.costs['bytes'] / 1024:.1f}",
                f"{evaluation.costs['milliseconds']:.1f}",
                "" if pair is None else f"{pair:.1f}",
            ]
        )
    print(f"{title}; differences are from `{base}`\n")
    measures = [f"{name.replace('_', ', ')} %" for name in settings]
    print_table(["pipeline", *measures, "difference, 95 %", "KB an image", "ms a query", "ms a pair"], rows)


def ap(bench: Bench, pipeline: str) -> np.ndarray:
    """The AP of each query."""
    return bench.evaluate(pipeline, localise=False).per_query["ap"].to_numpy(np.float64)


def main() -> None:
    posters = workbench.open("posters", resize=RESIZE)
    table("posters, the number of words", posters, CHOICES, CHOICES[2])
    table("posters", posters, POSTERS, "sift/bow:4096/whole")
    if DATASETS.is_dir():
        table(
            "scenes",
            workbench.open(DATASETS / "scenes", "folders", resize=RESIZE),
            SCENES,
            "sift/bow:4096/whole",
        )


if __name__ == "__main__":
    main()
