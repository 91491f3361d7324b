"""What the ground truth of a collection of videos knows: shots, appearances of objects, copied segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from workbench.collections.video.shot import Shot


class Appearance(NamedTuple):
    """The interval [``start``, ``end``) in seconds in which the object of a query is seen in a video."""

    query: str
    video: str
    start: float
    end: float


class CopiedSegment(NamedTuple):
    """A segment of a query video, and the segment of a video of the collection of which it is a copy.

    Times are in seconds. ``transformation`` names what was done to the copy, such as ``mirrored``; it is not
    known of detected segments.
    """

    query: str
    query_start: float
    query_end: float
    video: str
    start: float
    end: float
    transformation: str = ""


class Transition(NamedTuple):
    """The interval [``start``, ``end``) in seconds between two shots of a video.

    ``kind`` is ``cut`` (of length zero), ``fade`` or ``dissolve``; the shots meet in its middle.
    """

    video: str
    start: float
    end: float
    kind: str


@dataclass(frozen=True)
class VideoTruth:
    """The exact ground truth of videos, by their names relative to the collection's root.

    The shots of a video cover it, and each two of them are joined by one of its transitions. An object
    appears where enough of it is seen to count as a positive, outside transitions. ``negatives`` are query
    videos of copy detection that contain no copy.
    """

    shots: Mapping[str, tuple[Shot, ...]] = field(default_factory=dict)
    transitions: Mapping[str, tuple[Transition, ...]] = field(default_factory=dict)
    appearances: tuple[Appearance, ...] = ()
    copies: tuple[CopiedSegment, ...] = ()
    negatives: tuple[str, ...] = ()

    @property
    def copy_queries(self) -> tuple[str, ...]:
        """The names of the query videos of copy detection; they are not in the collection's database."""
        return (*dict.fromkeys(copy.query for copy in self.copies), *self.negatives)
