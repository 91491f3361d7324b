"""Copy detection on ``reels``: both alignments, and the query with and without borders and mirroring."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from _table import print_table
from _temporal_network import align_by_paths

import workbench
from workbench.collections.collection import Collection
from workbench.common.progress import silent
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.engine.copies import COLUMNS, Frames, copy_search, moments_of
from workbench.engine.copy_evaluation import LEAST, CopyEvaluation, judged
from workbench.engine.searcher import Searcher
from workbench.engine.video_query import borders, frame_vectors
from workbench.search import copy_segments
from workbench.search.copy_segments import candidates, copied_segments, without_overlaps
from workbench.search.temporal_alignment import align

PIPELINES = (
    "efficientnet_lite0/max/rmac:3/pcaw:256",
    "efficientnet_lite0/max/rmac:3",
    "efficientnet_lite0/gem:3/whole",
    "efficientnet_lite0/gem:3/whole/pcaw:256:0.25",
)


def main() -> None:
    bench = workbench.open("reels")
    truth = bench.collection.video_truth
    assert truth is not None
    rows = []
    for pipeline in PIPELINES:
        forms: dict[str, dict[tuple[bool, bool], Frames]] = {}
        for name in truth.copy_queries:
            query, searcher = copy_search(bench.engine, Config.parse(pipeline), name, 1.0, silent)
            box = borders(query, bench.options.cache)
            forms[name] = {}
            for mirrored in (False, True):
                for cut in (False, True):
                    numbers, vectors = frame_vectors(
                        searcher.described, query, box if cut else None, mirrored, silent
                    )
                    forms[name][mirrored, cut] = Frames(query.times[numbers], vectors, mirrored)

        for title, mirrored, cut, aligner in (
            ("Hough", True, True, align),
            ("paths", True, True, align_by_paths),
            ("Hough, not mirrored", False, True, align),
            ("Hough, with borders", True, False, align),
        ):
            result = evaluated(bench.collection, searcher, forms, mirrored, cut, aligner)
            overlap = float(np.average(result.transformations["iou"]))
            measured = [100 * result.metrics[name] for name in ("µAP", "F1", "precision", "recall")]
            rows.append([f"`{pipeline}`", title, *(f"{value:.1f}" for value in measured), f"{overlap:.2f}"])
            rows[-1].append(f"{result.false_alarms} of {result.negatives}")
            print(*rows[-1], flush=True)
    print_table(
        ["pipeline", "alignment", "µAP %", "F1 %", "precision %", "recall %", "IoU", "false alarms"], rows
    )


def evaluated(
    collection: Collection,
    searcher: Searcher,
    forms: dict[str, dict[tuple[bool, bool], Frames]],
    mirrored: bool,
    cut: bool,
    aligner: Callable[..., object],
) -> CopyEvaluation:
    """Copy detection by the frames ``forms[query][mirrored, without borders]``."""
    truth, moments = collection.video_truth, moments_of(searcher)
    assert truth is not None
    copy_segments.align = aligner  # type: ignore[assignment]
    detections = []
    for name, frames in forms.items():
        segments = []
        for form in (False, True) if mirrored else (False,):
            one = frames[form, cut]
            pairs = candidates(searcher.index.search(one.vectors), searcher.index.size)
            segments += copied_segments(pairs, one.times, moments.videos, moments.times, least=LEAST)
        detections += [
            (name, a.query_start, a.query_end, moments.names[video], a.start, a.end, a.score)
            for video, a in without_overlaps(segments)
        ]
    table = Table(detections, columns=["query", *COLUMNS])
    return judged(table, truth.copies, str(searcher.config), collection.name, (), truth.negatives)


if __name__ == "__main__":
    main()
