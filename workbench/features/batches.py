"""The images of one extraction: their size after resizing, and batches of one shape."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.collections import images
from workbench.common.geometry import Box
from workbench.features.backbone_card import FixedInput

BATCH = 8  # images per file of the store; fixed, so that every run plans the same files
_REDUCED = 4  # times the wanted side from which Pillow averages blocks of pixels first (reducing_gap=2)


@dataclass(frozen=True)
class Item:
    """An image to extract: its key, file, crop, and the (width, height) it is resized to.

    ``fixed`` is the only input of its network, if it has one.
    """

    key: str
    path: Path
    box: Box | None
    size: tuple[int, int]
    fixed: FixedInput | None = None
    interpolation: str = "bicubic"


def target_size(
    width: float, height: float, longest: int, stride: int, scale: float = 1.0, resize: str = "cells"
) -> tuple[int, int]:
    """The (width, height) in pixels to which an image is resized before the network.

    The longest side is at most ``longest`` (smaller images are not enlarged), times ``scale``; each side is
    at least two cells of ``stride`` pixels.

    - ``exact`` keeps the aspect ratio to half a pixel, as the reference packages do. An image with a side
      below two cells is enlarged as far as ``longest`` allows, and stretched only beyond it.
    - ``cells`` rounds each side to a multiple of ``stride``, so that every cell covers a full patch and
      images of similar shape share a batch.
    """
    factor = min(1.0, longest / max(width, height)) * scale
    if resize == "exact":
        enlarged = 2 * stride / min(width, height)
        factor = max(factor, min(enlarged, longest / max(width, height)))
        exact_width, exact_height = (
            max(2 * stride, math.floor(side * factor + 0.5)) for side in (width, height)
        )
        return exact_width, exact_height
    most = max(2, longest // stride)

    def cells(side: float) -> int:
        return min(most, max(2, math.floor(side * factor / stride + 0.5)))

    return cells(width) * stride, cells(height) * stride


def key_of(header: images.Header, box: Box | None) -> str:
    """The key of an image, cropped to a box."""
    return header.fingerprint if box is None else header.fingerprint + ":" + ",".join(f"{v:g}" for v in box)


def item(
    path: Path,
    header: images.Header,
    box: Box | None,
    longest: int,
    stride: int,
    scale: float,
    resize: str = "cells",
    fixed: FixedInput | None = None,
    interpolation: str = "bicubic",
) -> Item:
    """The Item of an image file, resized as ``target_size`` does, or to the only input of its network.

    Its key depends only on file and crop.
    """
    width: float = header.width
    height: float = header.height
    key = key_of(header, box)
    if box is not None:
        # Whole pixels, as in ``images.crop_to``, so that a crop decoded elsewhere has the same size.
        x0, y0, x1, y1 = max(int(box[0]), 0), max(int(box[1]), 0), math.ceil(box[2]), math.ceil(box[3])
        width, height = max(min(x1, width) - x0, 1), max(min(y1, height) - y0, 1)
    if fixed is not None:
        return Item(key, path, box, (fixed.side, fixed.side), fixed, interpolation)
    size = target_size(width, height, longest, stride, scale, resize)
    return Item(key, path, box, size, None, interpolation)


def pixels(
    picture: Image.Image,
    size: tuple[int, int],
    fixed: FixedInput | None = None,
    interpolation: str = "bicubic",
) -> np.ndarray:
    """An RGB image resized to (width, height), or fitted into that square, as uint8 [height, width, 3]."""
    resample = Image.Resampling[interpolation.upper()]
    if fixed is not None:
        return np.asarray(_fitted(picture, fixed, resample))
    if picture.size == size:
        return np.asarray(picture)
    if picture.width < _REDUCED * size[0] and picture.height < _REDUCED * size[1]:
        return _resized(picture, size, interpolation)
    return np.asarray(picture.resize(size, resample, reducing_gap=2.0))


def _resized(picture: Image.Image, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resize by PyTorch: with Pillow's filters, to two levels of 255, in a quarter of the time."""
    import torch  # not needed to plan batches

    # In the layout of Pillow, of which PyTorch knows that it is channels last only if the batch comes first.
    stored = torch.from_numpy(np.array(picture))[None].permute(0, 3, 1, 2)
    height, width = size[1], size[0]
    result = torch.nn.functional.interpolate(stored, (height, width), mode=interpolation, antialias=True)
    return result[0].permute(1, 2, 0).contiguous().numpy()


def _fitted(picture: Image.Image, fixed: FixedInput, resample: Image.Resampling) -> Image.Image:
    """Fit an image into the input of a network, to the pixel as torchvision does for its training."""
    side, short = fixed.side, min(picture.size)
    if fixed.fit == "squash":
        return picture if picture.size == (side, side) else picture.resize((side, side), resample)
    size = (side * picture.width // short, side * picture.height // short)
    picture = picture if picture.size == size else picture.resize(size, resample)
    left, top = (round((edge - side) / 2) for edge in size)
    return picture.crop((left, top, left + side, top + side))


def decode(item: Item) -> np.ndarray:
    """The resized pixels of an item. Raises WorkbenchError if its file cannot be read."""
    # A code is compared with those of other programs, which decode pictures in full.
    at_least = item.size if item.fixed is None else None
    picture = images.load(item.path, item.box, at_least=at_least)
    return pixels(picture, item.size, item.fixed, item.interpolation)


def plan(items: Iterable[Item], together: int = BATCH) -> list[list[Item]]:
    """Batches of one shape, at most ``together`` items each.

    Planned from all images, they are the same in every run, resumed or not.
    """
    by_shape: dict[tuple[int, int], list[Item]] = {}
    for item in {item.key: item for item in items}.values():
        by_shape.setdefault(item.size, []).append(item)
    return [
        same[start : start + together]
        for _, same in sorted(by_shape.items())
        for start in range(0, len(same), together)
    ]
