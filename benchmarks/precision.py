"""The cost of extraction in bfloat16: the same pipelines on maps extracted in float32 and in bfloat16."""

from __future__ import annotations

import sys

from _photos import RESIZE
from _table import print_table

import workbench

PIPELINES = [
    "efficientnet_lite0/max/rmac:3/pcaw:256",
    "efficientnet_lite0/mean/whole/pcaw:256",
    "efficientnet_lite0/gem:3/whole",
]


def main() -> None:
    """Print the mAP in both precisions, on ``posters`` and on labelled folders given as arguments."""
    rows = []
    for name in ["posters", *sys.argv[1:]]:
        benches = {
            precision: workbench.open(name, labels="folders", precision=precision, resize=RESIZE)
            for precision in ("float32", "bfloat16")
        }
        for pipeline in PIPELINES:
            single, half = (benches[p].evaluate(pipeline, localise=False) for p in ("float32", "bfloat16"))
            change = 100 * (half.per_query["ap"] - single.per_query["ap"])
            rows.append(
                [
                    single.collection,
                    pipeline,
                    f"{100 * single.mean_ap:.2f}",
                    f"{100 * half.mean_ap:.2f}",
                    f"{change.mean():+.2f}",
                    f"{change.abs().max():.1f}",
                ]
            )
    columns = [
        "collection",
        "pipeline",
        "mAP % float32",
        "mAP % bfloat16",
        "mean change",
        "largest of a query",
    ]
    print_table(columns, rows)


if __name__ == "__main__":
    main()
