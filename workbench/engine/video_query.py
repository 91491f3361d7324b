"""A video as a query: its frames at regular times, and their descriptors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from workbench.collections.collection import Collection
from workbench.collections.lookup import video_at
from workbench.collections.video.moment import moment_name
from workbench.common.geometry import Box
from workbench.common.paths import shortened, user_path
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.engine.description import DescribedCollection
from workbench.engine.queries import query_vector
from workbench.features.device import map_in_order, single_threaded_operations


@dataclass(frozen=True)
class VideoQuery:
    """The name of a video, its file, and the times of its frames in seconds.

    ``member``: the video is in the database, under that name.
    """

    name: str
    path: Path
    times: np.ndarray
    member: bool = False


def video_query(collection: Collection, video: str | Path, fps: float) -> VideoQuery:
    """A video of the collection, a name below its root, or a file, sampled at ``fps`` frames a second.

    Raises WorkbenchError if there is no such video, or if it cannot be read.
    """
    from workbench.collections.video.header import sample_times, video_header

    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0.001 <= fps <= 1000:
        raise WorkbenchError(f"fps {fps!r} is not a number of frames a second from 0.001 to 1,000")
    given = user_path(video, "video")
    member = video_at(collection, str(video))
    below = collection.root / str(video)
    if member is not None:
        name, path = member, collection.path(member)
    elif _is_file(below):
        name, path = str(video), below
    elif _is_file(given):
        name, path = str(video), given
    else:
        raise WorkbenchError(
            f"video {shortened(str(video))!r} is neither a video of {collection.name!r} nor a file"
        )
    try:
        times = sample_times(video_header(path), fps)
    except WorkbenchError as error:
        raise WorkbenchError(f"video {shortened(name)!r}: {error}") from None
    return VideoQuery(name, path, np.array(times), member is not None)


def borders(query: VideoQuery, cache: Path) -> Box | None:
    """The box inside the borders of a video; None without borders."""
    from workbench.collections.video.border_store import video_boxes

    return video_boxes({query.name: query.path}, cache)[query.name]


def stored_vectors(described: DescribedCollection, query: VideoQuery) -> np.ndarray | None:
    """The stored descriptors [n, D] of a video whose frames are all in the database; else None."""
    rows = described.image_rows()
    names = [moment_name(query.name, seconds) for seconds in query.times]
    if not query.member or any(name not in rows for name in names):
        return None
    return described.vectors[[rows[name] for name in names]].numpy()


def frame_vectors(
    described: DescribedCollection,
    query: VideoQuery,
    box: Box | None,
    mirrored: bool,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers [n] of the frames that decode, and their descriptors [n, D], computed now.

    ``box`` crops the frames, ``mirrored`` exchanges left and right. Raises WorkbenchError if none decodes.
    """

    def describe(number: int, picture: Image.Image) -> tuple[int, torch.Tensor]:
        shown = ImageOps.mirror(picture) if mirrored else picture
        return number, query_vector(described, shown)

    numbers: list[int] = []
    vectors: list[torch.Tensor] = []
    task = f"describing {'mirrored ' if mirrored else ''}frames"
    frames = _frames(query, range(len(query.times)), box)
    with single_threaded_operations() as threads, ThreadPoolExecutor(threads) as pool:
        for number, vector in map_in_order(pool, describe, frames, threads):
            progress(task, len(numbers), len(query.times))
            numbers.append(number)
            vectors.append(vector)
    if not vectors:
        raise WorkbenchError(f"video {shortened(query.name)!r}: no frame of it decodes")
    return np.array(numbers), torch.cat(vectors).cpu().numpy().astype(np.float32)


def _frames(query: VideoQuery, numbers: Sequence[int], box: Box | None) -> Iterator[tuple[int, Image.Image]]:
    """The frames that decode, in the order of their times."""
    from workbench.collections.images import crop_to, reasons
    from workbench.collections.video.reader import reader_of

    for number in numbers:
        try:
            with reasons():
                picture = reader_of(query.path).frame_at(float(query.times[number]))[1]
        except WorkbenchError:
            continue
        yield number, picture if box is None else crop_to(picture, box)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
