"""Find copies of a video in a collection: its frames are searched, and similar pairs are aligned in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from workbench.collections.video.moment import seconds_of, video_of
from workbench.common.progress import Progress
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.cropped_moments import CroppedMoments, cropped_moments
from workbench.engine.description import require_vectors
from workbench.engine.engine import Engine
from workbench.engine.frame_store import frame_key, stored_frames
from workbench.engine.provenance import search_warnings
from workbench.engine.searcher import Searcher
from workbench.engine.video_query import VideoQuery, borders, frame_vectors, stored_vectors, video_query
from workbench.search.binary_index import CodeIndex
from workbench.search.copy_segments import (
    AlignedSegment,
    candidates,
    copied_segments,
    without_overlaps,
)
from workbench.search.ranking import Ranking

MIN_SCORE = 2.0  # seconds that are copied without a change, or more with a change
WHOLE = 20_000  # rows of a database of which all similarities are computed
DEEPEST = 1000  # similar frames of a larger database, for each frame of the query
SAMPLE = 2000  # rows of a larger database, by which unrelated frames are known
COLUMNS = ["query_start", "query_end", "video", "start", "end", "score"]


@dataclass(frozen=True)
class Frames:
    """The frames of a query video in one form: their times in seconds [n], and their descriptors [n, D]."""

    times: np.ndarray
    vectors: np.ndarray
    mirrored: bool = False


@dataclass(frozen=True)
class Moments:
    """The videos of a database, and of each row the number of its video (-1: an image) and its time."""

    names: list[str]
    videos: np.ndarray
    times: np.ndarray

    @property
    def period(self) -> float:
        """The median of the seconds between two moments of a video; 1 without such moments."""
        steps = np.diff(self.times)[(np.diff(self.videos) == 0) & (self.videos[1:] >= 0)]
        return float(np.median(steps)) if len(steps) else 1.0


def find_copies(
    engine: Engine,
    config: Config,
    video: str | Path,
    fps: float,
    min_score: float,
    progress: Progress,
) -> Table:
    """The segments of the collection that are copies of segments of a video: see ``Bench.copies``."""
    if isinstance(min_score, bool) or not isinstance(min_score, int | float) or not min_score >= 0:
        raise WorkbenchError(f"min_score {min_score!r} is not a number of seconds from 0")
    query, searcher = copy_search(engine, config, video, fps, progress)
    moments = moments_of(searcher)
    forms = query_frames(searcher, query, progress)
    cropped = cropped_moments(searcher.described, progress)
    segments = aligned(searcher, query, forms, moments, cropped, fps, min_score, progress)
    rows = [
        (one.query_start, one.query_end, moments.names[number], one.start, one.end, one.score)
        for number, one in segments
    ]
    table = Table(rows, columns=COLUMNS)
    table.attrs["warnings"] = search_warnings(searcher)
    return table


def copy_search(
    engine: Engine, config: Config, video: str | Path, fps: float, progress: Progress
) -> tuple[VideoQuery, Searcher]:
    """A query video and the searcher of its copies, which does not re-rank.

    Raises WorkbenchError if there is no such video, or no video in the collection.
    """
    query = video_query(engine.collection, video, fps)  # before the long work
    require_vectors(config)
    if not engine.collection.videos:
        raise WorkbenchError(f"{engine.collection.name!r} has no videos in which copies could be found")
    steps = tuple(step for step in config.steps if step not in config.reranking_steps)
    return query, engine.searcher(replace(config, steps=steps), progress)


def moments_of(searcher: Searcher) -> Moments:
    """The videos and times of the rows of a database; distractors without names are no videos."""
    images = searcher.described.collection.images
    numbers: dict[str, int] = {}
    videos, times = np.full(searcher.index.size, -1), np.zeros(searcher.index.size)
    for row, image in enumerate(images):
        if name := video_of(image):
            videos[row] = numbers.setdefault(name, len(numbers))
            times[row] = seconds_of(image)
    return Moments(list(numbers), videos, times)


def aligned(
    searcher: Searcher,
    query: VideoQuery,
    forms: Iterable[Frames],
    moments: Moments,
    cropped: CroppedMoments,
    fps: float,
    min_score: float,
    progress: Progress,
) -> list[AlignedSegment]:
    """The copied segments, the strongest first, each with the number of its video in ``moments``.

    ``forms`` are the query's frames, as they are and mirrored; of two answers for one segment the stronger
    one counts. They are sought in the database and in its moments without borders. A video is not compared
    with itself.
    """
    segments: list[AlignedSegment] = []
    own = moments.names.index(query.name) if query.name in moments.names else -1
    size = searcher.index.size
    whole = size <= WHOLE
    highest = 0.0 if _code(searcher) == "sh" else 1.0  # the similarity of equal frames
    videos = np.concatenate([moments.videos, moments.videos[cropped.rows]])
    times = np.concatenate([moments.times, moments.times[cropped.rows]])
    for frames in forms:
        progress("searching frames", 0, 0)
        rankings = [
            Ranking(ranking.rows, _cosines(searcher, ranking.scores))
            for ranking in searcher.index.search(frames.vectors, None if whole else DEEPEST)
        ]
        sample = None if whole else _similarities(searcher, frames.vectors, background(searcher.vectors))
        if len(cropped.rows):
            inside = _similarities(searcher, frames.vectors, cropped.vectors)
            rankings = cropped.added(rankings, inside, size)
        pairs = candidates(rankings, size, highest, sample)
        progress("aligning videos", 0, 0)
        numbers = videos[pairs.rows]
        others = (numbers >= 0) & ((numbers != own) if query.member else True)
        pairs = type(pairs)(*(part[others] for part in pairs))
        segments += copied_segments(pairs, frames.times, videos, times, 1.0 / fps, moments.period, min_score)
    return without_overlaps(segments)


def query_frames(searcher: Searcher, query: VideoQuery, progress: Progress) -> Iterator[Frames]:
    """The frames of a query without borders, as they are and then mirrored."""
    described = searcher.described
    cache = described.source.options.cache
    box = borders(query, cache)
    for mirrored in (False, True):
        stored = stored_vectors(described, query) if box is None and not mirrored else None
        if stored is not None:
            yield Frames(query.times, stored)
            continue
        numbers, vectors = stored_frames(
            cache,
            frame_key(described, query, box, mirrored),
            partial(frame_vectors, described, query, box, mirrored, progress),
        )
        yield Frames(query.times[numbers], vectors, mirrored)


def background(vectors: np.ndarray) -> np.ndarray:
    """Vectors spread evenly over a database [N, D], for the similarities of unrelated frames."""
    return vectors[np.linspace(0, len(vectors) - 1, SAMPLE).astype(int)]


def _similarities(searcher: Searcher, vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The similarities [n, m] of frames [n, D] to vectors [m, D], by the code by which the index compares."""
    index = searcher.index
    scores = index.similarities(vectors, others) if isinstance(index, CodeIndex) else vectors @ others.T
    return _cosines(searcher, scores)


def _cosines(searcher: Searcher, scores: np.ndarray) -> np.ndarray:
    """Scores of an index on the scale of the cosine.

    The fraction f of equal bits of hyperplanes estimates the cosine as cos(π (1 - f)) (Charikar, STOC 2002).
    Spherical hashing has negative distances, which stay.
    """
    if _code(searcher) in ("lsh", "itq"):
        return np.cos(np.pi * (1 - scores)).astype(np.float32)
    return scores


def _code(searcher: Searcher) -> str:
    """The name of the code of an index; empty without one."""
    steps = searcher.config.index_steps
    return steps[-1].name if steps else ""
