"""Drawings as users have them: a pen of any colour on transparent, white, black or coloured paper.

What is drawn is what differs from the paper. A photograph, or a picture painted up to its border, has no
paper, and is read as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from workbench.collections import images
from workbench.common.lazy import lazy_module
from workbench.common.paths import user_path
from workbench.config.errors import WorkbenchError
from workbench.sketch.canny import canny_lines
from workbench.sketch.colour_layout import lab
from workbench.sketch.contours import LONGEST
from workbench.sketch.operators import EdgeOperator

morphology = lazy_module("skimage.morphology")

_LARGEST = 1280  # pixels of the longest side in which ink is looked for
_MOST_ALPHA = 2**25  # pixels of a picture whose transparency is read
_OPAQUE = 128  # alpha from which a pixel is ink
_TRANSPARENT = 0.02  # share of transparent pixels from which they are paper
_PAPER = 0.6  # share of the border in the colour of the paper; without that there is no paper
_MOST_INK = 0.6  # share of the picture from which it is a painting, without paper
_FAINTEST, _CLEAREST = 8.0, 30.0  # bounds of the threshold, in units of CIELAB, between paper and ink
_LEAST = 8  # pixels of lines; fewer are a dot
_MARGIN = 0.05  # about the lines, as a share of their longest side
_FILLED = 9  # pixels of the radius from which ink is an area, in a picture of LONGEST pixels


@dataclass(frozen=True)
class Drawing:
    """A drawing: ``pixels`` uint8 [H, W, 3] (RGB) and where there is ``ink``, bool [H, W].

    ``name`` names it in errors. ``has_paper``: whether it has any; without, all of it is ink.
    """

    name: str
    pixels: np.ndarray
    ink: np.ndarray
    has_paper: bool

    def contours(self, operator: EdgeOperator) -> np.ndarray:
        """Its contours as a picture uint8 [H, W], the longest side LONGEST pixels.

        Lines are thinned and drawn again in the usual width, areas of ink become their outlines, and the
        picture is cropped to the lines: where and how large they are drawn does not matter. Without paper
        they are the contours that ``operator`` detects. Raises WorkbenchError if nothing is drawn.
        """
        if not self.has_paper:
            return operator.picture(_resized(self.pixels))
        from workbench.sketch.contours import contour_picture

        picture = contour_picture(_lines(*_cropped(self.pixels, self.ink)))
        if np.count_nonzero(picture) < _LEAST:
            raise _empty(self.name)
        return picture

    def require_ink(self) -> None:
        """Raise WorkbenchError if nothing is drawn."""
        if not self.ink.any():
            raise _empty(self.name)


def read_drawing(source: str | Path | Image.Image, name: str = "") -> Drawing:
    """Read a drawing, from a file or a decoded image. Raises WorkbenchError if it cannot be read."""
    if isinstance(source, Image.Image):
        upright = ImageOps.exif_transpose(source)
        picture, alpha, name = images.rgb(upright), _alpha(upright), name or "drawing"
    else:
        path = user_path(source, "the drawing")
        name = name or path.name
        try:
            picture, alpha = images.load(path), _alpha_of(path)
        except WorkbenchError as error:
            raise WorkbenchError(f"drawing {name!r}: {error}") from None
    if alpha is not None and alpha.size != picture.size:
        alpha = None
    picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BICUBIC, reducing_gap=2.0)
    pixels = np.asarray(picture)
    if alpha is not None:
        opaque = np.asarray(alpha.resize(picture.size, Image.Resampling.BOX)) >= _OPAQUE
        if (~opaque).mean() > _TRANSPARENT:
            return Drawing(name, pixels, opaque, True)
    ink = _ink(pixels)
    if ink is None:
        return Drawing(name, pixels, np.ones(pixels.shape[:2], bool), False)
    return Drawing(name, pixels, ink, True)


def _alpha(image: Image.Image) -> Image.Image | None:
    has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    return image.convert("RGBA").getchannel("A") if has_alpha else None


def _alpha_of(path: Path) -> Image.Image | None:
    """The transparency of an image file that has been read already; None if it has none."""
    header = images.header(path)
    if header.width * header.height > _MOST_ALPHA:
        return None
    with images.reasons(), Image.open(path) as image:
        if image.format not in ("PNG", "WEBP", "GIF"):
            return None
        return _alpha(ImageOps.exif_transpose(image))


def _ink(pixels: np.ndarray) -> np.ndarray | None:
    """What differs from the paper, whose colour is that of most of the border; None if there is no paper."""
    colours = lab(pixels)
    width = max(1, round(0.02 * max(colours.shape[:2])))
    sides = colours[:width], colours[-width:], colours[:, :width], colours[:, -width:]
    border = np.concatenate([side.reshape(-1, 3) for side in sides])
    paper = np.median(border, axis=0)
    distance = np.linalg.norm(colours - paper, axis=2)
    if (np.linalg.norm(border - paper, axis=1) < _FAINTEST).mean() < _PAPER:
        return None
    levels = np.rint(distance.clip(0, 255)).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
    ink = distance > min(max(threshold, _FAINTEST), _CLEAREST)
    return None if ink.mean() > _MOST_INK else ink


def _cropped(pixels: np.ndarray, ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and ink about what is drawn, with a margin of paper, the longest side LONGEST pixels."""
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return pixels, ink
    top, left, height, width = rows[0], columns[0], np.ptp(rows) + 1, np.ptp(columns) + 1
    margin = max(2, round(_MARGIN * max(height, width)))
    around = ((margin, margin), (margin, margin))
    part = np.s_[top : top + height, left : left + width]
    shown = np.where(ink[part][..., None], pixels[part], 255)
    return (
        _resized(np.pad(shown, (*around, (0, 0)), constant_values=255)),
        # A line thinner than a pixel stays.
        _resized(np.pad(255 * ink[part].astype(np.uint8), around)) > 40,
    )


def _resized(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    factor = LONGEST / max(height, width)
    size = max(32, round(width * factor)), max(32, round(height * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(values), size, interpolation=method))


def _lines(pixels: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """The lines of a drawing, bool [H, W]: the middle of pen strokes, and the edges of filled areas."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _FILLED + 1, 2 * _FILLED + 1))
    filled = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_OPEN, disc)
    if not filled.any():
        return np.asarray(morphology.skeletonize(ink))
    near = cv2.dilate(filled, np.ones((7, 7), np.uint8)).astype(bool)
    painted = np.where(ink[..., None], pixels, 255)
    outline = cv2.morphologyEx(filled, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).astype(bool)
    return np.asarray(
        morphology.skeletonize((ink & ~near) | outline) | (canny_lines(painted) & filled.astype(bool))
    )


def _empty(name: str) -> WorkbenchError:
    return WorkbenchError(f"drawing {name!r} is empty: draw some lines, or upload a drawing with lines on it")
