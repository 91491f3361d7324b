"""``bench.videos``: the videos of a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from workbench.analysis.summary import Summary, summarise
from workbench.collections.video.shot import Shot
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.copies import MIN_SCORE
from workbench.engine.engine import Engine
from workbench.engine.frame_alignment import FrameAlignment, frame_alignment
from workbench.engine.shots import nearest_moment, shots_of_videos, stored_shots


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

    def shots(self, video: str | None = None, progress: Progress = notebook_progress) -> pd.DataFrame:
        """The shots of a video, or of all: video, shot (its number), start and end in seconds, and keyframe,
        the id of the moment that is nearest to its middle.

        They are detected as the option ``shots`` says, and not taken from ground truth. Raises WorkbenchError
        if the video is not in the collection, or cannot be read.
        """
        videos = None if video is None else [video]
        return self._table(shots_of_videos(self._engine, videos, progress))

    def stored_shots(self, videos: Sequence[str] | None = None) -> pd.DataFrame:
        """The same table of those of the ``videos`` (None: all) whose shots are stored; none is detected."""
        return self._table(stored_shots(self._engine, videos))

    def summary(
        self,
        video: str | Path | None = None,
        *,
        k: int = 12,
        pipeline: str | Config | None = None,
        progress: Progress = notebook_progress,
    ) -> Summary:
        """The ``k`` moments that summarise a video, or all videos, by facility location: see ``Summary``.

        ``video`` is the name of a video of the collection, or its path. Raises WorkbenchError if the
        collection has no videos, or not this one.
        """
        return summarise(self._engine, self._engine.config(pipeline), video, k, progress)

    def _table(self, videos: Mapping[str, Sequence[Shot]]) -> pd.DataFrame:
        rows = [
            (shot.video, number, shot.start, shot.end, nearest_moment(self._engine, shot))
            for shots in videos.values()
            for number, shot in enumerate(shots)
        ]
        return pd.DataFrame(rows, columns=["video", "shot", "start", "end", "keyframe"])

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
