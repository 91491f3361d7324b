"""Pictures beside one another on white paper, with their names, a colour scale and notes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from workbench.common.colormaps import coloured
from workbench.config.printable import printable
from workbench.figures.pictures import paled

_SMALL, _LARGE = 12, 40  # pixels of text on small and on large sheets
_LEAST = 24  # width of a picture's column, in sizes of the text
_PAPER, _INK, _QUIET = "#ffffff", "#1f2328", "#59636e"
_MOST_LINES = 4  # of a name or note; a longer one ends in …


class Scale(NamedTuple):
    """A colour scale: its end, whether it has both signs, and the quantity with its unit."""

    top: float
    signed: bool
    quantity: str


def sheet(
    pictures: Sequence[Image.Image], names: Sequence[str], notes: Sequence[str], scale: Scale | None = None
) -> Image.Image:
    """Pictures in a row, as large as they are: names under them, then the scale and the notes.

    Names and notes are drawn as text, with control characters escaped.
    """
    size = int(np.clip(max(max(p.size) for p in pictures) / 50, _SMALL, _LARGE))
    font, gap = _font(size), size
    columns = [max(picture.width, _LEAST * size) for picture in pictures]
    width = sum(columns) + gap * (len(pictures) + 1)
    height = max(p.height for p in pictures)
    captions = [wrapped(name, font, column) for name, column in zip(names, columns, strict=True)]
    small_print = [line for note in notes for line in wrapped(note, font, width - 2 * gap)]
    line_height = round(1.4 * size)
    names_end = 2 * gap + height + line_height * max(map(len, captions))
    scale_height = 0 if scale is None else line_height * 4
    total = names_end + scale_height + line_height * len(small_print) + gap
    paper = Image.new("RGB", (width, total), _PAPER)
    draw = ImageDraw.Draw(paper)
    left = gap
    for picture, column, lines in zip(pictures, columns, captions, strict=True):
        paper.paste(picture, (left, gap))
        _write(draw, (left, gap + height + gap // 2), lines, font, _INK, line_height)
        left += column + gap
    if scale is not None:
        _draw_scale(paper, draw, scale, (gap, names_end), (min(20 * size, width - 2 * gap), size), font)
    _write(draw, (gap, names_end + scale_height), small_print, font, _QUIET, line_height)
    return paper


def under_heat(picture: Image.Image, heat: np.ndarray, top: float, signed: bool) -> Image.Image:
    """A pale grey picture with heat [H, W] over it, on a scale that ends at ``top``."""
    values = Image.fromarray(np.asarray(heat, np.float32)).resize(picture.size, Image.Resampling.BILINEAR)
    layer = Image.fromarray(coloured(np.asarray(values), top, signed), "RGBA")
    return Image.alpha_composite(paled(picture).convert("RGBA"), layer).convert("RGB")


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """A text in lines of at most ``width`` pixels, broken between words where possible."""
    lines, rest = [], printable(text)
    while rest and len(lines) < _MOST_LINES:
        count = _fitting(rest, font, width)
        if count < len(rest):
            space = rest.rfind(" ", 1, count + 1)
            count = space if space > 0 else count
        lines.append(rest[:count])
        rest = rest[count:].lstrip()
    if rest:
        lines[-1] = lines[-1][:-1] + "…"
    return lines


def _fitting(text: str, font: ImageFont.FreeTypeFont, width: int) -> int:
    """The number of characters that fit into a width, one at least."""
    low, high = 1, min(len(text), max(1, width))  # a character has a pixel at least
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle]) <= width else (low, middle - 1)
    return low


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    lines: Sequence[str],
    font: ImageFont.FreeTypeFont,
    colour: str,
    line_height: int,
) -> None:
    for number, line in enumerate(lines):
        draw.text((place[0], place[1] + number * line_height), line, fill=colour, font=font)


def _draw_scale(
    paper: Image.Image,
    draw: ImageDraw.ImageDraw,
    scale: Scale,
    place: tuple[int, int],
    size: tuple[int, int],
    font: ImageFont.FreeTypeFont,
) -> None:
    """The quantity, its colours over white, and the numbers at both ends and at zero."""
    (left, top), (width, height) = place, size
    draw.text((left, top), printable(scale.quantity), fill=_INK, font=font)
    top += round(1.5 * height)
    low = -1.0 if scale.signed else 0.0
    ramp = np.tile(np.linspace(low, 1, width), (height, 1))
    bar = Image.fromarray(coloured(ramp, 1.0, scale.signed), "RGBA")
    paper.paste(bar, (left, top), bar)
    draw.rectangle((left, top, left + width - 1, top + height - 1), outline=_QUIET)
    ticks = [(0.0, f"−{scale.top:.3g}", "la"), (0.5, "0", "ma")] if scale.signed else [(0.0, "0", "la")]
    for share, text, anchor in [*ticks, (1.0, f"{scale.top:.3g}", "ra")]:
        place = (left + round(share * width), top + round(1.3 * height))
        draw.text(place, text, fill=_INK, font=font, anchor=anchor)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    path = files("matplotlib").joinpath("mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size)
