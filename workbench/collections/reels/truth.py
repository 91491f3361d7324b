"""The ground truth of the embedded videos: what is stored, and what it says of moments at any sampling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workbench.collections.posters.views import View
from workbench.collections.reels.plan import FPS, ClipPlan, CopyPlan
from workbench.collections.video.moment import moment_of, video_of
from workbench.collections.video.reader import TOLERANCE
from workbench.collections.video.shot import Shot
from workbench.collections.video.truth import Appearance, CopiedSegment, Transition, VideoTruth

Corners = tuple[tuple[float, float], ...]
FACTS = ("visible", "size", "tilt")  # of a view, that a collection keeps


class MomentTruth(NamedTuple):
    """The ground truth of sampled moments, as a collection has it."""

    relevance: dict[str, dict[str, str]]
    quadrilaterals: dict[tuple[str, str], Corners]
    facts: dict[tuple[str, str], dict[str, float]]


def query_id(number: int) -> str:
    """The id of the query for a poster."""
    return f"p{number:02d}"


def stored_clip(clip: ClipPlan, views: Iterator[tuple[int, View]]) -> dict[str, Any]:
    """A clip as plain data: borders and transitions in frames, and the views of each poster by frame.

    A frame's row is its number, the visible share, the share of the picture, the tilt in degrees and the
    corners in pixels.
    """
    rows: dict[str, list[list[float]]] = {}
    for number, view in views:
        corners = [round(float(value), 1) for value in view.corners.flat]
        facts = [round(view.visible, 4), round(view.size, 4), round(view.tilt, 2)]
        rows.setdefault(query_id(view.number), []).append([number, *facts, *corners])
    return {
        "borders": clip.borders,
        "transitions": [
            [border - change.half, border + change.half, change.kind]
            for border, change in zip(clip.borders[1:-1], clip.changes, strict=True)
        ],
        "views": rows,
    }


def stored_copy(copy: CopyPlan) -> dict[str, Any]:
    """A query video as plain data, in frames."""
    return {
        "original": copy.original.name,
        "query": [copy.offset, copy.offset + copy.length],
        "segment": [copy.start, copy.start + copy.length * copy.speed],
        "transformation": copy.transformation,
    }


def video_truth(stored: Mapping[str, Any]) -> VideoTruth:
    """The ground truth of videos, in seconds."""
    clips: Mapping[str, Any] = stored["clips"]
    return VideoTruth(
        {
            name: tuple(
                Shot(name, _seconds(start), _seconds(end))
                for start, end in zip(clip["borders"], clip["borders"][1:], strict=False)
            )
            for name, clip in clips.items()
        },
        {
            name: tuple(
                Transition(name, _seconds(start), _seconds(end), kind)
                for start, end, kind in clip["transitions"]
            )
            for name, clip in clips.items()
        },
        tuple(
            appearance
            for name, clip in clips.items()
            for query, rows in clip["views"].items()
            for appearance in _appearances(query, name, clip, rows)
        ),
        tuple(
            CopiedSegment(
                name,
                _seconds(copy["query"][0]),
                _seconds(copy["query"][1]),
                copy["original"],
                _seconds(copy["segment"][0]),
                _seconds(copy["segment"][1]),
                copy["transformation"],
            )
            for name, copy in stored["copies"].items()
        ),
        tuple(stored["negatives"]),
    )


def moment_truth(stored: Mapping[str, Any], moments: Sequence[str]) -> MomentTruth:
    """The relevance of moments for each query: easy and hard as in posters; junk in a transition too."""
    truth = MomentTruth({query: {} for query in stored["queries"]}, {}, {})
    frames = {
        (name, query): {int(row[0]): row for row in rows}
        for name, clip in stored["clips"].items()
        for query, rows in clip["views"].items()
    }
    shown: dict[str, list[str]] = {}
    for name, query in frames:
        shown.setdefault(name, []).append(query)
    for moment in moments:
        name = video_of(moment)
        named = moment_of(Path(moment))
        assert named is not None
        number = int((named.seconds + TOLERANCE) * FPS)
        clip = stored["clips"][name]
        for query in shown.get(name, ()):
            row = frames[name, query].get(number)
            if row is not None:
                truth.relevance[query][moment] = _grade(clip, row)
                truth.quadrilaterals[query, moment] = tuple(zip(row[4::2], row[5::2], strict=True))
                truth.facts[query, moment] = dict(zip(FACTS, row[1:4], strict=True))
            elif any(other in frames[name, query] for other in _mixed_with(clip, number)):
                truth.relevance[query][moment] = "junk"
    return truth


def _grade(clip: Mapping[str, Any], row: Sequence[float]) -> str:
    number, visible, size, tilt = row[:4]
    if any(start <= number < end for start, end, _ in clip["transitions"]):
        return "junk"
    return View(0, np.empty((4, 2)), visible, tilt, size).grade


def _mixed_with(clip: Mapping[str, Any], frame: int) -> tuple[int, ...]:
    """The frames of both shots next to the border in whose dissolve a frame is, if it is in one."""
    for start, end, kind in clip["transitions"]:
        if kind == "dissolve" and start <= frame < end:
            return (start + end) // 2 - 1, (start + end) // 2
    return ()


def _appearances(
    query: str, video: str, clip: Mapping[str, Any], rows: Sequence[Sequence[float]]
) -> Iterator[Appearance]:
    """The intervals of frames that are positives; the shots that meet at a cut have one each."""
    positives = [int(row[0]) for row in rows if _grade(clip, row) != "junk"]
    places = np.searchsorted(clip["borders"], positives, side="right").tolist()
    numbered = [
        (place, number - i, number) for i, (place, number) in enumerate(zip(places, positives, strict=True))
    ]
    for _, run in groupby(numbered, key=lambda entry: entry[:2]):
        numbers = [number for _, _, number in run]
        yield Appearance(query, video, _seconds(numbers[0]), _seconds(numbers[-1] + 1))


def _seconds(frame: float) -> float:
    return round(frame / FPS, 4)
