"""What each embedded video shows: its shots, the posters in them, the transitions, and the copied segments.

Times are whole numbers of frames. Everything follows from one seed, before anything is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, cycle, islice

import numpy as np

from workbench.collections.posters.art import MEMBERS, SERIES

SEED = 1895
FPS = 10  # times are whole milliseconds, as WebM stores them
QUERIES = tuple(
    MEMBERS * series + member for series in range(0, len(SERIES), 3) for member in range(MEMBERS)
) + tuple(
    MEMBERS * series + member for series in range(1, len(SERIES), 3) for member in (0, 2)
)  # the posters that appear: whole series, which look alike, and half ones
_PHOTOS = 15  # shots of a photograph that is printed on posters, which is not a poster
_COUNTS = (3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 8, 9)  # shots of each clip
_LENGTHS = 30, 61  # frames of a shot
_SHORT_CLIP = 34  # frames of a shot where there are only three, so that no clip is shorter than 10 s
_VIEWS = ("plain", "far", "plain", "tilted", "covered", "cut")
_MOVES = ("pan", "zoom in", "zoom out", "still")
_TRANSITIONS = ("cut", "dissolve", "fade")
_SHARES = (0.55, 0.25, 0.2)  # of the transitions
_HALF = 3, 8  # frames before and after the middle of a dissolve or a fade
TRANSFORMATIONS = (
    *("trimmed", "mirrored", "re-encoded", "grey", "logo", "letterbox"),
    *("slower", "faster", "inserted", "several"),
)
SPEEDS = {"slower": 0.9, "faster": 1.1}  # frames of the original for each frame of the copy
_COPIES = 2  # of each transformation
_COPIED = 80, 131  # frames of an original that are copied
_NEGATIVES = 4  # query videos without a copy; every second one shows posters of clips, in other scenes
_AROUND = 2  # shots before and after an inserted segment, of a video that is not in the collection


@dataclass(frozen=True)
class ShotPlan:
    """``frames`` of a scene or photograph and a movement of the camera; ``number`` is that of its poster."""

    frames: int
    number: int | None
    view: str  # as of posters; "none" without a poster, "photo" for a photograph
    move: str
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """The transition between two shots: ``half`` its length before and after the border, 0 for a cut."""

    kind: str
    half: int


@dataclass(frozen=True)
class ClipPlan:
    """A video of shots, with a change between each two of them."""

    name: str
    shots: tuple[ShotPlan, ...]
    changes: tuple[Change, ...]

    @property
    def borders(self) -> tuple[int, ...]:
        """The first frame of each shot, and the number of frames of the video."""
        return tuple(accumulate((shot.frames for shot in self.shots), initial=0))

    @property
    def frames(self) -> int:
        return self.borders[-1]

    def in_transition(self, frame: int) -> bool:
        """Whether a frame belongs to a dissolve or a fade."""
        return any(
            border - change.half <= frame < border + change.half
            for border, change in zip(self.borders[1:-1], self.changes, strict=True)
        )


@dataclass(frozen=True)
class CopyPlan:
    """A video with ``length`` frames copied from ``original``, from its frame ``start`` at ``speed``.

    ``before`` and ``after`` are other videos that surround the copied segment.
    """

    name: str
    original: ClipPlan
    start: int
    length: int
    transformation: str
    before: ClipPlan | None = None
    after: ClipPlan | None = None

    @property
    def speed(self) -> float:
        """Frames of the original for each frame of the copy."""
        return SPEEDS.get(self.transformation, 1.0)

    @property
    def offset(self) -> int:
        """The first copied frame of this video."""
        return self.before.frames if self.before else 0

    @property
    def frames(self) -> int:
        return self.offset + self.length + (self.after.frames if self.after else 0)


def clips() -> tuple[ClipPlan, ...]:
    """The videos of the database."""
    rng = np.random.default_rng([SEED, 1])
    counts = rng.permutation(_COUNTS)
    numbers: list[int | None] = [number for i, number in enumerate(QUERIES) for _ in range(2 + i % 2)]
    views = [view for _, view in zip(numbers, cycle(_VIEWS), strict=False)]
    empty = int(counts.sum()) - len(numbers)
    waiting = list(zip(numbers, views, strict=True))
    waiting += [(None, "photo" if i < _PHOTOS else "none") for i in range(empty)]
    waiting = [waiting[i] for i in rng.permutation(len(waiting))]
    plans = []
    for place, count in enumerate(counts):
        chosen: list[tuple[int | None, str]] = []
        while len(chosen) < count:  # no poster twice in a clip, if it can be helped
            shown = {number for number, _ in chosen} - {None}
            position = next((i for i, (number, _) in enumerate(waiting) if number not in shown), 0)
            chosen.append(waiting.pop(position))
        plans.append(_clip(f"clips/c{place:02d}.webm", chosen, (SEED, 2, place), rng))
    return tuple(plans)


def copies(originals: tuple[ClipPlan, ...]) -> tuple[CopyPlan, ...]:
    """The query videos of copy detection, each with one copied segment of another clip."""
    rng = np.random.default_rng([SEED, 3])
    kinds = rng.permutation(list(TRANSFORMATIONS) * _COPIES)
    order = islice(cycle(rng.permutation(len(originals))), len(kinds))
    plans = []
    for place, (kind, number) in enumerate(zip(kinds, order, strict=True)):
        original = originals[number]
        speed = SPEEDS.get(str(kind), 1.0)
        length = int(min(rng.integers(*_COPIED), original.frames - 10) / speed)
        start = int(rng.integers(0, original.frames - int(length * speed)))
        surroundings: list[ClipPlan | None] = [None, None]
        if kind in ("inserted", "several"):
            surroundings = [
                _clip("", [(None, "none")] * _AROUND, (SEED, 4, place, side), rng) for side in range(2)
            ]
        plans.append(CopyPlan(f"copies/q{place:02d}.webm", original, start, length, str(kind), *surroundings))
    return tuple(plans)


def negatives() -> tuple[ClipPlan, ...]:
    """The query videos of copy detection that contain no copy."""
    rng = np.random.default_rng([SEED, 6])
    plans = []
    for place in range(_NEGATIVES):
        numbers = rng.choice(QUERIES, 2, replace=False).tolist() if place % 2 else [None, None]
        shown = [(numbers[0], "plain"), (None, "none"), (numbers[1], "plain"), (None, "photo")]
        shown = [
            (number, view if view == "photo" or number is not None else "none") for number, view in shown
        ]
        plans.append(_clip(f"copies/n{place:02d}.webm", shown, (SEED, 7, place), rng))
    return tuple(plans)


def _clip(
    name: str, shown: list[tuple[int | None, str]], seed: tuple[int, ...], rng: np.random.Generator
) -> ClipPlan:
    """A clip of shots that show these posters in these views."""
    least = _SHORT_CLIP if len(shown) == 3 else _LENGTHS[0]
    shots = tuple(
        ShotPlan(int(rng.integers(least, _LENGTHS[1])), number, view, str(rng.choice(_MOVES)), (*seed, i))
        for i, (number, view) in enumerate(shown)
    )
    kinds = rng.choice(_TRANSITIONS, len(shown) - 1, p=_SHARES)
    changes = tuple(Change(str(kind), 0 if kind == "cut" else int(rng.integers(*_HALF))) for kind in kinds)
    return ClipPlan(name, shots, changes)
