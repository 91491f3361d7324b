"""The plan of the embedded videos, and the geometry of the camera."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.collections.reels.camera import FRAME, SCENE, Window, path, picture, seen_area
from workbench.collections.reels.plan import FPS, QUERIES, SPEEDS, TRANSFORMATIONS, clips, copies, negatives


def test_the_plan_has_its_documented_contents() -> None:
    plans = clips()
    copied = copies(plans)
    assert 40 <= len(plans) + len(copied) <= 48 and (plans, copied) == (clips(), copies(clips()))
    for clip in plans:
        assert 10 <= clip.frames / FPS <= 60
        # Transitions leave something of every shot between them.
        halves = [0, *(change.half for change in clip.changes), 0]
        assert all(
            shot.frames > before + after
            for shot, before, after in zip(clip.shots, halves[:-1], halves[1:], strict=True)
        )
    kinds = Counter(change.kind for clip in plans for change in clip.changes)
    assert set(kinds) == {"cut", "dissolve", "fade"} and min(kinds.values()) >= 15
    assert {shot.move for clip in plans for shot in clip.shots} == {"pan", "zoom in", "zoom out", "still"}
    shown = Counter(shot.number for clip in plans for shot in clip.shots)
    assert [len(clip.shots) for clip in negatives()] == [4] * 4 and negatives() == negatives()
    assert set(shown) - {None} == set(QUERIES) and all(2 <= shown[number] <= 3 for number in QUERIES)
    assert 40 <= shown[None] <= 60


def test_every_transformation_is_in_two_copies_of_segments_of_clips() -> None:
    plans = clips()
    names = {clip.name: clip for clip in plans}
    copied = copies(plans)
    assert Counter(copy.transformation for copy in copied) == dict.fromkeys(TRANSFORMATIONS, 2)
    assert not {copy.name for copy in copied} & set(names)
    for copy in copied:
        original = names[copy.original.name]
        assert copy.start >= 0 and copy.start + copy.length * copy.speed <= original.frames
        assert copy.speed == SPEEDS.get(copy.transformation, 1.0)
        inserted = copy.transformation in ("inserted", "several")
        assert (copy.offset > 0) == inserted and (copy.frames > copy.offset + copy.length) == inserted


def test_a_window_over_half_of_a_mask_sees_half_of_it() -> None:
    mask = np.zeros((SCENE[1], SCENE[0]), np.float32)
    mask[100:200, 100:200] = 1
    summed = np.asarray(cv2.integral(mask, sdepth=cv2.CV_64F), np.float64)
    assert seen_area(summed, Window(150, 0, 320)) == pytest.approx(5000)
    assert seen_area(summed, Window(150.5, 100.25, 320)) == pytest.approx(49.5 * 99.75)
    assert seen_area(summed, Window(0, 0, SCENE[0])) == pytest.approx(10_000)


@given(st.sampled_from(["pan", "zoom in", "zoom out", "still"]), st.integers(0, 2**32 - 1))
def test_windows_stay_in_the_scene(move: str, seed: int) -> None:
    for window in path(move, (100.0, 450.0), 20, np.random.default_rng(seed)):
        assert window.x >= 0 and window.x + window.width <= SCENE[0] + 1e-6
        assert window.y >= 0 and window.y + window.width * FRAME[1] / FRAME[0] <= SCENE[1] + 1e-6


def test_a_picture_shows_its_window() -> None:
    across, down = np.meshgrid(np.arange(SCENE[0]), np.arange(SCENE[1]))
    scene = np.stack([across % 256, across // 256, down // 2], axis=-1).astype(np.uint8)
    exact = picture(scene, Window(100, 60, FRAME[0]))
    assert (exact == scene[60 : 60 + FRAME[1], 100 : 100 + FRAME[0]]).all()
    # Twice as wide: the centre of the frame's first pixel is the corner between the scene's first four.
    smooth = np.stack([across / 4, across / 4, down / 2], axis=-1).astype(np.uint8)
    half = picture(smooth, Window(0, 0, 2 * FRAME[0]))
    assert abs(int(half[100, 200, 0]) - 100) <= 1 and abs(int(half[100, 200, 2]) - 100) <= 1
