"""Cues as a table, CSV: the videos, intervals and moments."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from workbench.collections.video.cue import Cue
from workbench.collections.video.moment import clock, seconds_of
from workbench.common.csv_cell import csv_cell

COLUMNS = ("number", "video", "start", "end", "length", "from", "to", "moment", "seconds", "note")


def cue_sheet(cues: Sequence[Cue]) -> str:
    """A row for each cue: number, video, start, end and length in seconds, both ends as on a clock, the id of
    the moment, its seconds, and the note.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")  # RFC 4180
    writer.writerow(COLUMNS)
    for number, cue in enumerate(cues, start=1):
        times = [f"{seconds:.3f}" for seconds in (cue.start, cue.end, cue.end - cue.start)]
        shown = [clock(cue.start), clock(cue.end)]
        seconds = f"{seconds_of(cue.moment):.2f}"
        writer.writerow(
            [number, csv_cell(cue.video), *times, *shown, csv_cell(cue.moment), seconds, csv_cell(cue.note)]
        )
    return file.getvalue()
