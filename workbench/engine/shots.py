"""The detected shots of the videos of a collection."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from workbench.collections.video.moment import seconds_of
from workbench.collections.video.shot import Shot
from workbench.common.paths import shortened
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.engine.engine import Engine


def video_shots(engine: Engine, video: str, progress: Progress = silent) -> tuple[Shot, ...]:
    """The shots of a video in order of time, at least one; by the method of the option ``shots``.

    Raises WorkbenchError if it is no video of the collection, or cannot be read.
    """
    return shots_of_videos(engine, [video], progress)[video]


def shots_of_videos(
    engine: Engine, videos: Sequence[str] | None = None, progress: Progress = silent
) -> dict[str, tuple[Shot, ...]]:
    """The shots of several videos by their names, detected in parallel; None stands for all videos.

    Those that the ground truth names as queries of copy detection are known too. Raises WorkbenchError as
    ``video_shots``.
    """
    from workbench.collections.video.shot_store import detect_shots  # OpenCV, which images do not need

    collection = engine.collection
    truth = collection.video_truth
    known = {*collection.videos, *(truth.copy_queries if truth else ())}
    chosen = list(collection.videos) if videos is None else list(videos)
    for video in chosen:
        if video not in known:
            raise WorkbenchError(
                f"{shortened(str(video))!r} is not a video of {collection.name!r}; "
                "bench.videos.table() lists them"
            )
    paths = {video: collection.path(video) for video in chosen}
    detected = detect_shots(paths, engine.options.shots, engine.options.cache, progress)
    shots: dict[str, tuple[Shot, ...]] = {}
    for video, result in detected.items():
        if isinstance(result, str):
            raise WorkbenchError(f"video {shortened(video)!r} cannot be read: {result}")
        shots[video] = result
    return shots


def stored_shots(engine: Engine, videos: Sequence[str] | None = None) -> dict[str, tuple[Shot, ...]]:
    """The shots of those of some videos of the collection (None: all) that were detected before."""
    from workbench.collections.video.shot_store import read_shots  # OpenCV, which images do not need

    collection = engine.collection
    chosen = (
        collection.videos if videos is None else [video for video in videos if video in collection.videos]
    )
    paths = {video: collection.path(video) for video in chosen}
    return read_shots(paths, engine.options.shots, engine.options.cache)


def nearest_moment(engine: Engine, shot: Shot) -> str:
    """The id of the moment of the collection that is nearest to the middle of a shot; empty if its video has
    none."""
    moments = engine.collection.videos.get(shot.video, ())
    middle = (shot.start + shot.end) / 2
    place = bisect_left(moments, middle, key=seconds_of)
    near = moments[max(0, place - 1) : place + 1]
    return min(near, key=lambda moment: abs(seconds_of(moment) - middle), default="")
