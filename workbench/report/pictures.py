"""Heat over pictures, and matches between two, as one picture with names, scale and small print."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from workbench.collections.named_picture import NamedPicture
from workbench.explain.components import Components, shares_text
from workbench.figures.pictures import under_colours
from workbench.local.matching import Match
from workbench.report.picture_sheet import Scale, sheet, under_heat

LARGEST = 2400  # pixels of a picture's longer side in a file; larger pictures are reduced
_INLIER, _OTHER, _CASING = (31, 127, 196), (201, 106, 14), (255, 255, 255, 160)
_DASHES = 24  # of the line of a match that is no inlier


def heat_picture(
    pictures: Sequence[NamedPicture],
    heats: Sequence[np.ndarray],
    quantity: str,
    notes: Sequence[str] = (),
    signed: bool = True,
    side: int = LARGEST,
    top: float | None = None,
) -> Image.Image:
    """Pictures under their heats [H, W], on one scale of a ``quantity`` (with its unit).

    ``notes`` are the small print, such as the pipeline; ``top`` is the end of the scale (default: the largest
    value). Raises WorkbenchError if a picture cannot be read.
    """
    top = top or max(float(np.abs(heat).max(initial=0)) for heat in heats) or 1.0
    shown = [
        under_heat(picture.load(side), heat, top, signed)
        for picture, heat in zip(pictures, heats, strict=True)
    ]
    return sheet(shown, [picture.name for picture in pictures], notes, Scale(top, signed, quantity))


def components_picture(
    components: Components, first: int = 1, notes: Sequence[str] = (), side: int = LARGEST
) -> Image.Image:
    """Both pictures under three components of their cells, with the shares of the variance below.

    Raises WorkbenchError if a picture cannot be read.
    """
    pictures = components.pictures or ()
    shown = [
        under_colours(picture.load(side), colours)
        for picture, colours in zip(pictures, components.colours(first), strict=True)
    ]
    legend = shares_text(components.shares, first)
    return sheet(shown, [picture.name for picture in pictures], [legend, *notes])


def match_picture(match: Match, notes: Sequence[str] = (), side: int = LARGEST) -> Image.Image:
    """Both pictures of a match with lines between matching keypoints, solid for inliers.

    Raises WorkbenchError if a picture cannot be read.
    """
    assert match.pictures is not None
    pictures = [picture.load(side) for picture in match.pictures]
    gap = max(8, max(picture.width for picture in pictures) // 40)
    size = sum(picture.width for picture in pictures) + gap, max(picture.height for picture in pictures)
    pair = Image.new("RGB", size, "white")
    pair.paste(pictures[0], (0, 0))
    right = pictures[0].width + gap
    pair.paste(pictures[1], (right, 0))
    query_ends = match.query.places[match.table["query_keypoint"]] * pictures[0].size
    image_ends = match.image.places[match.table["image_keypoint"]] * pictures[1].size + (right, 0)
    draw = ImageDraw.Draw(pair, "RGBA")
    width = max(1, max(size) // 800)
    inliers = match.table["inlier"].to_numpy(bool)
    for row in np.argsort(inliers, kind="stable"):  # inliers above the others
        line = np.stack([query_ends[row], image_ends[row]])
        if inliers[row]:
            _draw(draw, line, _CASING, 2 * width + 1)
            _draw(draw, line, _INLIER, width)
        else:
            for dash in _dashes(line):
                _draw(draw, dash, _CASING, width + 1)
                _draw(draw, dash, _OTHER, width)
    names = " — ".join(picture.name for picture in match.pictures)
    legend = "solid: inliers of the model; dashed: other matches"
    return sheet([pair], [names], [match.outcome, legend, *notes])


def _dashes(line: np.ndarray) -> list[np.ndarray]:
    """A line [2, 2] as dashes of equal length, with gaps of that length."""
    steps = np.linspace(0, 1, 2 * _DASHES)[:, None]
    points = line[0] + steps * (line[1] - line[0])
    return list(points.reshape(_DASHES, 2, 2))


def _draw(draw: ImageDraw.ImageDraw, line: np.ndarray, colour: tuple[int, ...], width: int) -> None:
    draw.line([tuple(point) for point in line.tolist()], fill=colour, width=width)
