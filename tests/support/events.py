"""Events and recountings with numbers given by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.support.explanations import pictured
from workbench.analysis.events import Events, ScoreCurve
from workbench.analysis.recounting import Cells, Recounting
from workbench.common.tables import Table


def events_of(
    videos: Sequence[str] = ("a.mp4",),
    query: str = "text:cat",
    pipeline: str = "x/max/whole",
    collection: str = "clips",
    with_events: int = 1,
) -> Events:
    """Videos of four seconds whose smoothed scores are 0, 1, 3, 1; the first ``with_events`` ones have an
    event from 1.5 to 2.5 s."""
    curves = [
        ScoreCurve(
            video,
            tuple(f"{video}#t={second}.00" for second in range(4)),
            np.arange(4.0),
            np.array([0.0, 0.0, 6.0, 0.0]),
            np.array([0.0, 1.0, 3.0, 1.0]),
            4.0,
        )
        for video in videos
    ]
    rows = [(video, 1.5, 2.5, 3.0, f"{video}#t=2.00") for video in videos[:with_events]]
    table = Table(rows, columns=["video", "start", "end", "score", "peak"])
    return Events(table, tuple(curves), 2.0, 1.0, query, "", pipeline, collection)


def recounting_of(
    parts: Sequence[str] = ("image:a", "text:b"),
    video: str = "a.mp4",
    pipeline: str = "x/max/whole",
    collection: str = "clips",
    moments: int = 2,
) -> Recounting:
    """An event whose moments have the weight 1/moments each: part n adds n + 1 at each, in two regions."""
    ids = [f"{video}#t={second}.00" for second in range(moments)]
    weight = 1 / moments
    rows = [
        (moment, part, name, weight * (number + 1) * share)
        for moment in ids
        for number, part in enumerate(parts)
        for name, share in ((f"{part} 1", 0.75), (f"{part} 2", 0.25))
    ]
    score = sum(range(1, len(parts) + 1))
    heat = np.full((2, 3), weight * score / 12)
    cells = tuple(Cells(moment, heat, pictured(moment)) for moment in ids)
    table = {
        "moment": ids,
        "seconds": np.arange(moments, dtype=float),
        "weight": weight,
        "score": float(score),
        "contribution": weight * score,
    }
    return Recounting(
        float(score), 2.0, video, 0.0, float(moments), Table(table),
        Table(rows, columns=["moment", "part", "name", "contribution"]), cells, score / 2,
        " + ".join(parts), pipeline, collection,
    )  # fmt: skip
