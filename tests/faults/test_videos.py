"""Videos that are damaged, very long, replaced while they are open, or whose extraction is interrupted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.support.videos import number_of, numbered, write_video
from workbench.collections import images
from workbench.collections.video import shot_store
from workbench.collections.video.reader import Frame, Reader
from workbench.collections.video.shot import Shot
from workbench.collections.video.shot_store import detect_shots
from workbench.common.progress import Cancelled
from workbench.config.errors import TemporarilyUnreadable, WorkbenchError

PIPELINE = "timm:test_resnet@random/mean/whole"


def number_at(video: Path, seconds: float) -> int:
    return number_of(images.load(Path(f"{video}#t={seconds:.2f}")))


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Ten seconds of numbered frames, some of which, near the middle, do not decode."""
    folder = tmp_path / "clips"
    folder.mkdir()
    video = write_video(folder / "clip.mp4", numbered(250))
    content = bytearray(video.read_bytes())
    for place in range(int(0.45 * len(content)), int(0.55 * len(content))):
        content[place] = place * 7919 % 251
    video.write_bytes(content)
    return video


def test_frames_after_damage_are_read(damaged: Path) -> None:
    with pytest.raises(WorkbenchError, match="no frame decodes at"):
        number_at(damaged, 7.0)
    assert [number_at(damaged, seconds) for seconds in (9.0, 2.0, 9.4, 5.0)] == [225, 50, 235, 125]
    times = [seconds for seconds, _ in Reader(damaged).frames(10.0)]
    assert times == sorted(set(times)) and times[-1] == 9.96 and 100 < len(times) < 250


def test_moments_that_do_not_decode_move_to_the_report(damaged: Path, tmp_path: Path) -> None:
    bench = wb.open(damaged.parent, cache=tmp_path / "cache", size=64)
    assert len(bench.collection.images) == 10
    ranking = bench.search("clip.mp4#t=9.00", pipeline=PIPELINE, k=None)
    reasons = dict(bench.collection.problems)
    assert reasons["clip.mp4#t=7.00"] == "no frame decodes at 7.00 s"
    assert len(ranking) + len(reasons) == 10 and ranking["image_id"][0] == "clip.mp4#t=9.00"


def test_long_video_is_opened_without_decoding_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "long.mp4", (np.full((64, 64, 3), n % 250, np.uint8) for n in range(612)), 1 / 60)
    decoded = 0
    grab = Reader._grab

    def counted(reader: Reader) -> float | None:
        nonlocal decoded
        decoded += 1
        return grab(reader)

    monkeypatch.setattr(Reader, "_grab", counted)
    bench = wb.open(tmp_path, cache=tmp_path, fps=0.1)
    assert bench.videos.table()["seconds"][0] == pytest.approx(36_000)
    assert len(bench.collection.images) == 3600 and decoded < 50


def test_replaced_and_removed_videos_are_noticed(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", numbered(100))
    assert number_at(video, 2.0) == 50
    write_video(tmp_path / "b.mp4", list(numbered(100))[::-1]).replace(video)
    assert number_at(video, 2.0) == 49
    video.unlink()
    with pytest.raises(TemporarilyUnreadable, match="missing"):
        number_at(video, 2.0)


def test_shots_of_a_video_that_changes_meanwhile_are_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "a.mp4", numbered(50))

    def change(frames: Iterable[Frame], fps: float) -> list[float]:
        for _ in frames:
            pass
        write_video(tmp_path / "b.mp4", numbered(100)).replace(video)
        return []

    with monkeypatch.context() as patched:
        patched.setitem(shot_store._DETECTORS, "content", change)
        reason = detect_shots({"a.mp4": video}, "content", tmp_path)["a.mp4"]
    assert isinstance(reason, str) and "has changed" in reason and not list(tmp_path.rglob("*.json"))
    last = detect_shots({"a.mp4": video}, "content", tmp_path)["a.mp4"][-1]
    assert isinstance(last, Shot) and last.end == 4.0


def test_interrupted_extraction_resumes_to_the_byte(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_video(folder / "a.mp4", numbered(240), 24)
    write_video(folder / "b.mp4", list(numbered(240))[::-1], 24)

    def stored(cache: Path) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (cache / "maps").rglob("*.safetensors")}

    def describe(cache: Path, most: int) -> None:
        def cancel(task: str, done: int, total: int) -> None:
            if task.startswith("extracting") and done >= most:
                raise Cancelled

        wb.open(folder, cache=cache, size=64, fps=4).search(
            "a.mp4#t=0.00", pipeline=PIPELINE, progress=cancel
        )

    whole, interrupted = tmp_path / "whole", tmp_path / "interrupted"
    describe(whole, 1000)
    with pytest.raises(Cancelled):
        describe(interrupted, 24)
    assert 0 < len(stored(interrupted)) < len(stored(whole)) == 10
    describe(interrupted, 1000)
    assert stored(interrupted) == stored(whole)


def test_decoding_stops_within_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a thread decodes towards a moment far from the last key frame."""
    folder = tmp_path / "clips"
    folder.mkdir()
    write_video(folder / "a.mp4", numbered(50))
    bench = wb.open(folder, cache=tmp_path / "cache", size=64)
    grab, passed = Reader._grab, 0

    def endless(reader: Reader) -> float | None:
        nonlocal passed
        passed += 1
        grab(reader)
        return 0.0

    def cancel(task: str, done: int, total: int) -> None:
        if passed > 100:
            raise Cancelled

    monkeypatch.setattr(Reader, "_sparse_frame", lambda *_: None)
    monkeypatch.setattr(Reader, "_grab", endless)
    with pytest.raises(Cancelled):
        bench.search("a.mp4#t=0.00", pipeline=PIPELINE, progress=cancel)
