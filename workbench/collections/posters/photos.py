"""Photographs for the posters and scenes, from files of installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.collections.images import load
from workbench.common.packages import package_folder
from workbench.config.errors import WorkbenchError

# Photographs and textures inside the wheels of dependencies, so that nothing is downloaded.
PHOTOS: Mapping[str, tuple[str, str]] = {
    **{
        name: ("skimage", f"data/{name}.{extension}")
        for extension, names in {
            "png": "astronaut brick camera chelsea coffee coins grass gravel ihc moon",
            "jpg": "hubble_deep_field retina rocket",
        }.items()
        for name in names.split()
    },
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}


def read_photos() -> dict[str, Image.Image]:
    """The photographs by name, as RGB. Raises WorkbenchError with the package whose file is missing."""
    return {name: load(inside(package, path)) for name, (package, path) in PHOTOS.items()}


def crop(photo: Image.Image, width: int, height: int, rng: np.random.Generator, zoom: float) -> Image.Image:
    """A random crop of a photograph, resized; ``zoom`` times smaller than the largest crop of that shape."""
    largest = min(photo.width / width, photo.height / height) / zoom
    w, h = width * largest, height * largest
    x, y = rng.uniform(0, photo.width - w), rng.uniform(0, photo.height - h)
    return photo.resize((width, height), Image.Resampling.BICUBIC, (x, y, x + w, y + h), reducing_gap=2)


def inside(package: str, path: str) -> Path:
    """The path of a file of an installed package, without importing the package."""
    folder = package_folder(package)
    if folder is None or not (folder / path).is_file():
        raise WorkbenchError(f"{path} of the package {package} is missing; install {package} again")
    return folder / path
