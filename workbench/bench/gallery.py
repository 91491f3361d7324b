"""Tables of images with their pictures: rankings, nearest regions, and measures of each query."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.collections.protocols import SIGNS
from workbench.common.colormaps import ADDS
from workbench.common.geometry import Box
from workbench.common.palette import JUNK, NEGATIVE, PALETTE, POSITIVE
from workbench.common.picture_bytes import data_uri, jpeg
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

MOST = 100  # rows with pictures; further ones are left out, and counted
BOX = ["x0", "y0", "x1", "y1"]
_OUTLINE, _CASING = (255, 255, 255), (0, 0, 0)
_EDGES = {"✓": POSITIVE, "✓ʰ": PALETTE[0], "✗": NEGATIVE, "~": JUNK}  # by sign of the relevance
_DRAWN = {
    "image_id": "picture",
    "query": "query picture",
}  # columns that name pictures → heading of the pictures

Thumbnail = Callable[[str, Box | None], bytes]  # of an image, cropped to a box


def gallery(collection: Collection, thumbnail: Thumbnail, table: pd.DataFrame, query: str) -> Styler:
    """See ``Bench.gallery``; ``query`` is the id of the query of all rows, or empty."""
    if not set(_DRAWN) & set(table.columns):
        raise WorkbenchError(
            "the table has no column 'image_id' or 'query', so there is nothing to show; valid are rankings, "
            "nearest regions, and measures of each query"
        )
    shown = _with_index(table.head(MOST))
    cells = pd.DataFrame(index=shown.index)
    for column, heading in _DRAWN.items():
        if column not in shown:
            continue
        rows: list[dict[Any, Any]] = shown.to_dict("records")
        cells[heading] = [
            _cell(collection, thumbnail, row, column, query or str(row.get("query", ""))) for row in rows
        ]
    for column in shown.columns:
        if column not in BOX:
            cells[printable(column)] = [_text(column, value) for value in shown[column]]
    styler = cells.style.hide(axis="index").format_index(lambda name: html.escape(str(name)), axis="columns")
    styler = styler.set_properties(None, **{"text-align": "left", "vertical-align": "middle"})
    return styler.set_caption(_caption(collection, thumbnail, len(table), query))


def _with_index(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the text of its index as columns, and rows numbered from 0."""
    shown = table.reset_index(drop=True)
    for level in reversed(range(table.index.nlevels)):
        values = table.index.get_level_values(level)
        if not pd.api.types.is_numeric_dtype(values.dtype):
            name = str(values.name or "")
            shown.insert(0, name if name not in shown else f"{name} ", values.astype(str))
    return shown


def _cell(collection: Collection, thumbnail: Thumbnail, row: dict[Any, Any], column: str, query: str) -> str:
    """The picture of a row as HTML, or the reason why there is none."""
    name = str(row[column])
    try:
        if column == "query":
            entry = collection.query(name)
            content, alternative = thumbnail(entry.image, entry.box), f"query {name}"
        else:
            content, alternative = _image(collection, thumbnail, name, row, query), name
    except WorkbenchError as error:
        return html.escape(f"no picture: {printable(error)}")
    edge = _EDGES.get(SIGNS.get(str(row.get("relevance", "")), ""), "transparent")
    return _img(content, alternative, f"border-bottom: 3px solid {edge}")


def _image(collection: Collection, thumbnail: Thumbnail, name: str, row: dict[Any, Any], query: str) -> bytes:
    """The thumbnail of an image with the box of its row, and the outline of the query's object."""
    if name not in collection.members:
        raise WorkbenchError(f"image {name!r} is not in {collection.name!r}")
    content = thumbnail(name, None)
    box = np.array([row.get(edge, np.nan) for edge in BOX], float)
    outline = collection.quadrilaterals.get((query, name))
    if outline is None and np.isnan(box).any():
        return content
    header = images.read_header(collection.path(name))
    size = np.array([header.width, header.height], float)
    shapes = []
    if outline is not None:
        shapes.append((np.array(outline, float) / size, _OUTLINE))
    if not np.isnan(box).any():
        corners = box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
        shapes.append((corners if box.max() <= 1 else corners / size, ADDS))  # fractions, or pixels
    return _with_shapes(content, shapes)


def _with_shapes(content: bytes, shapes: list[tuple[np.ndarray, tuple[int, int, int]]]) -> bytes:
    """A JPEG with polygons [n, 2] in fractions of the picture drawn on it, each over a dark casing."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for corners, colour in shapes:
        points = [tuple(point) for point in (corners * (np.array(picture.size) - 1)).tolist()]
        draw.line([*points, points[0]], fill=_CASING, width=4)
        draw.line([*points, points[0]], fill=colour, width=2)
    return jpeg(picture)


def _img(content: bytes, alternative: str, style: str = "") -> str:
    name = html.escape(printable(alternative))
    return f'<img alt="{name}" style="max-width: none; {style}" src="{data_uri(content)}">'


def _text(column: object, value: Any) -> str:
    """A value as text for HTML: scores and measures with three digits, relevance after its sign."""
    if column == "relevance":
        sign = SIGNS.get(str(value), "")
        return html.escape(printable(value if sign == value else f"{sign} {value}".strip()))
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.3f}"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}"
    return html.escape(printable(value))


def _caption(collection: Collection, thumbnail: Thumbnail, rows: int, query: str) -> str:
    """The query's picture and name, and how many rows are left out."""
    parts = []
    if query:
        entry = collection.queries_by_id.get(query)
        image, box = (entry.image, entry.box) if entry else (query, None)
        try:
            parts.append(_img(thumbnail(image, box), f"query {query}"))
        except WorkbenchError as error:
            parts.append(html.escape(printable(error)))
        parts.append(f"query {html.escape(printable(query))}")
    if rows > MOST:
        parts.append(f"the first {MOST} of {rows:,} rows")
    return " · ".join(parts)
