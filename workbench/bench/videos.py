"""``bench.videos``: the videos of a collection."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.analysis.summary import Summary, summarise
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.engine import Engine


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
