"""The lines above the timelines."""

from __future__ import annotations

from workbench.panels.formatting import plural
from workbench.panels.video.moments import Moments, Strips
from workbench.panels.widgets.region import Line, line

NONE = (
    "This collection has no videos: open a folder that holds some (MP4, MKV, MOV, WebM or AVI), "
    'such as wb.open("~/clips").'
)
WAITING = "Similarities to the query appear here once the moments are described."
KEYS = "Click or ← → seeks · Page Up/Down: hits · ↑ ↓ videos · Space plays"


def summary(moments: Moments, strips: Strips | None, ranks: bool) -> list[Line]:
    """The numbers of videos and moments, and what to do; ``ranks``: a ranking is being computed."""
    text = f"{plural(len(moments.videos), 'video')}, {plural(len(moments.names), 'moment')}"
    if strips is None:
        waits = WAITING if ranks else "Choose a query to compare them with it."
        return [line(f"{text}. {waits}", "note")]
    return [line(f"{text}, the most similar videos first", "note"), line(KEYS, "note")]
