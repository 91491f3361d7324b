"""Summaries of videos with numbers given by hand."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.explanations import pictured
from workbench.analysis.summary import Summary
from workbench.collections.video.cue import Cue
from workbench.common.tables import Table

SIMILARITIES = (0.5, 1.0, 0.75, 1.0)  # of moments 0, 1, 2, 3


def summary_of(
    videos: Sequence[str] = ("a.mp4",), pipeline: str = "x/max/whole", collection: str = "clips"
) -> Summary:
    """Four moments of each video, one second apart, the second and the last chosen."""
    ids = [f"{video}#t={second}.00" for video in videos for second in range(4)]
    chosen = [f"{video}#t={second}.00" for video in videos for second in (1, 3)]
    cues = [
        Cue(video, start, start + 2, name)
        for video, start, name in zip(
            [video for video in videos for _ in range(2)], [0, 2] * len(videos), chosen, strict=True
        )
    ]
    table = {
        "k": [1, 2],
        "facility_location": [0.5, 0.8125],
        "uniform": [0.4, 0.7],
        "k_means": [0.5, 0.75],
        "bound": [0.5, 0.9],
    }
    nearest = {
        "moment": ids,
        "video": [video for video in videos for _ in range(4)],
        "seconds": [0.0, 1.0, 2.0, 3.0] * len(videos),
        "nearest": [f"{video}#t={second}.00" for video in videos for second in (1, 1, 3, 3)],
        "similarity": [*SIMILARITIES] * len(videos),
    }
    return Summary(
        tuple(chosen), 0.8125, 0.9, Table(table), tuple(reversed(chosen)), Table(nearest), tuple(cues),
        tuple(pictured(name) for name in chosen), videos[0] if len(videos) == 1 else "", pipeline, collection,
    )  # fmt: skip
