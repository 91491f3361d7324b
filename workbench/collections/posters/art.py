"""The 60 posters: photographs, shapes and text, in series of four that look alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from workbench.collections.posters.photos import crop, inside

SEED = 1955
MEMBERS = 4  # posters in a series
_SUPERSAMPLED = 2  # Pillow draws without antialiasing, so posters are drawn larger and reduced


@dataclass(frozen=True)
class Series:
    """The design of four posters, which differ in the crop, the photograph, or the title and shapes."""

    layout: str
    size: tuple[int, int]
    palette: tuple[str, str, str, str]  # paper, ink, two accents
    font: str
    photos: tuple[str, ...]  # one for all members, or one for each
    titles: tuple[str, ...]  # one for all members, or one for each
    line: str
    same_crop: bool = False
    recoloured: bool = False  # members use the palette in different roles


_TALL, _WIDE, _SQUARE = (440, 620), (620, 440), (520, 520)
_SANS, _SERIF, _MONO = "DejaVuSans-Bold.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono-Bold.ttf"
SERIES: tuple[Series, ...] = (
    Series("bleed", _TALL, ("#f4efe2", "#20303c", "#c8452f", "#e7b64a"), _SERIF,
           ("china",), ("PAVILION",), "spring guide to the lakes", recoloured=True),
    Series("frame", _TALL, ("#f7f3ea", "#1c1c1c", "#d9772b", "#3d6b5c"), _SANS,
           ("coffee",), ("ESPRESSO",), "roasted daily, served slowly", recoloured=True),
    Series("disc", _TALL, ("#173f3f", "#f3ead3", "#f0785a", "#f6c667"), _SERIF,
           ("flower",), ("DAHLIA", "BOTANICA", "GARDENS", "IN BLOOM"), "open house, weekends"),
    Series("slant", _TALL, ("#10152b", "#f5f5f5", "#e23d4b", "#4f7cac"), _SANS,
           ("rocket",), ("LIFTOFF",), "a history of launch sites", recoloured=True),
    Series("duotone", _TALL, ("#f2d5c4", "#5b1f3a", "#d94f70", "#f29e4c"), _SANS,
           ("chelsea",), ("MEOW", "PURR", "CLAW", "NAPS"), "the city cat show"),
    Series("quarters", _SQUARE, ("#e9e4d4", "#26323a", "#3f7d8c", "#d1495b"), _MONO,
           ("coins",), ("OBOL",), "coins of the old harbour", recoloured=True),
    Series("bars", _TALL, ("#f3f1ec", "#111111", "#e03c31", "#1f5fa8"), _SANS,
           ("camera", "hopper", "astronaut", "chelsea"), ("PORTRAIT",), "photographs 1950 to 2000"),
    Series("quarters", _WIDE, ("#101318", "#e9e9ee", "#7a6ff0", "#39c0c8"), _MONO,
           ("hubble_deep_field",), ("DEEP FIELD",), "lectures on the early universe", recoloured=True),
    Series("disc", _TALL, ("#eadfce", "#3b2f2f", "#b5492e", "#57707a"), _SANS,
           ("moon", "retina", "coins", "hubble_deep_field"), ("ROUND",), "a show about circles"),
    Series("bleed", _TALL, ("#fbe9d0", "#33261d", "#d2691e", "#6b8e7f"), _SERIF,
           ("astronaut",), ("PIONEERS", "ASCENT", "ORBITS", "STATION"), "film week in town", True, True),
    Series("duotone", _SQUARE, ("#d6e6e1", "#123b4a", "#2a9d8f", "#e9c46a"), _MONO,
           ("camera",), ("FOCUS",), "a course for beginners"),
    Series("slant", _TALL, ("#f6e7e4", "#4a1220", "#c3423f", "#5e8c8a"), _SERIF,
           ("retina", "ihc", "moon", "flower"), ("SEEING",), "science for everyone"),
    Series("quarters", _TALL, ("#f5f0e6", "#2d2a32", "#dd614a", "#f4a698"), _SANS,
           ("china", "coffee", "rocket", "flower"), ("TRAVELS",), "slides and stories"),
    Series("bars", _WIDE, ("#1d2430", "#f2efe9", "#f2a541", "#5fa8d3"), _SANS,
           ("hopper",), ("COMPUTE", "COMPILE", "COMMAND", "CONTEXT"), "early machines", True, True),
    Series("frame", _TALL, ("#efe8f0", "#33203f", "#8a4f9e", "#d98cb3"), _SERIF,
           ("ihc",), ("TISSUE",), "pictures from the laboratory", recoloured=True),
)  # fmt: skip


@dataclass
class _Sheet:
    """The drawing of a poster. Lengths are pixels of the enlarged sheet."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    series: Series
    palette: tuple[str, str, str, str]
    title: str
    number: int
    photo: Callable[[int, int], Image.Image]
    rng: np.random.Generator

    def paste(self, box: tuple[float, float, float, float], disc: bool = False) -> None:
        x0, y0, x1, y1 = map(round, box)
        mask = Image.new("L", (x1 - x0, y1 - y0), 0 if disc else 255)
        if disc:
            ImageDraw.Draw(mask).ellipse((0, 0, x1 - x0 - 1, y1 - y0 - 1), fill=255)
        self.image.paste(self.photo(x1 - x0, y1 - y0), (x0, y0), mask)

    def write(self, text: str, box: tuple[float, float, float, float], colour: str) -> None:
        """Draw text as large as the box allows, left-aligned and vertically centred."""
        x0, y0, x1, y1 = box
        font = ImageFont.truetype(str(_font(self.series.font)), 100)
        left, top, right, bottom = font.getbbox(text)
        size = min((x1 - x0) / (right - left), (y1 - y0) / (bottom - top)) * 100
        font = ImageFont.truetype(str(_font(self.series.font)), max(int(size), 6))
        self.draw.text((x0, (y0 + y1) / 2), text, fill=colour, font=font, anchor="lm")


