"""Borders of videos whose content is known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from workbench.collections.video.borders import content_box


def frames(box: tuple[int, int, int, int], count: int = 5, grey: int = 0) -> list[Image.Image]:
    """Noise inside a box of 160 by 120 pixels, which is grey outside."""
    left, top, right, bottom = box
    pictures = []
    for seed in range(count):
        pixels = np.full((120, 160, 3), grey, np.uint8)
        noise = np.random.default_rng(seed).integers(0, 256, (bottom - top, right - left, 3), np.uint8)
        pixels[top:bottom, left:right] = noise
        pictures.append(Image.fromarray(pixels))
    return pictures


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("box", [(0, 20, 160, 100), (30, 0, 130, 120), (10, 12, 150, 108)])
def test_box_is_the_content_to_a_line(box: tuple[int, int, int, int], grey: int) -> None:
    assert content_box(frames(box, grey=grey)) == pytest.approx(box, abs=1.01)


def test_pictures_without_borders_are_whole() -> None:
    assert content_box(frames((0, 0, 160, 120))) is None
    assert content_box([]) is None
    assert content_box([Image.new("RGB", (160, 120))] * 3) is None  # a black video
    sky = frames((0, 60, 160, 120))  # half of it uniform: no border is so wide
    assert content_box(sky) is None


def test_border_of_one_frame_only_is_none() -> None:
    assert content_box([*frames((0, 0, 160, 120)), *frames((0, 20, 160, 100), 1)]) is None
    with_fade = [*frames((0, 20, 160, 100)), Image.new("RGB", (160, 120), "white")]
    assert content_box(with_fade) == pytest.approx((0, 20, 160, 100), abs=1.01)
