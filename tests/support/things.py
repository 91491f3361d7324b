"""Photographs of a few objects from several viewpoints, and images without keypoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from workbench.collections.posters.photos import read_photos
from workbench.learning.hardnet.patch_pairs import random_view

THINGS = ("astronaut", "coffee", "chelsea", "coins", "hubble_deep_field")
SIZE = (240, 180)
EMPTY = {"one colour": (200, 150), "tiny": (5, 5), "thin": (300, 2)}  # width, height


def thing(name: str) -> Image.Image:
    return read_photos()[name].resize(SIZE, Image.Resampling.BICUBIC)


def folder_of_things(root: Path, views: int = 4, empty: bool = True) -> Path:
    """Write a folder per object (its photo ``0.png`` and ``views`` warped views) and one of empty images."""
    for kind, name in enumerate(THINGS):
        (root / name).mkdir(parents=True)
        photo = thing(name)
        photo.save(root / name / "0.png")
        for number in range(1, views + 1):
            view, _ = random_view(np.asarray(photo), np.random.default_rng([kind, number]))
            Image.fromarray(view).save(root / name / f"{number}.png")
    if empty:
        (root / "empty").mkdir()
        for name, size in EMPTY.items():
            Image.new("RGB", size, (90, 120, 150)).save(root / "empty" / f"{name}.png")
    return root