def _bleed(sheet: _Sheet) -> None:
    (w, h), (paper, ink, first, second) = sheet.image.size, sheet.palette
    sheet.paste((0, 0, w, h))
    top = h * (0.72 + 0.03 * sheet.number)
    sheet.draw.rectangle((0, top, w, h), fill=paper)
    sheet.draw.rectangle((0, top, w, top + h * 0.015), fill=(first, second)[sheet.number % 2])
    sheet.write(sheet.title, (w * 0.06, top + h * 0.03, w * 0.94, top + (h - top) * 0.66), ink)
    sheet.write(sheet.series.line, (w * 0.06, top + (h - top) * 0.72, w * 0.8, h * 0.97), first)


def _frame(sheet: _Sheet) -> None:
    (w, h), (_, ink, first, second) = sheet.image.size, sheet.palette
    margin = 0.06 * min(w, h)
    sheet.paste((margin, margin, w - margin, h * 0.7))
    sheet.write(sheet.title, (margin, h * 0.73, w - margin, h * 0.87), ink)
    sheet.write(sheet.series.line, (margin, h * 0.9, w * 0.7, h * 0.95), first)
    for i in range(sheet.number + 1):  # as many dots as the number of the member
        x = w - margin - i * margin * 1.1
        sheet.draw.ellipse((x - margin * 0.8, h * 0.89, x, h * 0.89 + margin * 0.8), fill=second)


def _disc(sheet: _Sheet) -> None:
    (w, h), (_, ink, first, second) = sheet.image.size, sheet.palette
    for _ in range(3):
        x, y, r = sheet.rng.uniform(0, w), sheet.rng.uniform(0.3, 0.75) * h, sheet.rng.uniform(0.08, 0.27) * w
        sheet.draw.ellipse((x - r, y - r, x + r, y + r), fill=(first, second)[int(sheet.rng.integers(2))])
    x, y, side = w * 0.08, h * 0.56 - w * 0.42, w * 0.84
    sheet.paste((x, y, x + side, y + side), disc=True)
    sheet.write(sheet.title, (w * 0.08, h * 0.04, w * 0.92, h * 0.15), ink)
    sheet.write(sheet.series.line, (w * 0.08, h * 0.92, w * 0.92, h * 0.965), ink)


def _slant(sheet: _Sheet) -> None:
    (w, h), (paper, ink, first, second) = sheet.image.size, sheet.palette
    sheet.paste((0, 0, w, h * 0.8))
    low, high = h * sheet.rng.uniform(0.5, 0.62), h * sheet.rng.uniform(0.66, 0.78)
    left, right = (low, high) if sheet.number % 2 else (high, low)
    sheet.draw.polygon([(0, left), (w, right), (w, h), (0, h)], fill=paper)
    sheet.draw.polygon([(0, left - h * 0.03), (w, right - h * 0.03), (w, right), (0, left)], fill=first)
    sheet.write(sheet.title, (w * 0.07, h * 0.8, w * 0.93, h * 0.91), ink)
    sheet.write(sheet.series.line, (w * 0.07, h * 0.93, w * 0.85, h * 0.97), second)


