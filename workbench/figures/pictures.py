"""Pictures in a figure: their frames on one pair of axes, and points on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common.palette import NEUTRAL
from workbench.common.picture_bytes import data_uri, jpeg
from workbench.config.errors import WorkbenchError
from workbench.figures.style import Figure, new_figure, text

SIDE = 640  # pixels of a picture's longer side, at most
_CELL = 500  # pixels of a picture's longer side on screen, of two beside each other
_GAP = 0.03  # between pictures; the longer side of a picture is 1
_TITLE = 0.05  # height of a picture's name above it
_AROUND = 120  # pixels of titles and legend
CASING = {"color": "rgba(255,255,255,0.6)", "width": 4}  # below a line, so that it is seen on any picture
_COVER = 0.75  # opacity of the colours of cells
_LINES = 28  # characters of a name above one of two pictures, times the number of columns


@dataclass(frozen=True)
class Frame:
    """The place of a picture on the axes of its figure, on which y grows downwards."""

    x0: float
    y0: float
    width: float
    height: float

    def at(self, places: np.ndarray) -> np.ndarray:
        """Positions [n, 2], given as fractions of the picture's width and height, on the axes: [n, 2]."""
        return np.asarray(np.asarray(places, float) * (self.width, self.height) + (self.x0, self.y0))


def picture_figure(
    pictures: Sequence[NamedPicture | None],
    shapes: Sequence[tuple[float, float]],
    title: str,
    subtitle: str,
    columns: int = 2,
    captions: Sequence[str] = (),
    pale: bool = False,
) -> tuple[Figure, list[Frame]]:
    """A figure of pictures in rows of ``columns``, each with its name above it, and their frames.

    A picture that cannot be read (any more) is an empty frame of its shape (width, height) in ``shapes``.
    ``captions`` follow the names; ``pale`` pictures are grey, so that only the heat over them has colour.
    """
    columns = max(1, min(columns, len(pictures)))
    loaded = [_loaded(picture) for picture in pictures]
    sizes = [
        np.array(picture.size if picture else shape, float) / max(picture.size if picture else shape)
        for picture, shape in zip(loaded, shapes, strict=True)
    ]
    rows = [range(start, min(start + columns, len(sizes))) for start in range(0, len(sizes), columns)]
    widths = [max(float(size[0]) for size in sizes[column::columns]) for column in range(columns)]
    captioned = _TITLE * max(1.0, 0.8 * columns)
    frames: list[Frame] = []
    bottom = 0.0
    for row in rows:
        top = bottom + captioned
        for i in row:
            left = sum(widths[: i % columns]) + _GAP * (i % columns)
            frames.append(Frame(left, top, float(sizes[i][0]), float(sizes[i][1])))
        bottom = top + max(float(sizes[i][1]) for i in row) + _GAP
    width = sum(widths) + _GAP * (columns - 1)
    cell = _CELL if columns <= 2 else 2 * _CELL / columns
    figure = new_figure(title, subtitle, height=round(cell * bottom + _AROUND))
    axis: dict[str, Any] = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(range=[0, width], constrain="domain", constraintoward="left", **axis)
    figure.update_yaxes(range=[bottom, 0], scaleanchor="x", constrain="domain", constraintoward="top", **axis)
    figure.update_layout(
        margin={"l": 8, "r": 8}, legend={"orientation": "h", "x": 0, "y": 0, "yanchor": "top"}
    )
    shares: list[float] = []  # of the width, that annotations have
    names = [text(p.name, _LINES * 2 // columns + 8) if p else "" for p in pictures]
    for i, frame in enumerate(frames):
        _caption(figure, frame, " · ".join(filter(None, [names[i], captions[i] if captions else ""])))
        shown = loaded[i]
        _place(figure, frame, paled(shown) if pale and shown is not None else shown)
        shares += [frame.width / width] + [0.0] * (shown is None)
    extent = {"ratio": bottom / width, "around": _AROUND, "most": cell * bottom}
    figure.update_layout(meta={"pictures": extent, "captions": shares})
    return figure, frames


def paled(picture: Image.Image) -> Image.Image:
    """A pale grey picture, so that only the heat over it has colour."""
    return Image.blend(picture.convert("L"), Image.new("L", picture.size, 255), 0.25).convert("RGB")


def under_colours(picture: Image.Image, colours: np.ndarray) -> Image.Image:
    """A pale grey picture under the colours [H, W, 3], 0 to 1, of its cells."""
    layer = Image.fromarray((255 * colours).round().astype(np.uint8), "RGB")
    layer = layer.resize(picture.size, Image.Resampling.BILINEAR)
    return Image.blend(paled(picture), layer, _COVER)


def outlines(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The x and y [6 n] of boxes [n, 4] (x0, y0, x1, y1) as one trace, with a gap after each."""
    x0, y0, x1, y1 = np.asarray(boxes, float).reshape(-1, 4).T
    gap = np.full(len(x0), np.nan)
    xs, ys = np.stack([x0, x1, x1, x0, x0, gap], 1), np.stack([y0, y0, y1, y1, y0, gap], 1)
    return xs.ravel(), ys.ravel()


def _loaded(picture: NamedPicture | None) -> Image.Image | None:
    try:
        return None if picture is None else picture.load(SIDE)
    except WorkbenchError:
        return None


def _place(figure: Figure, frame: Frame, picture: Image.Image | None) -> None:
    if picture is not None:
        figure.add_layout_image(
            source=data_uri(jpeg(picture)),
            **{"xref": "x", "yref": "y", "x": frame.x0, "y": frame.y0},
            **{"sizex": frame.width, "sizey": frame.height, "sizing": "stretch", "layer": "below"},
        )
        return
    corners = {"x0": frame.x0, "y0": frame.y0, "x1": frame.x0 + frame.width, "y1": frame.y0 + frame.height}
    figure.add_shape(type="rect", line={"color": NEUTRAL, "width": 1}, **corners)
    x, y = frame.at(np.array([0.5, 0.5]))
    figure.add_annotation(x=x, y=y, text="no picture", showarrow=False)


def _caption(figure: Figure, frame: Frame, caption: str) -> None:
    figure.add_annotation(
        **{"x": frame.x0, "y": frame.y0, "text": caption, "showarrow": False},
        **{"xanchor": "left", "yanchor": "bottom", "align": "left", "borderpad": 0},
    )
