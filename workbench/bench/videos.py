"""``bench.videos``: the videos of a collection."""

from __future__ import annotations

import pandas as pd

from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.engine.engine import Engine
from workbench.engine.shots import nearest_moment, shots_of_videos


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
        rows = [
            (shot.video, number, shot.start, shot.end, nearest_moment(self._engine, shot))
            for shots in shots_of_videos(self._engine, videos, progress).values()
            for number, shot in enumerate(shots)
        ]
        return pd.DataFrame(rows, columns=["video", "shot", "start", "end", "keyframe"])
