"""Evaluate instance search: an image's rankings of shots and of videos, and the time of the best moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.collections.collection import Collection
from workbench.collections.video.moment import moment_of
from workbench.collections.video.shot import shot_numbers
from workbench.collections.video.truth import VideoTruth
from workbench.common.drawable import Drawable, draw
from workbench.common.paths import shortened
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.config.printable import printable
from workbench.engine.provenance import search_warnings
from workbench.engine.query_rankings import judged_rankings
from workbench.engine.searcher import Searcher
from workbench.evaluation.measures_text import percent
from workbench.evaluation.moments import SHOTS, GroupRanking, evaluate_groups, group_ranking, time_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NEAR = 1.0  # second: an error up to it is a right time


@dataclass(frozen=True, repr=False)
class MomentEvaluation(Drawable):
    """The measures of instance search by a pipeline. Average precisions and shares are fractions 0…1.

    ``metrics``: ``mAP_shots`` and ``mAP_videos``, means over the queries; ``time_error`` and
    ``time_error_mean``, the median and the mean, over all pairs of a query and a video in which its object
    appears, of the seconds from that video's best moment to the nearest appearance; and ``near``, the share
    of these pairs with an error up to one second. Shots are
    those of the ground truth, so that the measures of different samplings can be compared: a positive shot
    of which no moment was sampled is not found. ``per_query``: query, ap_shots, ap_videos, shots and videos
    (the numbers of positives), first_shot (the rank of the first positive, from 1), time_error (its median).
    """

    pipeline: str
    collection: str
    sampling: str
    moments: int
    shots: int
    videos: int
    metrics: dict[str, float]
    per_query: pd.DataFrame
    warnings: list[str]

    def __repr__(self) -> str:
        lines = [f"{self.pipeline} on {self.collection}", *self.lines()]
        return "\n".join(map(printable, [*lines, *(f"⚠ {shortened(note)}" for note in self.warnings)]))

    def lines(self) -> list[str]:
        """The measures, what they are of, and the protocol, as text."""
        metrics, count = self.metrics, len(self.per_query)
        return [
            f"mAP over shots {percent(metrics['mAP_shots'])} · over videos {percent(metrics['mAP_videos'])}"
            f" · time error {seconds_text(metrics['time_error'])} (median), "
            f"{seconds_text(metrics['time_error_mean'])} (mean), {percent(metrics['near'])} % within "
            f"{NEAR:g} s · {count:,} {'query' if count == 1 else 'queries'}",
            f"{self.moments:,} moments ({self.sampling}) of {self.shots:,} shots in {self.videos:,} videos",
            f"{SHOTS.title}, AP by the {SHOTS.variant} rule: {SHOTS.note}",
        ]

    def figure(self) -> Figure:
        """The AP of each query over shots and over videos, by plotly."""
        return draw("moment_aps", self)


def has_appearances(collection: Collection) -> bool:
    """Whether the ground truth knows where in videos the objects of queries appear."""
    return collection.video_truth is not None and bool(collection.video_truth.appearances)


def evaluate_moments(searcher: Searcher, progress: Progress = silent) -> MomentEvaluation:
    """Rank the moments for every query, and judge the shots, the videos and the times.

    Raises WorkbenchError if the ground truth does not know where objects appear in videos.
    """
    collection = searcher.described.collection
    if not has_appearances(collection):
        raise WorkbenchError(
            f"{collection.name!r} has no ground truth of objects in videos, so instance search cannot be "
            "evaluated; valid: reels"
        )
    assert collection.video_truth is not None
    truth = _Groups(collection, collection.video_truth)
    rankings: dict[str, list[GroupRanking]] = {kind: [] for kind in truth.numbers}
    errors: list[tuple[int, float]] = []
    queries = []
    for place, (judged, ranking) in enumerate(judged_rankings(searcher, progress)):
        queries.append(judged.query.id)
        others = ~np.isin(ranking.rows, judged.own)
        rows, scores = ranking.rows[others], ranking.scores[others]
        for kind in rankings:
            rankings[kind].append(group_ranking(truth.of(kind, rows), scores))
        errors += [
            (place, error) for error in truth.time_errors(judged.query.id, rows, rankings["videos"][-1])
        ]
    scores_of = {
        kind: evaluate_groups(ranked, [truth.grades(kind, query) for query in queries], queries)
        for kind, ranked in rankings.items()
    }
    shots, videos = (scores_of[kind].per_query for kind in ("shots", "videos"))
    of_query = pd.Series([error for _, error in errors], [place for place, _ in errors], dtype=float)
    per_query = {
        "query": queries,
        "ap_shots": shots["ap"],
        "ap_videos": videos["ap"],
        "shots": shots["positives"],
        "videos": videos["positives"],
        "first_shot": shots["first_positive"],
        "time_error": of_query.groupby(level=0).median().reindex(range(len(queries))),
    }
    return MomentEvaluation(
        str(searcher.config),
        collection.name,
        sampling_text(searcher.described.source.options),
        sum(map(len, collection.videos.values())),
        truth.shots,
        len(collection.videos),
        {
            "mAP_shots": scores_of["shots"].mean_ap,
            "mAP_videos": scores_of["videos"].mean_ap,
            "time_error": float(of_query.median()),
            "time_error_mean": float(of_query.mean()),
            "near": float((of_query <= NEAR).mean()),
        },
        Table(per_query),
        search_warnings(searcher),
    )


def sampling_text(options: Options) -> str:
    """How moments are sampled: ``1 a second``, ``3 a shot``."""
    return f"{options.per_shot} a shot" if options.per_shot else f"{options.fps:g} a second"


def seconds_text(seconds: float) -> str:
    """Seconds with two digits; a dash if they are not defined (nan)."""
    return "–" if math.isnan(seconds) else f"{seconds:.2f} s"


class _Groups:
    """The shots and videos of a collection as numbers; an image outside them is a group of its own."""

    def __init__(self, collection: Collection, truth: VideoTruth) -> None:
        self._appearances: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for query, video, start, end in truth.appearances:
            self._appearances.setdefault(query, {}).setdefault(video, []).append((start, end))
        self._relevance = collection.relevance
        self._truth, self._collection = truth, collection
        self._seconds = np.full(len(collection.images), np.nan)
        self._videos = list(collection.videos)
        rows = collection.rows
        self._rows = rows
        self.numbers = {kind: np.full(len(rows), -1, np.int64) for kind in ("shots", "videos")}
        self._first: dict[str, int] = {}  # number of the first shot of each video
        self.shots = 0
        for number, (video, moments) in enumerate(collection.videos.items()):
            at = [rows[moment] for moment in moments]
            seconds = [_seconds(moment) for moment in moments]
            self.numbers["videos"][at], self._seconds[at] = number, seconds
            if shots := truth.shots.get(video):  # those of a distractor are not known
                self.numbers["shots"][at] = self.shots + shot_numbers(shots, seconds)
                self._first[video] = self.shots
                self.shots += len(shots)

    def of(self, kind: str, rows: np.ndarray) -> np.ndarray:
        """The numbers [n] of the groups of rows [n] of the database, synthetic distractors included."""
        known = self.numbers[kind]
        groups = known[np.minimum(rows, len(known) - 1)].copy()
        alone = (rows >= len(known)) | (groups < 0)
        groups[alone] = self.shots + len(self._videos) + rows[alone]
        return groups

    def grades(self, kind: str, query: str) -> dict[int, str]:
        """{number of the group: positive or junk} of a query."""
        junk = [self._rows[image] for image, grade in self._relevance[query].items() if grade == "junk"]
        grades = dict.fromkeys(self.of(kind, np.array(junk, np.int64)).tolist(), "junk") if junk else {}
        for video, intervals in self._appearances.get(query, {}).items():
            if kind == "videos":
                grades[self._videos.index(video)] = "positive"
            else:
                middles = [(start + end) / 2 for start, end in intervals]
                numbers = self._first[video] + shot_numbers(self._truth.shots[video], middles)
                grades.update(dict.fromkeys(numbers.tolist(), "positive"))
        return grades

    def time_errors(self, query: str, rows: np.ndarray, ranking: GroupRanking) -> list[float]:
        """The time error of the best moment of each video in which the object of a query appears."""
        best = dict(zip(ranking.groups.tolist(), ranking.best.tolist(), strict=True))
        return [
            time_error(float(self._seconds[rows[best[number]]]), intervals)
            for video, intervals in self._appearances.get(query, {}).items()
            if (number := self._videos.index(video)) in best
        ]


def _seconds(image_id: str) -> float:
    moment = moment_of(Path(image_id))
    assert moment is not None
    return moment.seconds
