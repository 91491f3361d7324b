"""Two videos aligned in time: the similarities of all their frames, and the segments that are copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.engine.copies import COLUMNS, aligned, copy_search, moments_of, query_frames
from workbench.engine.cropped_moments import cropped_moments
from workbench.engine.engine import Engine
from workbench.engine.provenance import search_warnings
from workbench.engine.video_query import video_query

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, repr=False)
class FrameAlignment(Drawable):
    """The frames of a query video against those of a video of the collection.

    ``similarities`` [m, n] are the cosines of the frames at ``query_times`` [m] and at ``times`` [n], in
    seconds. Where segments are aligned and the mirrored query is more similar, ``mirrored`` is true and they
    are its. ``segments`` has query_start, query_end, video, start, end and score, as ``Bench.copies``.
    """

    query: str
    video: str
    query_times: np.ndarray = field(repr=False)
    times: np.ndarray = field(repr=False)
    similarities: np.ndarray = field(repr=False)
    segments: Table
    mirrored: bool
    pipeline: str
    collection: str
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        frames = f"{len(self.query_times)} x {len(self.times)} frames, {len(self.segments)} copied segments"
        return f"FrameAlignment: {printable(self.query)} with {printable(self.video)}, {frames}"

    def figure(self) -> Figure:
        """The similarities as a matrix, with the copied segments as lines."""
        return draw("frame_alignment", self)


def frame_alignment(
    engine: Engine,
    config: Config,
    query_video: str | Path,
    video: str | Path,
    fps: float,
    min_score: float,
    progress: Progress,
) -> FrameAlignment:
    """Align a query video with one video of the collection: see ``VideoAccessor.alignment``."""
    other = video_query(engine.collection, video, fps)
    if not other.member:
        raise WorkbenchError(
            f"video {printable(other.name)!r} is not in the database of {engine.collection.name!r}, "
            "with which a query is aligned"
        )
    query, searcher = copy_search(engine, config, query_video, fps, progress)
    moments = moments_of(searcher)
    if other.name not in moments.names:
        raise WorkbenchError(f"no frame of video {printable(other.name)!r} could be read")
    number = moments.names.index(other.name)
    rows = np.flatnonzero(moments.videos == number)
    cropped = cropped_moments(searcher.described, progress)
    database = searcher.described.database[rows].cpu().numpy()
    inside = np.isin(cropped.rows, rows)  # the frames of this video are compared without its borders
    database[np.searchsorted(rows, cropped.rows[inside])] = cropped.vectors[inside]
    forms = list(query_frames(searcher, query, progress))
    segments = [
        segment.alignment
        for segment in aligned(searcher, query, forms, moments, cropped, fps, min_score, progress)
        if segment.video == number
    ]
    similarities = [frames.vectors @ database.T for frames in forms]
    # Videos that share nothing are shown as they are.
    best = int(np.argmax([matrix.max(1).mean() for matrix in similarities])) if segments else 0
    table = Table(
        [(one.query_start, one.query_end, other.name, one.start, one.end, one.score) for one in segments],
        columns=COLUMNS,
    )
    return FrameAlignment(
        query.name,
        other.name,
        forms[best].times,
        moments.times[rows],
        similarities[best],
        table,
        forms[best].mirrored,
        str(searcher.config),
        engine.collection.name,
        tuple(search_warnings(searcher)),
    )
