"""Search the moments of videos, and group the results by shot or by video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from workbench.collections.video.moment import moment_of, video_of
from workbench.collections.video.shot import shot_numbers
from workbench.common.arguments import result_count
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.engine import Engine
from workbench.engine.query_parts import SearchQuery
from workbench.engine.query_search import SearchOptions
from workbench.engine.search import search
from workbench.engine.shots import shots_of_videos
from workbench.evaluation.moments import group_ranking

Group = Literal["shot", "video", "moment"]
RELEVANCE = ("easy", "positive", "good", "ok", "hard", "query", "junk", "negative", "unknown")  # best first


def search_groups(
    engine: Engine,
    config: Config,
    query: SearchQuery | None,
    text: str | None,
    box: Box | None,
    group: Group,
    k: int | None,
    progress: Progress,
) -> pd.DataFrame:
    """Rank shots, videos or moments for a query of any kind, as a table: see ``VideoAccessor.search``."""
    k = result_count(k)
    if group not in get_args(Group):
        raise WorkbenchError(f"group {group!r} is not known; valid: {', '.join(get_args(Group))}")
    if not engine.collection.videos:
        raise WorkbenchError(
            f"{engine.collection.name!r} has no videos: its results cannot be ranked by shot, video or moment"
        )
    ranking = search(engine, config, query, text, box, progress, SearchOptions(k=None)).table()
    images = ranking["image_id"].tolist()
    intervals = _intervals(engine, images, group, progress)
    numbers = {interval: number for number, interval in enumerate(dict.fromkeys(intervals))}
    groups = np.array([numbers[interval] for interval in intervals], np.int64)
    ranked = group_ranking(groups, ranking["score"].to_numpy())
    first = ranked.best[:k]
    relevance = _best_relevance(groups, ranking["relevance"].tolist())
    table = Table(
        {
            "rank": np.arange(1, len(first) + 1),
            "video": [intervals[place][0] for place in first],
            "start": [intervals[place][1] for place in first],
            "end": [intervals[place][2] for place in first],
            "moment": [images[place] for place in first],
            "score": ranked.scores[:k],
            "relevance": [relevance[number] for number in ranked.groups[:k]],
        }
    )
    table.attrs.update({name: ranking.attrs[name] for name in ("warnings", "query") if name in ranking.attrs})
    return table


def _intervals(
    engine: Engine, images: Sequence[str], group: Group, progress: Progress
) -> list[tuple[str, float, float, str]]:
    """The video, start and end of the group of each image, and what else tells it from other groups."""
    from workbench.collections.video.header import video_header  # OpenCV, which images do not need

    collection = engine.collection
    intervals = [("", float("nan"), float("nan"), image) for image in images]
    places: dict[str, list[int]] = {}
    for place, image in enumerate(images):
        if video := video_of(image):
            places.setdefault(video, []).append(place)
    shots = shots_of_videos(engine, list(places), progress) if group == "shot" else {}
    for video, at in places.items():
        seconds = [moment.seconds for place in at if (moment := moment_of(Path(images[place])))]
        if group == "moment":
            of_video = [(video, time, time, "") for time in seconds]
        elif group == "shot":
            numbers = shot_numbers(shots[video], seconds).tolist()
            of_video = [(video, *shots[video][number][1:], "") for number in numbers]
        else:
            of_video = [(video, 0.0, video_header(collection.path(video)).seconds, "")] * len(at)
        for place, interval in zip(at, of_video, strict=True):
            intervals[place] = interval
    return intervals


def _best_relevance(groups: np.ndarray, relevance: Sequence[str]) -> dict[int, str]:
    """The best relevance of the moments of each group."""
    order = {grade: place for place, grade in enumerate(RELEVANCE)}
    best: dict[int, str] = {}
    for number, grade in zip(groups.tolist(), relevance, strict=True):
        if number not in best or order[grade] < order[best[number]]:
            best[number] = grade
    return best
