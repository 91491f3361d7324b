"""mAP on posters by the runtime that computes the feature maps: PyTorch, and OpenVINO."""

from __future__ import annotations

import tempfile

from _table import print_table

import workbench
from workbench.evaluation.comparison import paired_difference

PIPELINES = (
    "efficientnet_lite0/max/rmac:3/pcaw:256",
    "efficientnet_lite0/mean/whole/pcaw:256",
    "efficientnet_lite0/gem:3/whole",
)


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        benches = [
            workbench.open("posters", cache=cache, runtime=runtime) for runtime in ("torch", "openvino")
        ]
        for pipeline in PIPELINES:
            aps = [
                bench.evaluate(pipeline, localise=False).per_query.set_index("query")["ap"]
                for bench in benches
            ]
            difference = paired_difference(aps[0], aps[1][aps[0].index])
            interval = f"{100 * difference.low:+.2f} to {100 * difference.high:+.2f}"
            rows.append(
                [
                    pipeline,
                    *(f"{100 * ap.mean():.2f}" for ap in aps),
                    f"{100 * difference.mean:+.2f}",
                    interval,
                ]
            )
    print_table(["pipeline", "mAP % PyTorch", "mAP % OpenVINO", "difference", "95 % interval"], rows)


if __name__ == "__main__":
    main()
