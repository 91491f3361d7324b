"""Alignments of videos and judged copies, made by hand."""

from __future__ import annotations

import numpy as np

from workbench.collections.video.truth import CopiedSegment
from workbench.common.tables import Table
from workbench.engine.copies import COLUMNS
from workbench.engine.copy_evaluation import CopyEvaluation, judged
from workbench.engine.frame_alignment import FrameAlignment


def alignment_of(
    query: str = "q.mp4", video: str = "a.mp4", frames: tuple[int, int] = (3, 5), pipeline: str = "p"
) -> FrameAlignment:
    """Frames of which the n-th of the query is the n-th of the video."""
    similarities = np.eye(*frames)
    end = float(min(frames))
    table = Table([(0.0, end, video, 0.0, end, end)], columns=COLUMNS)
    query_times, times = (np.arange(float(count)) for count in frames)
    return FrameAlignment(query, video, query_times, times, similarities, table, False, pipeline, "videos")


def copies_judged(
    kinds: tuple[str, ...] = ("grey", "mirrored"), pipeline: str = "p", collection: str = "videos"
) -> CopyEvaluation:
    """A copied segment for each kind, of which the first is detected, after a wrong detection."""
    copies = [CopiedSegment(f"q{n}", 0.0, 10.0, f"{n}.mp4", 20.0, 30.0, kind) for n, kind in enumerate(kinds)]
    detections = [("q1", 0.0, 10.0, "x.mp4", 0.0, 10.0, 9.0), ("q0", 0.0, 8.0, "0.mp4", 20.0, 28.0, 7.0)]
    return judged(Table(detections, columns=["query", *COLUMNS]), copies, pipeline, collection)
