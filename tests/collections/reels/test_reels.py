"""The embedded videos: their frames, their exact ground truth, and damaged or interrupted rendering.

A small plan is rendered, as all clips take most of a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from workbench.collections.collection import Collection
from workbench.collections.posters.art import poster
from workbench.collections.posters.photos import read_photos
from workbench.collections.reels import collection as reels
from workbench.collections.reels.collection import NOTE, VERSION, make, open_reels
from workbench.collections.reels.frames import ClipFrames, Studio
from workbench.collections.reels.plan import FPS, Change, ClipPlan, CopyPlan, ShotPlan
from workbench.collections.reels.transformations import copy_frames, transformed
from workbench.collections.reels.webm import write_webm
from workbench.collections.video.reader import Reader
from workbench.collections.video.sampling import Sampling
from workbench.collections.video.shot import Shot
from workbench.collections.video.truth import Appearance, CopiedSegment, Transition
from workbench.common.geometry import polygon_area
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError

CLIP = ClipPlan(
    "clips/c00.webm",
    (
        ShotPlan(20, 0, "plain", "still", (1, 0)),
        ShotPlan(20, 4, "plain", "zoom out", (1, 1)),
        ShotPlan(16, None, "none", "still", (1, 2)),
        ShotPlan(14, 4, "plain", "still", (1, 3)),
    ),
    (Change("dissolve", 4), Change("cut", 0), Change("fade", 3)),
)
INSERTED = ClipPlan("", (ShotPlan(6, None, "photo", "still", (2, 0)),), ())
COPIES = (
    CopyPlan("copies/q00.webm", CLIP, 10, 20, "mirrored"),
    CopyPlan("copies/q01.webm", CLIP, 5, 10, "slower"),
    CopyPlan("copies/q02.webm", CLIP, 12, 10, "inserted", INSERTED, INSERTED),
)

NEGATIVE = ClipPlan("copies/n00.webm", (ShotPlan(8, None, "none", "pan", (3, 0)),), ())


@pytest.fixture(scope="module", autouse=True)
def small_plan() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reels, "clips", lambda: (CLIP,))
        patch.setattr(reels, "copies", lambda _: COPIES)
        patch.setattr(reels, "negatives", lambda: (NEGATIVE,))
        patch.setattr(reels, "QUERIES", (0, 4))
        yield


@pytest.fixture(scope="module")
def studio() -> Studio:
    photos = read_photos()
    return Studio(photos, {n: np.asarray(poster(photos, n).convert("RGBA")) for n in (0, 4)})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, small_plan: None) -> Path:
    folder = tmp_path_factory.mktemp("made") / "reels"
    make(folder)
    return folder


@pytest.fixture(scope="module")
def opened(built: Path) -> Collection:
    return open_reels(built, sampling=Sampling(fps=FPS))


def decoded(path: Path) -> list[np.ndarray]:
    frames = list(Reader(path).frames())
    assert [round(seconds, 3) for seconds, _ in frames] == [n / FPS for n in range(len(frames))]
    return [frame[:, :, ::-1] for _, frame in frames]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# The frames


def test_files_have_the_frames_that_were_rendered(built: Path, studio: Studio) -> None:
    for name, rendered in (
        (CLIP.name, list(ClipFrames(CLIP, studio).frames())),
        *((copy.name, list(copy_frames(copy, studio))) for copy in COPIES),
    ):
        frames = decoded(built / name)
        assert len(frames) == len(rendered)
        assert (
            min(cv2.PSNR(a, np.ascontiguousarray(b)) for a, b in zip(rendered, frames, strict=True)) > 28
        )  # decibels


def test_transitions_mix_and_darken_the_shots(studio: Studio) -> None:
    frames = ClipFrames(CLIP, studio)
    alone = ClipPlan("", CLIP.shots[:1], ())
    # Frame 19 is the last before the middle of a dissolve of eight frames: 3.5 of 8 parts of the second shot.
    first, second = (frames.seen(place, 19).astype(float) for place in (0, 1))
    assert np.abs(frames.frame(19) - (first * 4.5 + second * 3.5) / 8).max() <= 1
    assert alone.borders == (0, 20) and np.array_equal(frames.frame(15), frames.seen(0, 15))
    assert np.array_equal(frames.frame(40), frames.seen(2, 40))  # a cut
    # A fade from frame 53 to 59: the two frames at its middle have a sixth of their light.
    for number, place in ((55, 2), (56, 3)):
        dark = frames.seen(place, number).astype(float) / 6
        assert np.abs(frames.frame(number) - dark).max() <= 1


def test_transformations_of_frames() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    assert np.array_equal(transformed(frame, "mirrored")[:, ::-1], frame)
    grey = transformed(frame, "grey")
    assert (grey == grey[:, :, :1]).all()
    boxed = transformed(frame, "letterbox")
    assert not boxed[:30].any() and not boxed[-30:].any() and np.array_equal(boxed[30:-30], frame[30:-30])
    assert 0.05 < (transformed(frame, "logo") != frame).any(axis=2).mean() < 0.25
    assert np.array_equal(transformed(frame, "trimmed"), frame)
    assert all(transformed(frame, kind).shape == frame.shape for kind in ("re-encoded", "several"))


def test_equal_frames_give_equal_webm_files(tmp_path: Path) -> None:
    frames = [np.full((48, 64, 3), 9 * n, np.uint8) for n in range(12)]
    for name in ("a.webm", "b.webm"):
        write_webm(tmp_path / name, frames, FPS, (64, 48))
    first, second = ((tmp_path / name).read_bytes() for name in ("a.webm", "b.webm"))
    assert first == second and b"webm" in first[:64] and b"V_VP8" in first[:1024]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.webm", "b.webm"]


# The ground truth


def test_shots_transitions_and_copies_are_exact(opened: Collection) -> None:
    truth = opened.video_truth
    assert truth is not None
    name = CLIP.name
    assert truth.shots[name] == tuple(
        Shot(name, start, end) for start, end in ((0, 2), (2, 4), (4, 5.6), (5.6, 7))
    )
    assert truth.transitions[name] == (
        Transition(name, 1.6, 2.4, "dissolve"),
        Transition(name, 4, 4, "cut"),
        Transition(name, 5.3, 5.9, "fade"),
    )
    assert truth.copies == (
        CopiedSegment("copies/q00.webm", 0, 2, name, 1, 3, "mirrored"),
        CopiedSegment("copies/q01.webm", 0, 1, name, 0.5, 1.4, "slower"),
        CopiedSegment("copies/q02.webm", 0.6, 1.6, name, 1.2, 2.2, "inserted"),
    )
    assert not any(image.startswith("copies/") for image in opened.images)
    assert truth.negatives == (NEGATIVE.name,) and truth.copy_queries[-1] == NEGATIVE.name


def test_positives_are_the_moments_of_appearances(opened: Collection) -> None:
    truth = opened.video_truth
    assert truth is not None and opened.notes == (NOTE,)
    assert truth.appearances[0] == Appearance("p00", CLIP.name, 0, 1.6)
    seen = {(query, image) for query, grades in opened.relevance.items() for image in grades}
    for query in ("p00", "p04"):
        intervals = [(start, end) for name, _, start, end in truth.appearances if name == query]
        for image in opened.images:
            seconds = float(image.partition("#t=")[2])
            shown = any(start <= seconds < end for start, end in intervals)
            grade = opened.relevance[query].get(image, "negative")
            assert (grade in ("easy", "hard")) == shown, (query, image)
    for number in range(16, 24):  # both posters are seen in the dissolve
        image = f"{CLIP.name}#t={number / FPS:.2f}"
        assert {query for query, other in seen if other == image} == {"p00", "p04"}
        assert opened.relevance["p00"][image] == opened.relevance["p04"][image] == "junk"


def test_outlines_and_visible_shares_fit_the_window(opened: Collection, studio: Studio) -> None:
    shot = ClipFrames(CLIP, studio).shot(1)
    window, inside = shot.windows[12 + shot.lead], shot.posters[0].corners
    image = f"{CLIP.name}#t={(20 + 12) / FPS:.2f}"
    expected = (inside - (window.x, window.y)) * 320 / window.width
    assert np.abs(np.array(opened.quadrilaterals["p04", image]) - expected).max() <= 0.051
    facts = opened.target_facts["p04", image]
    assert 0 < facts["visible"] <= 1
    whole = polygon_area(expected) / (320 * 240)
    assert facts["size"] == pytest.approx(whole, abs=1e-3)


def test_queries_are_photos_that_no_clip_shows(opened: Collection) -> None:
    assert [query.id for query in opened.queries] == ["p00", "p04"]
    for query in opened.queries:
        assert query.box is not None and query.image not in opened.images
        with Image.open(opened.path(query.image)) as image:
            assert 0 <= query.box[0] < query.box[2] <= image.width
        assert (query.id, query.image) in opened.quadrilaterals


# Rendering on first use


def test_one_processor_renders_identical_files(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    make(tmp_path / "one")
    assert contents(tmp_path / "one") == contents(built)


@pytest.mark.parametrize("damage", ["older", "cut short", "missing", "truth"])
def test_an_outdated_or_damaged_folder_is_rendered_again(
    built: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "reels"
    shutil.copytree(built, root)
    truth = root / "ground_truth.json"
    if damage == "older":
        truth.write_text(json.dumps(json.loads(truth.read_text()) | {"version": VERSION - 1}))
    elif damage == "cut short":
        (root / CLIP.name).write_bytes((root / CLIP.name).read_bytes()[:-1000])
    elif damage == "missing":
        (root / COPIES[0].name).unlink()
    else:
        truth.write_text(truth.read_text()[:500])
    monkeypatch.setattr(reels, "make", lambda folder, _: shutil.copytree(built, folder))
    open_reels(root)
    assert contents(root) == contents(built)


def test_other_files_are_kept_and_a_complete_folder_is_not_rendered(built: Path, tmp_path: Path) -> None:
    (tmp_path / "reels").mkdir()
    (tmp_path / "reels" / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(WorkbenchError, match=r"contains other files \('holiday.mp4'\)"):
        open_reels(tmp_path / "reels")
    assert contents(tmp_path / "reels") == {"holiday.mp4": b"mine"}
    labels: list[str] = []
    open_reels(built, lambda label, *_: labels.append(label))
    assert "rendering the reels" not in labels


def test_cancelling_ends_within_half_a_second_and_leaves_nothing(tmp_path: Path) -> None:
    cancelled = 0.0

    def cancel(label: str, done: int, total: int) -> None:
        nonlocal cancelled
        assert label == "rendering the reels" and total == sum(
            plan.frames for plan in (CLIP, *COPIES, NEGATIVE)
        )
        if done:
            cancelled = time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        open_reels(tmp_path / "reels", cancel)
    assert time.monotonic() - cancelled < 0.5
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []
