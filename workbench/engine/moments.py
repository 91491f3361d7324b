"""The moments of the videos of a collection: their rows, times and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.collections.collection import Collection
from workbench.collections.video.cue import moment_intervals, video_end
from workbench.collections.video.moment import seconds_of
from workbench.common.paths import shortened
from workbench.config.errors import WorkbenchError


class VideoMoments(NamedTuple):
    """The moments of one video in order of time: ids, rows in the collection [n], seconds [n], and the
    ``intervals`` [n, 2] for which they stand."""

    video: str
    ids: tuple[str, ...]
    rows: NDArray[np.int64]
    seconds: NDArray[np.float64]
    intervals: NDArray[np.float64]


def video_moments(collection: Collection, video: str | Path | None = None) -> list[VideoMoments]:
    """The moments of all videos of a collection, or of one. Raises WorkbenchError if there is none."""
    if not collection.videos:
        raise WorkbenchError(f"{collection.name!r} has no videos; open a folder of videos")
    videos = list(collection.videos) if video is None else [video_name(collection, video)]
    row_of = collection.rows
    listed = []
    for name in videos:
        times = {image: seconds_of(image) for image in collection.videos[name]}
        ids = sorted(times, key=lambda image: times[image])
        seconds = np.array([times[image] for image in ids])
        intervals = moment_intervals(seconds, video_end(collection, name, seconds))
        rows = np.array([row_of[image] for image in ids], np.int64)
        listed.append(VideoMoments(name, tuple(ids), rows, seconds, intervals))
    return listed


def video_name(collection: Collection, video: str | Path) -> str:
    """The name of a video of a collection, by its name or its path. Raises WorkbenchError if it is none."""
    text = str(video)
    if text in collection.videos:
        return text
    path = Path(text).expanduser()
    for name in collection.videos:
        if collection.path(name) == path or collection.path(name) == path.absolute():
            return name
    first = ", ".join(repr(shortened(name)) for name in list(collection.videos)[:3])
    more = ", …" if len(collection.videos) > 3 else ""
    raise WorkbenchError(f"{shortened(text)!r} is not a video of {collection.name!r}; it has {first}{more}")