def _duotone(sheet: _Sheet) -> None:
    (w, h), (paper, ink, first, second) = sheet.image.size, sheet.palette
    grey = ImageOps.autocontrast(sheet.photo(w, h).convert("L"), cutoff=2)
    middle, light = [(first, paper), (second, paper), (first, second), (second, first)][sheet.number]
    sheet.image.paste(ImageOps.colorize(grey, ink, light, mid=middle))
    sheet.write(sheet.title, (w * 0.07, h * 0.05, w * 0.93, h * 0.27), paper)
    r, x = w * 0.13, w * sheet.rng.uniform(0.2, 0.8)
    sheet.draw.ellipse((x - r, h * 0.84 - r, x + r, h * 0.84 + r), fill=(second, first)[sheet.number % 2])
    sheet.write(
        str(sheet.number + 1), (x - r * 0.4, h * 0.84 - r * 0.6, x + r * 0.6, h * 0.84 + r * 0.6), ink
    )
    sheet.write(sheet.series.line, (w * 0.07, h * 0.95, w * 0.8, h * 0.985), paper)


def _quarters(sheet: _Sheet) -> None:
    (w, h), (_, ink, first, second) = sheet.image.size, sheet.palette
    fills = sheet.rng.permutation(["photo", "photo", first, second])
    for i, fill in enumerate(fills):
        x, y = w * 0.05 + (i % 2) * w * 0.46, h * 0.04 + (i // 2) * h * 0.39
        box = (x, y, x + w * 0.44, y + h * 0.37)
        if fill == "photo":
            sheet.paste(box)
        else:
            sheet.draw.rectangle(box, fill=str(fill))
            sheet.draw.pieslice(box, 90 * sheet.number, 90 * sheet.number + 180, fill=ink)
    sheet.write(sheet.title, (w * 0.05, h * 0.82, w * 0.95, h * 0.92), ink)
    sheet.write(sheet.series.line, (w * 0.05, h * 0.94, w * 0.8, h * 0.975), first)


def _bars(sheet: _Sheet) -> None:
    (w, h), (_, ink, first, second) = sheet.image.size, sheet.palette
    edges = np.cumsum(sheet.rng.dirichlet(np.full(7, 4.0))) * w
    for i, (x0, x1) in enumerate(pairwise(edges)):
        sheet.draw.rectangle((x0, 0, x1 - w * 0.012, h * 0.2), fill=(first, ink, second)[i % 3])
    sheet.paste((w * 0.06, h * 0.16, w * 0.94, h * 0.74))
    sheet.write(sheet.title, (w * 0.06, h * 0.76, w * 0.94, h * 0.89), ink)
    sheet.write(sheet.series.line, (w * 0.06, h * 0.91, w * 0.75, h * 0.96), second)


_LAYOUTS: Mapping[str, Callable[[_Sheet], None]] = {
    "bleed": _bleed,
    "frame": _frame,
    "disc": _disc,
    "slant": _slant,
    "duotone": _duotone,
    "quarters": _quarters,
    "bars": _bars,
}


def poster(photos: Mapping[str, Image.Image], number: int) -> Image.Image:
    """Draw poster ``number`` (0…59), deterministically; its series is ``number // 4``."""
    series, member = SERIES[number // MEMBERS], number % MEMBERS
    names, titles = series.photos, series.titles
    picture = photos[names[member % len(names)]]
    seed = number // MEMBERS * MEMBERS if series.same_crop else number
    crops = np.random.default_rng([SEED, 1, seed])
    zoom = 1.05 if len(names) > 1 or series.same_crop else 1.5
    paper, ink, first, second = series.palette
    palettes = [
        series.palette,
        (ink, paper, first, second),
        (first, paper, ink, second),
        (second, ink, paper, first),
    ]
    palette = palettes[member if series.recoloured else 0]
    image = Image.new("RGB", (_SUPERSAMPLED * series.size[0], _SUPERSAMPLED * series.size[1]), palette[0])
    sheet = _Sheet(
        image,
        ImageDraw.Draw(image),
        series,
        palette,
        titles[member % len(titles)],
        member,
        lambda width, height: crop(picture, width, height, crops, zoom),
        np.random.default_rng([SEED, 2, number]),
    )
    _LAYOUTS[series.layout](sheet)
    return image.reduce(_SUPERSAMPLED)


def _font(name: str) -> Path:
    return inside("matplotlib", f"mpl-data/fonts/ttf/{name}")
