"""Detection of events in the embedded videos, by queries whose appearances are known, at IoU 0.5."""

from __future__ import annotations

from statistics import median
from typing import Any

from _table import print_table

import workbench
from workbench.common.progress import silent

PIPELINES = [
    "efficientnet_lite0/max/rmac:3/pcaw:256",
    "efficientnet_lite0/max/rmac:3",
    "efficientnet_lite0/gem:3/whole",
]
THRESHOLDS = (None, 3.0)
COLUMNS = ["pipeline", "threshold", "detected", "right", "precision", "recall", "F1, %", "error of an end, s"]


def overlap(event: Any, true: Any) -> float:
    """The intersection over the union of two intervals, below 0 if they are apart."""
    common = min(event.end, true.end) - max(event.start, true.start)
    return float(common / (max(event.end, true.end) - min(event.start, true.start)))


def main() -> None:
    """Print a row for each pipeline and threshold."""
    bench = workbench.open("reels")
    truth = bench.collection.video_truth
    assert truth is not None
    rows = []
    for pipeline in PIPELINES:
        for threshold in THRESHOLDS:
            detected, errors = 0, []
            for query in bench.collection.queries:
                left = [true for true in truth.appearances if true.query == query.id]
                events = bench.videos.events(query.id, 2.0, threshold, pipeline=pipeline, progress=silent)
                detected += len(events.table)
                for event in events.table.itertuples():
                    same = [t for t in left if t.video == event.video and overlap(event, t) >= 0.5]
                    if same:
                        left.remove(same[0])
                        errors += [abs(event.start - same[0].start), abs(event.end - same[0].end)]
            right, count = len(errors) // 2, len(truth.appearances)
            shares = right / max(detected, 1), right / count, 2 * right / (detected + count)
            shown = "default" if threshold is None else f"{threshold:g}"
            counted = shown, str(detected), str(right)
            error = f"{median(errors):.2f}" if errors else "–"
            rows.append((pipeline, *counted, *(f"{100 * share:.1f}" for share in shares), error))
    print(
        f"reels (semi-synthetic), {len(truth.appearances)} appearances of {len(bench.collection.queries)}\n"
    )
    print_table(COLUMNS, rows)


if __name__ == "__main__":
    main()
