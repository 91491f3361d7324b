"""Cues as the contents of files: a storyboard (PNG), a cue sheet (CSV) and an edit decision list (EDL)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.collections.collection import Collection
from workbench.collections.named_picture import NamedPicture
from workbench.collections.video.cue import Cue, frame_rate
from workbench.collections.video.moment import moment_name
from workbench.common.picture_bytes import png
from workbench.config.errors import WorkbenchError
from workbench.report.cue_sheet import cue_sheet
from workbench.report.edit_list import edit_list
from workbench.report.storyboard import storyboard

KINDS = (".png", ".csv", ".edl")


def cue_file(
    kind: str, collection: Collection, cues: Sequence[Cue], title: str = "", notes: Sequence[str] = ()
) -> bytes:
    """The contents of a file of that ``kind`` (``.png``, ``.csv`` or ``.edl``) of cues of a collection.

    ``notes`` are the small print of a storyboard. Raises WorkbenchError for another kind.
    """
    require_kind(kind)
    if kind == ".csv":
        return cue_sheet(cues).encode("utf-8", "replace")
    if kind == ".edl":
        videos = [cue.video for cue in cues]
        return edit_list(cues, frame_rate(collection, videos), title).encode("utf-8", "replace")
    pictures = [NamedPicture(cue.moment, collection.path(cue.moment)) for cue in cues]
    return png(storyboard(cues, pictures, [title, *notes] if title else notes))


def require_kind(kind: str) -> None:
    """Raise WorkbenchError unless a file of that kind can be written."""
    if kind not in KINDS:
        raise WorkbenchError(
            f"{kind!r} is not a kind of file for moments; valid: .png (storyboard), .csv (cue sheet), "
            ".edl (edit decision list)"
        )


def shot_cues(shots: pd.DataFrame) -> list[Cue]:
    """The cues of a table of shots (video, shot, start, end, keyframe), as of ``bench.videos.shots``.

    A shot without a moment of the collection has its middle frame.
    """
    columns = [shots[name] for name in ("video", "shot", "start", "end", "keyframe")]
    return [
        Cue(
            video,
            start,
            end,
            keyframe or moment_name(video, (start + end) / 2),
            f"{video}, shot {number}",
        )
        for video, number, start, end, keyframe in zip(*(column.tolist() for column in columns), strict=True)
    ]
