"""Contour pictures to train on: those of the photos, and views of them distorted as hands draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.collections import contents, images
from workbench.common.files import replace_file
from workbench.common.picture_bytes import png
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.map_source import Picture
from workbench.learning.finetuning.augmentation import crop
from workbench.sketch.contours import contour_picture
from workbench.sketch.distortion import distort
from workbench.sketch.edge_store import EdgeStore, make_edges, name_of
from workbench.sketch.operators import edge_operator

HELD_OUT_STRENGTH = 0.5  # of the distortion of the drawings to validate on
CLEAN = 0.25  # share of the views whose contours are not distorted, as those of a database


def edge_pictures(pictures: Sequence[Picture], options: Options, progress: Progress) -> list[Picture]:
    """The stored contour pictures of photos, cropped as these; missing ones are detected.

    Raises WorkbenchError if a photo cannot be read.
    """
    store = EdgeStore(options.cache, edge_operator(options))
    headers, unreadable = contents.of(options.cache).headers([picture.path for picture in pictures], progress)
    for row, why in unreadable.items():
        raise WorkbenchError(f"image {str(pictures[row].path)!r} cannot be used: {why}")
    keys = [headers[row].fingerprint for row in range(len(pictures))]
    paths = {key: picture.path for key, picture in zip(keys, pictures, strict=True)}
    for key, why in make_edges(store, paths, options.cache, progress).items():
        raise WorkbenchError(f"image {str(paths[key])!r} cannot be used: {why}")
    edges = []
    for row, (key, picture) in enumerate(zip(keys, pictures, strict=True)):
        path, box = store.folder / name_of(key), picture.box
        if box is not None:
            size, shown = headers[row], images.header(path)
            x, y = shown.width / size.width, shown.height / size.height
            box = box[0] * x, box[1] * y, box[2] * x, box[3] * y
        edges.append(Picture(path, box))
    return edges


def edge_view(picture: Image.Image, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random view of a contour picture, uint8 [side, side, 3]: distorted, cropped, and mirrored or not."""
    strength = 0.0 if rng.random() < CLEAN else rng.uniform(0, 1)
    return np.asarray(crop(_distorted(picture, strength, rng), side, rng))


def drawings(pictures: Sequence[Picture], folder: Path, seed: int) -> list[Picture]:
    """Distorted contour pictures, written to a folder: the queries that training validates on."""
    drawn = []
    for number, picture in enumerate(pictures):
        path = folder / f"{number}-{picture.path.name}"
        if not path.is_file():
            rng = np.random.default_rng([seed, 5, number])
            shown = _distorted(images.load(picture.path, picture.box), HELD_OUT_STRENGTH, rng)
            replace_file(path, png(shown))
        drawn.append(Picture(path))
    return drawn


def _distorted(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    lines = np.asarray(picture.convert("L")) > 127
    return Image.fromarray(contour_picture(distort(lines, strength, rng))).convert("RGB")
