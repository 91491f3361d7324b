"""The moments of a database without the borders of their videos: further rows, in which copies are sought."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.collections.video.border_store import video_boxes
from workbench.collections.video.moment import seconds_of
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.engine.description import DescribedCollection
from workbench.engine.frame_store import frame_key, stored_frames
from workbench.engine.video_query import VideoQuery, frame_vectors
from workbench.search.ranking import Ranking


class CroppedMoments(NamedTuple):
    """The rows of the database [m] whose videos have borders, and their descriptors without them [m, D]."""

    rows: np.ndarray
    vectors: np.ndarray

    @staticmethod
    def added(rankings: list[Ranking], similarities: np.ndarray, size: int) -> list[Ranking]:
        """Rankings of n frames in a database of ``size`` rows, with these behind them: row ``size + i``.

        ``similarities`` [n, m] are those of the frames to these, on the scale of the rankings. A ranking of
        the first rows only gets those that belong among them.
        """
        merged = []
        for ranking, own in zip(rankings, similarities, strict=True):
            whole = len(ranking.scores) >= size or not len(ranking.scores)
            kept = np.flatnonzero(own >= (-np.inf if whole else ranking.scores[-1]))
            scores = np.concatenate([ranking.scores, own[kept]]).astype(np.float32)
            order = np.argsort(-scores, kind="stable")
            merged.append(Ranking(np.concatenate([ranking.rows, size + kept])[order], scores[order]))
        return merged


def cropped_moments(described: DescribedCollection, progress: Progress) -> CroppedMoments:
    """Look for borders of all videos, and describe the moments of those that have any."""
    collection, cache = described.collection, described.source.options.cache
    paths = {video: collection.path(video) for video in collection.videos}
    row_of = described.image_rows()
    rows: list[int] = []
    vectors = [np.zeros((0, described.database.shape[1]), np.float32)]
    for video, box in video_boxes(paths, cache, progress).items():
        if box is None:
            continue
        moments = [moment for moment in collection.videos[video] if moment in row_of]
        if not moments:
            continue
        query = VideoQuery(video, paths[video], np.array([seconds_of(moment) for moment in moments]), True)

        def describe(
            query: VideoQuery = query, box: tuple[float, ...] = box
        ) -> tuple[np.ndarray, np.ndarray]:
            return frame_vectors(described, query, box, False, progress)  # type: ignore[arg-type]

        try:
            key = frame_key(described, query, box, mirrored=False)
            numbers, described_frames = stored_frames(cache, key, describe)
        except WorkbenchError:  # none of its frames decodes any more
            continue
        rows += [row_of[moments[number]] for number in numbers.tolist()]
        vectors.append(described_frames)
    return CroppedMoments(np.array(rows, np.int64), np.concatenate(vectors))
