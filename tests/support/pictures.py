"""Images generated from a seed: coloured blobs with a little noise, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SHAPES = ((128, 96), (96, 128), (120, 120))  # width, height


def picture(seed: int, size: tuple[int, int] = SHAPES[0], kind: int | None = None) -> Image.Image:
    """An image of (width, height); images of the same ``kind`` have the same blobs and different noise."""
    colours = np.random.default_rng([1, seed if kind is None else kind]).integers(0, 255, (4, 5, 3))
    blobs = Image.fromarray(colours.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = np.random.default_rng([2, seed]).normal(0, 25, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(blobs) + noise, 0, 255).astype(np.uint8))


def folder_of(
    root: Path, count: int, shapes: Sequence[tuple[int, int]] = SHAPES, kinds: int | None = None
) -> Path:
    """Write ``count`` JPEG files; with ``kinds``, into one subfolder per kind."""
    for seed in range(count):
        kind = None if kinds is None else seed % kinds
        folder = root if kind is None else root / f"kind{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        picture(seed, shapes[seed % len(shapes)], kind).save(folder / f"{seed:03}.jpg", quality=90)
    return root


def with_a_class_of_one(root: Path) -> Path:
    """Write thirteen images of four kinds and remove all but the first of ``kind3``."""
    folder = folder_of(root, 13, kinds=4)
    for path in sorted((folder / "kind3").iterdir())[1:]:
        path.unlink()
    return folder


def noise_of(root: Path, kinds: int, each: int, spread: float = 40) -> Path:
    """Write ``each`` small images of coloured squares per kind, with noise of deviation ``spread``."""
    rng = np.random.default_rng(0)
    for kind in range(kinds):
        (root / f"kind {kind}").mkdir()
        colours = rng.integers(0, 255, (kind + 2, 9 - kind, 3))
        for number in range(each):
            pixels = np.clip(colours + rng.normal(0, spread, colours.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((96, 72)).save(root / f"kind {kind}" / f"{number:02}.jpg")
    return root


def plain(path: Path, size: tuple[int, int] = (32, 24)) -> None:
    """Write a picture of one colour, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 90)).save(path)


def plains(root: Path, *names: str) -> None:
    """Write pictures of one colour."""
    for name in names:
        plain(root / name)
