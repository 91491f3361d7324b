"""The moments of all videos of a collection as rows of timelines, and what a ranking says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.collections.protocols import SIGNS
from workbench.collections.video.moment import seconds_of

HITS = 20  # results that are marked


class Strips(NamedTuple):
    """What a ranking says of the moments: one byte each (0: not ranked, else 1…255 over ``scale``), the
    numbers of the videos, those of the best moments first, and the first results as [moment, rank, sign,
    relevance]."""

    values: bytes
    scale: list[float]
    order: list[int]
    hits: list[list[Any]]


class Moments:
    """The moments of ``Collection.videos``, numbered from video to video, and their ``times`` in seconds,
    float32 [n]. ``lengths`` are the seconds of videos, as far as they are known."""

    def __init__(
        self, videos: Mapping[str, tuple[str, ...]], lengths: Mapping[str, float] | None = None
    ) -> None:
        self._lengths = lengths or {}
        self.videos = {video: number for number, video in enumerate(videos)}
        self.names = [moment for moments in videos.values() for moment in moments]
        self.times = np.array([seconds_of(name) for name in self.names], np.float32)
        counts = np.array([len(moments) for moments in videos.values()], np.int64)
        self.first = np.concatenate([[0], np.cumsum(counts)])
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def of(self, video: str) -> slice:
        """The numbers of the moments of a video."""
        number = self.videos[video]
        return slice(int(self.first[number]), int(self.first[number + 1]))

    def nearest(self, video: str, seconds: float) -> str:
        """The moment that is nearest to a time."""
        part = self.of(video)
        return self.names[part.start + int(np.abs(self.times[part] - seconds).argmin())]

    def length(self, video: str) -> float:
        """The seconds of a video; if they are not known, its last moment lasts as long as most others do."""
        if video in self._lengths:
            return self._lengths[video]
        times = self.times[self.of(video)]
        return float(times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 1.0))

    def rows(self) -> list[dict[str, Any]]:
        """The rows of timelines (``widgets.timelines``)."""
        counts = np.diff(self.first)
        return [
            {"name": video, "seconds": self.length(video), "count": int(counts[number])}
            for video, number in self.videos.items()
        ]

    def scores(self, ranking: pd.DataFrame) -> np.ndarray:
        """The score of each moment in a ranking, float64 [n]; NaN where it is not ranked."""
        numbers = self._in(ranking)
        scores = np.full(len(self.names), np.nan)
        known = numbers >= 0
        scores[numbers[known]] = ranking["score"].to_numpy(float)[known]
        return scores

    def strips(self, ranking: pd.DataFrame, scores: np.ndarray) -> Strips:
        """What a ranking says of all moments; ``scores`` are those of ``scores(ranking)``."""
        known = np.isfinite(scores)
        if not known.any():
            return Strips(bytes(len(scores)), [], list(range(len(self.videos))), [])
        # The query itself would take the upper half of the scale.
        others = ranking["score"].to_numpy(float)[(ranking["relevance"] != "query") & (ranking["rank"] > 0)]
        others = others[np.isfinite(others)] if len(others) else scores[known]
        low, high = float(others.min()), float(others.max())
        share = ((scores[known] - low) / (high - low or 1.0)).clip(0, 1)
        values = np.zeros(len(scores), np.uint8)
        values[known] = 1 + np.round(254 * share).astype(np.uint8)
        best = np.maximum.reduceat(np.where(known, scores, -np.inf), self.first[:-1])
        order = np.argsort(-best, kind="stable").tolist()
        return Strips(values.tobytes(), [low, high], order, self._hits(ranking))

    def _hits(self, ranking: pd.DataFrame) -> list[list[Any]]:
        head = ranking[ranking["rank"] > 0].head(HITS)
        return [
            [number, int(rank), SIGNS.get(relevance, ""), relevance]
            for number, rank, relevance in zip(
                self._in(head).tolist(), head["rank"], head["relevance"], strict=True
            )
            if number >= 0
        ]

    def _in(self, ranking: pd.DataFrame) -> np.ndarray:
        """The numbers of the ranked images; -1 for one that is no moment."""
        numbers = self._numbers
        return np.array([numbers.get(image, -1) for image in ranking["image_id"].tolist()], np.int64)
