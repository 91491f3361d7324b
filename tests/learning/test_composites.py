"""Composites: the box of the pasted photo, equal pictures for equal seeds, decoding."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.pictures import picture
from workbench.learning.attention.composites import (
    LIGHT,
    SHARE,
    composites,
    decode_photos,
    write_composites,
)


def test_composites_show_the_centre_of_their_photo() -> None:
    """With photos of one colour each: the middle of the box has that colour in some light, and the box an
    area in the range."""
    photos = [Image.new("RGB", (100, 80), colour) for colour in ("red", "lime", "blue", "white")]
    for number, composite in enumerate(composites(photos, 40, seed=3)):
        assert composite.photo == number % 4
        x0, y0, x1, y1 = composite.box
        assert 0 <= x0 < x1 <= composite.picture.width and 0 <= y0 < y1 <= composite.picture.height
        share = (x1 - x0) * (y1 - y0) / (composite.picture.width * composite.picture.height)
        assert SHARE[0] - 0.03 < share < SHARE[1] + 0.03
        shown = np.asarray(composite.picture)[(y0 + y1) // 2, (x0 + x1) // 2]
        light = shown / np.maximum(np.asarray(photos[composite.photo])[0, 0], 1)
        assert LIGHT[0] - 0.02 < light.max() < LIGHT[1] and (light[light < light.max()] == 0).all()


def test_half_of_the_targets_lie_about_the_middle() -> None:
    photos = [picture(seed, (100, 100)) for seed in range(4)]
    boxes = np.array([composite.box for composite in composites(photos, 200, seed=1)])
    near = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - 50).max(1) < 20
    small = (boxes[:, 2] - boxes[:, 0]) < 50  # of which few lie near the middle by chance
    assert 0.4 < near[small].mean() < 0.8


def test_equal_seeds_give_equal_composites(tmp_path: Path) -> None:
    photos = [picture(seed) for seed in range(5)]

    def digests(folder: Path, seed: int) -> list[str]:
        return [
            hashlib.md5(composite.path.read_bytes()).hexdigest()
            for composite in write_composites(photos, 6, seed, folder)
        ]

    first = digests(tmp_path / "a", 1)
    assert first == digests(tmp_path / "b", 1) and first != digests(tmp_path / "c", 2)
    assert len(set(first)) == 6
    (tmp_path / "a" / "000003.jpg").unlink()  # as if interrupted before it was written
    assert first == digests(tmp_path / "a", 1)


def test_photos_are_decoded_at_the_largest_side_needed(tmp_path: Path) -> None:
    for name, size in {"wide": (400, 20), "tall": (20, 400), "small": (30, 20)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.jpg")
    decoded = decode_photos([tmp_path / f"{name}.jpg" for name in ("wide", "tall", "small")], 100)
    assert [photo.size for photo in decoded] == [(100, 5), (5, 100), (30, 20)]
