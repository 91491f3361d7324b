"""``bench.videos``: the videos of a collection."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.copies import MIN_SCORE
from workbench.engine.copy_evaluation import CopyEvaluation, evaluate_copies
from workbench.engine.engine import Engine
from workbench.engine.frame_alignment import FrameAlignment, frame_alignment


class VideoAccessor:
    """The methods of a bench that work on videos and their moments."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def table(self) -> pd.DataFrame:
        """The videos of the collection: video, seconds, fps, width, height, moments."""
        from workbench.collections.video.header import video_header  # OpenCV, which images do not need

        collection = self._engine.collection
        rows = []
        for video, moments in collection.videos.items():
            header = video_header(collection.path(video))
            rows.append((video, header.seconds, header.fps, header.width, header.height, len(moments)))
        return pd.DataFrame(rows, columns=["video", "seconds", "fps", "width", "height", "moments"])

    def alignment(
        self,
        query_video: str | Path,
        video: str | Path,
        *,
        pipeline: str | Config | None = None,
        fps: float = 1.0,
        min_score: float = MIN_SCORE,
        progress: Progress = notebook_progress,
    ) -> FrameAlignment:
        """Align a video (as ``Bench.copies`` takes it) with one video of the collection, frame by frame.

        Raises WorkbenchError if there is no such video, or if ``video`` is not in the collection.
        """
        config = self._engine.config(pipeline)
        return frame_alignment(self._engine, config, query_video, video, fps, min_score, progress)

    def evaluate_copies(
        self,
        pipeline: str | Config | None = None,
        *,
        fps: float = 1.0,
        progress: Progress = notebook_progress,
    ) -> CopyEvaluation:
        """Find the copies of the query videos of the ground truth, and judge the segments.

        See ``CopyEvaluation``: µAP, F1 at an intersection over union of 0.5 in both videos, and a table by
        transformation. Raises WorkbenchError if the ground truth knows no copies.
        """
        return evaluate_copies(self._engine, self._engine.config(pipeline), fps, progress)
