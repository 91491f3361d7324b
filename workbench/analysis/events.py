"""Events: a query scored over the time of each video, and the intervals in which the score is high."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.analysis.event_intervals import Interval, intervals, smoothing
from workbench.analysis.recounting import Recounting, recount
from workbench.collections.video.cue import Cue
from workbench.collections.video.moment import clock
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.engine.combined_search import combined_scores, search_notes
from workbench.engine.engine import Engine
from workbench.engine.moments import video_moments
from workbench.engine.query_parts import SearchQuery, resolve
from workbench.query.query import Query

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# The threshold where none is given: standard deviations above the mean of all moments, or a share of the way
# from it to the largest score.
DEVIATIONS, SHARE = 2.0, 0.6
_SHOWN = 12  # events in the text


class ScoreCurve(NamedTuple):
    """The score of a query over the time of a video: ``values`` and ``smoothed`` [n] of the moments ``ids``,
    at ``seconds`` [n]; ``end`` is that of the video in seconds."""

    video: str
    ids: tuple[str, ...]
    seconds: NDArray[np.float64]
    values: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    end: float


@dataclass(frozen=True, repr=False)
class Events(Drawable):
    """The events that a query describes, in the videos of a collection.

    ``table`` has a row for each, the highest score first: video, start and end in seconds, score, and
    ``peak``, the id of the moment with the highest smoothed score. A score is in standard deviations: the
    scores of a query's parts are standardised over the collection, weighted and added, smoothed over
    ``min_seconds``, and averaged over the event. In an event the smoothed score is never below ``threshold``.
    ``curves`` are the scores of each video over time.
    """

    table: Table
    curves: tuple[ScoreCurve, ...] = field(repr=False)
    threshold: float
    min_seconds: float
    query: str
    name: str = ""
    pipeline: str = ""
    collection: str = ""
    warnings: tuple[str, ...] = ()
    _recount: Callable[[int, Progress], Recounting] | None = field(default=None, repr=False, compare=False)

    @property
    def title(self) -> str:
        """The name of the event, or else its query."""
        return self.name or self.query

    @property
    def cues(self) -> tuple[Cue, ...]:
        """The events as cues, for storyboards, cue sheets and edit lists."""
        rows = self.table[["video", "start", "end", "peak", "score"]].itertuples(index=False, name=None)
        return tuple(
            Cue(video, start, end, peak, f"{self.title}: {score:.2f}")
            for video, start, end, peak, score in rows
        )

    @property
    def sentence(self) -> str:
        """How many events there are, and how they were decided, in a line."""
        count, videos = len(self.table), self.table["video"].nunique()
        return (
            f"{count:,} event{'s' * (count != 1)} in {videos:,} of {len(self.curves):,} videos: at least "
            f"{self.min_seconds:g} s with a smoothed score of {self.threshold:.2f} or more"
        )

    def __repr__(self) -> str:
        rows = self.table.head(_SHOWN).itertuples(index=False, name=None)
        shown = [
            f"  {clock(start)}–{clock(end)}  {score:.2f}  {printable(video)}"
            for video, start, end, score, _ in rows
        ]
        if len(self.table) > _SHOWN:
            shown.append(f"  and {len(self.table) - _SHOWN:,} more")
        notes = [f"  note: {warning}" for warning in self.warnings]
        return "\n".join(
            [f"Events {printable(self.title)}: {self.sentence} ({self.pipeline})", *shown, *notes]
        )

    def recount(self, row: int = 0, *, progress: Progress = silent) -> Recounting:
        """Which moments, parts, concepts and cells made the score of the event in a row of ``table``.

        Raises WorkbenchError if there is no such row.
        """
        count = len(self.table)
        if not (isinstance(row, int | np.integer) and 0 <= row < count):
            valid = f"0 to {count - 1}" if count else "none, as no event was detected"
            raise WorkbenchError(f"{row!r} is not a row of the table of events; valid: {valid}")
        assert self._recount is not None
        return self._recount(int(row), progress)

    def figure(self) -> Figure:
        """The smoothed score over the time of each video, with the events framed."""
        return draw("events", self)


def detect_events(
    engine: Engine,
    config: Config,
    query: SearchQuery,
    min_seconds: float,
    threshold: float | None,
    name: str,
    progress: Progress = silent,
) -> Events:
    """Detect events by a query: see ``Events``.

    Raises WorkbenchError for a query that cannot be searched for, a minimum length or a threshold that is no
    number, and if the collection has no videos.
    """
    shortest = _number(min_seconds, "min_seconds", "seconds, from 0")
    if shortest < 0:
        raise WorkbenchError(f"min_seconds is {min_seconds!r}; it is a number of seconds, from 0")
    given = None if threshold is None else _number(threshold, "threshold", "standard deviations")
    video_moments(engine.collection)  # raises before the long work
    parts = event_query(engine, query)
    scores = combined_scores(engine, config, parts, progress)
    values = scores.combination.values
    videos = video_moments(engine.collection)
    kernels = [smoothing(moments.seconds, shortest) for moments in videos]
    curves = []
    for moments, kernel in zip(videos, kernels, strict=True):
        own = values[moments.rows]
        end = float(moments.intervals[-1, 1])
        curves.append(
            ScoreCurve(moments.video, moments.ids, moments.seconds, own, np.asarray(kernel @ own), end)
        )
    cut = (
        automatic_threshold(np.concatenate([curve.smoothed for curve in curves])) if given is None else given
    )
    detected: list[tuple[int, Interval]] = []
    for number, (moments, kernel, curve) in enumerate(zip(videos, kernels, curves, strict=True)):
        progress("detecting events", number, len(videos))
        detected += [
            (number, interval) for interval in intervals(moments, kernel, curve.smoothed, cut, shortest)
        ]
    detected.sort(key=lambda event: -event[1].score)
    rows = [
        (videos[number].video, event.start, event.end, event.score, videos[number].ids[event.peak])
        for number, event in detected
    ]
    collection = engine.collection

    def recounted(row: int, report: Progress) -> Recounting:
        number, event = detected[row]
        return recount(engine, config, scores, videos[number], event, cut, name or str(parts), report)

    return Events(
        Table(rows, columns=["video", "start", "end", "score", "peak"]),
        tuple(curves),
        cut,
        shortest,
        str(parts),
        name,
        str(config.description),
        collection.name,
        tuple(search_notes(engine, config, scores, progress)),
        recounted,
    )


def event_query(engine: Engine, query: SearchQuery) -> Query:
    """The query of an event in parts. Raises WorkbenchError for a picture without a file."""
    resolved = resolve(engine.collection, query)
    if resolved.parts is not None:
        return resolved.parts
    assert resolved.picture is not None
    if isinstance(resolved.picture[0], Image.Image):
        raise WorkbenchError("an event needs a query that has a name; give the picture's file")
    return Query.image(str(resolved.picture[0]))


def automatic_threshold(smoothed: np.ndarray) -> float:
    """Two standard deviations above the mean of the smoothed scores of all moments; less where an event is so
    common that its scores are not as high: 0.6 of the way from the mean to the largest score."""
    mean = float(smoothed.mean())
    return mean + min(DEVIATIONS * float(smoothed.std()), SHARE * (float(smoothed.max()) - mean))


def _number(value: Any, name: str, unit: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise WorkbenchError(f"{name} is {value!r}; it is a number of {unit}")
    return number
