"""A storyboard: the pictures of cues in order, with their numbers, times and videos, as one picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from workbench.collections.named_picture import NamedPicture
from workbench.collections.video.cue import Cue
from workbench.collections.video.moment import clock, seconds_of
from workbench.common.palette import NEUTRAL
from workbench.config.errors import WorkbenchError
from workbench.report.picture_sheet import sheet

COLUMNS = 4
MOST = 400  # pictures; a storyboard of more is too large to open
_SIDE = 320  # pixels of a picture's longer side
_ASPECT = 9 / 16  # of a picture that cannot be read


def storyboard(
    cues: Sequence[Cue], pictures: Sequence[NamedPicture], notes: Sequence[str] = ()
) -> Image.Image:
    """The pictures of cues in rows of four, each with its number, its time and interval, and its video.

    ``pictures`` are those of the moments, in the order of the cues; ``notes`` stand below. A picture that
    cannot be read is an empty frame. Raises WorkbenchError without cues, and for more than 400.
    """
    if not cues:
        raise WorkbenchError("there is no moment, so there is no storyboard")
    if len(cues) > MOST:
        raise WorkbenchError(f"a storyboard has at most {MOST} pictures, not {len(cues):,}; export fewer")
    shown = [_loaded(picture) for picture in pictures]
    width, height = (max(picture.size[axis] for picture in shown) for axis in (0, 1))
    cells = [_padded(picture, width, height) for picture in shown]
    captions = [
        f"{number}. {clock(seconds_of(cue.moment))} ({clock(cue.start)}–{clock(cue.end)}) "
        + (cue.note or cue.video)
        for number, cue in enumerate(cues, start=1)
    ]
    rows = []
    for first in range(0, len(cells), COLUMNS):
        last = first + COLUMNS >= len(cells)
        row = slice(first, first + COLUMNS)
        rows.append(sheet(cells[row], captions[row], notes if last else ()))
    paper = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for drawn in rows:
        paper.paste(drawn, (0, top))
        top += drawn.height
    return paper


def _loaded(picture: NamedPicture) -> Image.Image:
    try:
        return picture.load(_SIDE)
    except WorkbenchError:
        empty = Image.new("RGB", (_SIDE, round(_ASPECT * _SIDE)), "white")
        draw = ImageDraw.Draw(empty)
        draw.rectangle((0, 0, empty.width - 1, empty.height - 1), outline=NEUTRAL)
        draw.text((12, 12), "no picture", fill=NEUTRAL)
        return empty


def _padded(picture: Image.Image, width: int, height: int) -> Image.Image:
    cell = Image.new("RGB", (width, height), "white")
    cell.paste(picture, (0, height - picture.height))
    return cell
