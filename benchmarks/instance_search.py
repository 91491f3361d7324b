"""Instance search in videos by pipeline and sampling: mAP over shots and over videos, and the time error."""

from __future__ import annotations

from typing import Any

from _table import print_table

import workbench
from workbench.common.progress import silent

PIPELINES = [
    "efficientnet_lite0/mean/whole",
    "efficientnet_lite0/gem:3/whole",
    "efficientnet_lite0/max/rmac:3",
    "efficientnet_lite0/max/rmac:3/pcaw:256:0.5",
    "sift/bow:4096/whole",
    "efficientnet_lite0/max/rmac:3/sv:100",
]
SAMPLINGS: list[dict[str, Any]] = [{"fps": 0.5}, {"fps": 1}, {"fps": 2}, {"per_shot": 1}, {"per_shot": 3}]
COLUMNS = ["pipeline", "mAP shots", "mAP videos", "time error, s", "mean, s", "within 1 s, %"]


def main() -> None:
    """Print a row for each pipeline and sampling of the embedded videos."""
    for sampling in SAMPLINGS:
        bench = workbench.open("reels", **sampling)
        rows = []
        for pipeline in PIPELINES:
            evaluation = bench.videos.evaluate(pipeline, progress=silent)
            metrics = evaluation.metrics
            shots, videos, near = (metrics[name] for name in ("mAP_shots", "mAP_videos", "near"))
            errors = metrics["time_error"], metrics["time_error_mean"]
            shares = (f"{100 * shots:.1f}", f"{100 * videos:.1f}")
            rows.append((pipeline, *shares, *(f"{error:.2f}" for error in errors), f"{100 * near:.1f}"))
        print(f"reels (semi-synthetic), {evaluation.moments} moments: {evaluation.sampling}\n")
        print_table(COLUMNS, rows)


if __name__ == "__main__":
    main()
