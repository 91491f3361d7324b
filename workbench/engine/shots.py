"""The detected shots of the videos of a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from workbench.collections.video.moment import seconds_of
from workbench.collections.video.shot import Shot, shot_numbers
from workbench.common.paths import shortened
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
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
    options = engine.options
    detected = detect_shots(paths, options.shots, options.cache, progress, options.device)
    shots: dict[str, tuple[Shot, ...]] = {}
    for video, result in detected.items():
        if isinstance(result, str):
            raise WorkbenchError(f"video {shortened(video)!r} cannot be read: {result}")
        shots[video] = result
    return shots


def shot_descriptors(engine: Engine, config: Config, progress: Progress = silent) -> np.ndarray:
    """The descriptors [S, D] of all shots, float32, in the order of ``shots_of_videos``.

    That of a shot is the mean of the descriptors of its moments, of unit length; of a shot that has no
    moment, the descriptor of its keyframe.
    """
    described = engine.describe_vectors(config, progress)  # first: moments that do not decode are left out
    detected = shots_of_videos(engine, None, progress)
    vectors, row_of = described.database.numpy(), described.image_rows()
    means: list[np.ndarray] = []
    for video, shots in detected.items():
        members: list[list[int]] = [[] for _ in shots]
        moments = described.collection.videos.get(video, ())
        numbers = shot_numbers(shots, [seconds_of(moment) for moment in moments])
        for moment, number in zip(moments, numbers, strict=True):
            members[number].append(row_of[moment])
        for rows, keyframe in zip(members, keyframes(engine, shots), strict=True):
            means.append(vectors[rows or [row_of[keyframe]]].mean(0))
    matrix = np.stack(means).astype(np.float32)
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)


def stored_shots(engine: Engine, videos: Sequence[str]) -> dict[str, tuple[Shot, ...]]:
    """The shots of those videos of the collection whose shots were detected before."""
    from workbench.collections.video.shot_store import read_shots  # OpenCV, which images do not need

    collection = engine.collection
    paths = {video: collection.path(video) for video in videos if video in collection.videos}
    return read_shots(paths, engine.options.shots, engine.options.cache)


def shot_table(engine: Engine, videos: Mapping[str, Sequence[Shot]]) -> pd.DataFrame:
    """A row for each shot: video, shot (from 1), start and end in seconds, and keyframe, a moment."""
    rows = [
        (shot.video, number, shot.start, shot.end, keyframe)
        for shots in videos.values()
        for number, (shot, keyframe) in enumerate(zip(shots, keyframes(engine, shots), strict=True), start=1)
    ]
    return pd.DataFrame(rows, columns=["video", "shot", "start", "end", "keyframe"])


def keyframes(engine: Engine, shots: Sequence[Shot]) -> list[str]:
    """The id of the moment of the collection that is nearest to the middle of each shot of one video; empty
    if the collection has none of it."""
    if not shots or not (moments := engine.collection.videos.get(shots[0].video)):
        return [""] * len(shots)
    times = np.array([seconds_of(moment) for moment in moments])
    order = np.argsort(times, kind="stable")
    middles = np.array([(shot.start + shot.end) / 2 for shot in shots])
    bounds = (times[order][1:] + times[order][:-1]) / 2  # between neighbours
    return [moments[row] for row in order[np.searchsorted(bounds, middles)]]
