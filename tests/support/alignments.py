"""Alignments of two videos made by hand."""

from __future__ import annotations

import numpy as np

from workbench.common.tables import Table
from workbench.engine.copies import COLUMNS
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
