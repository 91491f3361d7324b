"""Cues as files: timecodes of edit lists, rows of cue sheets, pictures of storyboards, and odd names."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from workbench.collections.collection import Collection
from workbench.collections.named_picture import NamedPicture
from workbench.collections.video.cue import Cue
from workbench.config.errors import WorkbenchError
from workbench.report.cue_files import cue_file
from workbench.report.cue_sheet import cue_sheet
from workbench.report.edit_list import edit_list, reels, timecode
from workbench.report.storyboard import storyboard

CUES = [
    Cue("clips/a.mp4", 0.0, 2.48, "clips/a.mp4#t=1.00"),
    Cue("clips/a.mp4", 59.96, 61.0, "clips/a.mp4#t=60.00", "shot 2"),
]


def events(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line[:3].isdigit()]


def test_events_at_25_frames_a_second_follow_one_another() -> None:
    text = edit_list(CUES, 25.0, "Reel")
    assert text.splitlines()[:2] == ["TITLE: Reel", "FCM: NON-DROP FRAME"]
    head = ["V", "C"]
    assert events(text) == [
        ["001", "A", *head, "00:00:00:00", "00:00:02:12", "01:00:00:00", "01:00:02:12"],
        ["002", "A", *head, "00:00:59:24", "00:01:01:00", "01:00:02:12", "01:00:03:13"],
    ]
    assert "* FROM CLIP NAME: a.mp4" in text and "* COMMENT: shot 2" in text


def test_non_drop_timecodes_of_ntsc_count_30_frames_a_second() -> None:
    """One hour of 29.97 frames a second has 107,892 frames, whose non-drop timecode is 00:59:56:12."""
    hour = Cue("a.mov", 3600.0, 3610.01, "a.mov#t=3600.00")
    assert events(edit_list([hour], 30000 / 1001))[0][4:] == [
        "00:59:56:12",
        "01:00:06:12",
        "01:00:00:00",
        "01:00:10:00",
    ]
    assert timecode(107_892, 30) == "00:59:56:12"


@pytest.mark.parametrize(
    ("fps", "end"),
    [(30.0, "00:00:10:00"), (24.0, "00:00:10:00"), (120.0, "00:00:10:00"), (0.0, "00:00:10:00")],
)
def test_rates_of_timecodes(fps: float, end: str) -> None:
    cue = Cue("a.mov", 9.0, 10.0, "a.mov#t=9.00")
    assert events(edit_list([cue], fps))[0][5] == end


def test_every_event_has_a_frame_and_names_are_one_line() -> None:
    name = "clips/été\nTITLE: \u202ex <b>.mp4"
    text = edit_list([Cue(name, 1.0, 1.001, f"{name}#t=1.00")], 25.0, "a\nb")
    assert events(text) == [
        ["001", "ETETITLE", "V", "C", "00:00:01:00", "00:00:01:01", "01:00:00:00", "01:00:00:01"]
    ]
    assert [line for line in text.splitlines() if line.startswith("TITLE:")] == ["TITLE: a\\nb"]
    assert r"* FROM CLIP NAME: été\nTITLE: \u202ex <b>.mp4" in text
    assert reels(["a/clip_number_1.mp4", "b/Clip Number 2.mp4", "夜.mp4", "昼.mp4"]) == {
        "a/clip_number_1.mp4": "CLIPNUMB",
        "b/Clip Number 2.mp4": "CLIPNUM2",
        "夜.mp4": "AX",
        "昼.mp4": "AX2",
    }
    with pytest.raises(WorkbenchError, match="at most 999"):
        edit_list(CUES * 500, 25.0)


def test_cue_sheet_has_times_and_no_formulas() -> None:
    rows = list(csv.DictReader(io.StringIO(cue_sheet([*CUES, Cue("=1+2.mp4", 0, 1, "=1+2.mp4#t=0.00")]))))
    assert [rows[1][name] for name in ("number", "start", "end", "length", "from", "seconds")] == [
        "2", "59.960", "61.000", "1.040", "1:00.0", "60.00",
    ]  # fmt: skip
    assert rows[2]["video"] == "'=1+2.mp4"


def test_storyboard_has_a_picture_for_each_cue(tmp_path: Path) -> None:
    pictures = [
        NamedPicture("a", Image.new("RGB", (320, 180), "red")),
        NamedPicture("b", Image.new("RGB", (90, 160), "blue")),
        NamedPicture("gone", tmp_path / "gone.mp4#t=1.00"),
    ]
    long = Cue(f"{'x' * 300}<b>.mp4", 0.0, 1.0, "b")
    board = storyboard([CUES[0], long, CUES[1]], pictures, ["note"])
    colours = {colour for _, colour in board.getcolors(board.width * board.height) or []}
    assert {(255, 0, 0), (0, 0, 255), (255, 255, 255)} <= colours
    five = storyboard([CUES[0]] * 5, [pictures[0]] * 5)
    assert five.height > 2 * 180 and five.width < 5 * 320
    with pytest.raises(WorkbenchError, match="no moment"):
        storyboard([], [])


def test_kinds_of_files(tmp_path: Path) -> None:
    collection = Collection("x", tmp_path, ())
    assert cue_file(".edl", collection, CUES, "T").startswith(b"TITLE: T\r\n")  # 25, as the files are gone
    assert cue_file(".png", collection, CUES).startswith(b"\x89PNG")
    with pytest.raises(WorkbenchError, match=r"'\.pdf' is not a kind of file"):
        cue_file(".pdf", collection, CUES)
