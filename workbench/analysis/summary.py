"""The moments that summarise videos: those to which all other moments are most similar."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.collections.named_picture import NamedPicture
from workbench.collections.video.cue import Cue, frame_rate, moment_intervals
from workbench.collections.video.moment import clock, video_of
from workbench.common.arguments import result_count
from workbench.common.drawable import Drawable, draw
from workbench.common.even_selection import even_selection
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.printable import printable
from workbench.engine.engine import Engine
from workbench.engine.moments import VideoMoments, seconds_of, video_moments
from workbench.engine.provenance import warnings
from workbench.search.facility_location import GUARANTEE, choose, coverage
from workbench.search.kmeans import kmeans

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST = 6000  # moments that are compared with one another; of more, as many in even steps
MOST_CHOSEN = 500
_COMPARED = 12  # numbers k for which other methods are measured
_BLOCK = 1024  # moments that are compared with all others at a time
_SHOWN = 12  # moments in the text of a summary


@dataclass(frozen=True, repr=False)
class Summary(Drawable):
    """The ``moments`` that summarise videos, in order of time.

    ``coverage`` is the mean cosine of all moments to the most similar chosen one (negative ones count as 0).
    No other choice of as many moments has more than ``bound``; ``guarantee``, 1 − 1/e, is the share of the
    best coverage that the method always reaches. ``table`` has for numbers ``k`` of moments the coverage of
    this method, of ``uniform`` sampling in time and of ``k_means`` (the moments nearest to its centroids),
    and the bound. ``order`` are the moments in the order of their choice: the first j of them summarise best
    by j. ``nearest`` has for each moment the similarity to the most similar chosen one. ``cues`` are the
    intervals around the moments in which each is the most similar one.
    """

    moments: tuple[str, ...]
    coverage: float
    bound: float
    table: Table = field(repr=False)
    order: tuple[str, ...] = field(repr=False)
    nearest: Table = field(repr=False)
    cues: tuple[Cue, ...] = field(repr=False)
    pictures: tuple[NamedPicture, ...] = field(repr=False, compare=False)
    video: str = ""
    pipeline: str = ""
    collection: str = ""
    fps: float = 25.0
    warnings: tuple[str, ...] = ()
    guarantee: float = GUARANTEE

    @property
    def share(self) -> float:
        """The share of the bound that the coverage is; the share of the best coverage is at least this."""
        return self.coverage / self.bound if self.bound > 0 else 1.0

    @property
    def sentence(self) -> str:
        """What the summary covers, in a line."""
        return (
            f"{len(self.moments)} of {len(self.nearest):,} moments cover {100 * self.coverage:.1f} %; no "
            f"{len(self.moments)} moments cover more than {100 * self.bound:.1f} %"
        )

    def __repr__(self) -> str:
        of = printable(self.video or self.collection)
        shown = [f"  {clock(seconds_of(name))}  {printable(video_of(name))}" for name in self.moments]
        if len(shown) > _SHOWN:
            shown[_SHOWN:] = [f"  and {len(shown) - _SHOWN} more"]
        notes = [f"  note: {warning}" for warning in self.warnings]
        return "\n".join([f"Summary of {of}: {self.sentence} ({self.pipeline})", *shown, *notes])

    def figure(self) -> Figure:
        """The coverage over the number of moments, and the similarity over time to the chosen ones."""
        return draw("summary", self)


def summarise(
    engine: Engine,
    config: Config,
    video: str | Path | None,
    k: int,
    progress: Progress = silent,
) -> Summary:
    """Choose ``k`` moments of a video, or of all videos, by facility location: see ``Summary``.

    Raises WorkbenchError if the collection has no videos, or not this one, and for ``k`` below 1.
    """
    count = min(result_count(k) or MOST_CHOSEN, MOST_CHOSEN)
    video_moments(engine.collection, video)  # raises before the long work
    described = engine.describe_vectors(config, progress)
    collection = described.collection
    videos = video_moments(collection, video)
    every = [image for moments in videos for image in moments.ids]
    used = even_selection(len(every), MOST)
    ids = [every[number] for number in used]
    rows = np.concatenate([moments.rows for moments in videos])[used]
    vectors = described.database[rows].float().cpu().numpy()
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarities = _similarities(vectors, progress)
    chosen = choose(similarities, count, progress)
    order = [ids[row] for row in chosen.rows]
    ranks = np.sort(chosen.rows)
    nearest = similarities[ranks].argmax(0)  # of equal ones, the first in time
    nearest[ranks] = np.arange(len(ranks))
    sizes = even_selection(len(order), _COMPARED) + 1
    notes = warnings(described)
    if len(used) < len(every):
        notes.append(f"{len(used):,} of {len(every):,} moments in even steps are compared and counted")
    return Summary(
        tuple(ids[row] for row in ranks),
        float(chosen.coverage[-1]),
        float(chosen.bounds[-1]),
        _compared(
            vectors, similarities, chosen.coverage, chosen.bounds, sizes, engine.options.seed, progress
        ),
        tuple(order),
        Table(
            {
                "moment": ids,
                "video": [video_of(image) for image in ids],
                "seconds": [seconds_of(image) for image in ids],
                "nearest": [ids[ranks[number]] for number in nearest],
                "similarity": similarities[ranks].max(0).astype(float),
            }
        ),
        _cues(videos, ids, ranks, nearest),
        tuple(NamedPicture(ids[row], collection.path(ids[row])) for row in ranks),
        "" if video is None else videos[0].video,
        str(described.config),
        collection.name,
        frame_rate(collection, [moments.video for moments in videos]),
        tuple(dict.fromkeys(notes)),
    )


def _similarities(vectors: np.ndarray, progress: Progress) -> NDArray[np.float32]:
    """The cosines [n, n] of unit vectors [n, D], negative ones as 0."""
    similarities = np.empty((len(vectors), len(vectors)), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        progress("comparing moments", start, len(vectors))
        part = similarities[start : start + _BLOCK]
        np.maximum(vectors[start : start + _BLOCK] @ vectors.T, 0, out=part)
    return similarities


def _compared(
    vectors: np.ndarray,
    similarities: np.ndarray,
    chosen: np.ndarray,
    bounds: np.ndarray,
    sizes: np.ndarray,
    seed: int,
    progress: Progress,
) -> Table:
    """The coverage of the first ``sizes`` chosen moments, of other methods, and the bound."""
    rows = []
    for k in map(int, sizes):
        uniform = ((np.arange(k) + 0.5) * len(vectors) / k).astype(int)
        centroids = kmeans(vectors, k, seed, progress)
        # Vectors have the same length, so that the nearest one is that of the largest product.
        medoids = np.unique((vectors @ centroids.T).argmax(0))
        others = coverage(similarities, uniform), coverage(similarities, medoids)
        rows.append((k, float(chosen[k - 1]), *others, float(bounds[k - 1])))
    return Table(rows, columns=["k", "facility_location", "uniform", "k_means", "bound"])


def _cues(
    videos: list[VideoMoments], ids: list[str], ranks: NDArray[np.int64], nearest: NDArray[np.int64]
) -> tuple[Cue, ...]:
    """For each chosen moment the interval around it in which it is the nearest one."""
    ends = {moments.video: float(moments.intervals[-1, 1]) for moments in videos}
    names = np.array([video_of(image) for image in ids], object)
    cues = {}
    for video, end in ends.items():
        places = np.flatnonzero(names == video)
        if not len(places):  # of very many videos, not every one has a moment that is used
            continue
        intervals = moment_intervals(np.array([seconds_of(ids[place]) for place in places]), end)
        for number in np.flatnonzero(np.isin(ranks, places)):
            first = last = int(np.searchsorted(places, ranks[number]))
            while first > 0 and nearest[places[first - 1]] == number:
                first -= 1
            while last + 1 < len(places) and nearest[places[last + 1]] == number:
                last += 1
            start, stop = float(intervals[first, 0]), float(intervals[last, 1])
            cues[int(number)] = Cue(video, start, stop, ids[ranks[number]])
    return tuple(cues[number] for number in range(len(ranks)))
