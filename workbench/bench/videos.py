"""``bench.videos``: the videos of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.analysis.events import Events, detect_events
from workbench.analysis.summary import Summary, summarise
from workbench.common.geometry import Box
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.copies import MIN_SCORE
from workbench.engine.copy_evaluation import CopyEvaluation, evaluate_copies
from workbench.engine.engine import Engine
from workbench.engine.frame_alignment import FrameAlignment, frame_alignment
from workbench.engine.moment_evaluation import MomentEvaluation, evaluate_moments
from workbench.engine.moment_search import Group, search_groups
from workbench.engine.query_parts import SearchQuery
from workbench.engine.shots import shot_descriptors, shot_table, shots_of_videos, stored_shots


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
        """The shots of a video, or of all: video, shot (its number, from 1), start and end in seconds, and
        keyframe, the id of the moment that is nearest to its middle.

        They are detected as the option ``shots`` says, and not taken from ground truth. Raises WorkbenchError
        if the video is not in the collection, or cannot be read.
        """
        videos = None if video is None else [video]
        return shot_table(self._engine, shots_of_videos(self._engine, videos, progress))

    def stored_shots(self, videos: Sequence[str]) -> pd.DataFrame:
        """The same table of those of the videos whose shots are stored; none is detected."""
        return shot_table(self._engine, stored_shots(self._engine, videos))

    def shot_descriptors(
        self, pipeline: str | Config | None = None, progress: Progress = notebook_progress
    ) -> np.ndarray:
        """The descriptors of the shots, float32 [S, D], in the order of ``shots()``: the means of the
        descriptors of their moments, of unit length.

        A shot without a moment has the descriptor of its keyframe.
        """
        return shot_descriptors(self._engine, self._engine.config(pipeline), progress)

    def search(
        self,
        query: SearchQuery | None = None,
        *,
        text: str | None = None,
        pipeline: str | Config | None = None,
        box: Box | None = None,
        group: Group = "shot",
        k: int | None = 20,
        progress: Progress = notebook_progress,
    ) -> pd.DataFrame:
        """Rank the shots, the videos or the moments of the collection for a query, as of ``Bench.search``.

        Returns a DataFrame of the first ``k`` (None: all): rank (from 1), video, start and end in seconds of
        the shot or the video, moment (the id of its best moment), the score of that moment, and the best
        relevance of its moments. Shots are detected, as in ``shots``. The moment has no length, and an image
        of a collection that also has images has no video: its name is empty and its times are NaN.
        """
        config = self._engine.config(pipeline)
        return search_groups(self._engine, config, query, text, box, group, k, progress)

    def evaluate(
        self, pipeline: str | Config | None = None, *, progress: Progress = notebook_progress
    ) -> MomentEvaluation:
        """Evaluate instance search by a pipeline: mAP over shots and over videos, and the time error.

        Raises WorkbenchError if the ground truth does not know where in videos objects appear.
        """
        return evaluate_moments(self._engine.searcher(self._engine.config(pipeline), progress), progress)

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

    def events(
        self,
        query: SearchQuery,
        min_seconds: float = 2.0,
        threshold: float | None = None,
        *,
        pipeline: str | Config | None = None,
        name: str = "",
        progress: Progress = notebook_progress,
    ) -> Events:
        """The intervals of at least ``min_seconds`` in which videos show what a query describes: ``Events``.

        ``query`` is that of ``Bench.search``: an id, a file, or a line of weighted parts such as
        ``image:p04 + 0.5 text:"at night"``. ``threshold`` is the smoothed score from which on a moment
        belongs to an event, in standard deviations; by default it is chosen by the scores of all moments.
        """
        config = self._engine.config(pipeline)
        return detect_events(self._engine, config, query, min_seconds, threshold, name, progress)
