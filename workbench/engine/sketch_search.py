"""Search by sketch: by the contours of a drawing, or by the layout of its colours.

The contours of all images are detected once and stored (``sketch.edge_store``); a drawing and they are
described by the same pipeline and compared by cosine, as images are. Without HED's weights Canny's edges are
used (``sketch_notes``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.collections import contents
from workbench.collections.uploads import display_name
from workbench.common.paths import shortened
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.edge_collection import describe_edges
from workbench.engine.engine import Engine
from workbench.engine.exact_scores import exact_scores
from workbench.engine.queries import QueryLike, query_file
from workbench.sketch.colour_layout import ColourLayout, contributions, drawn_layout
from workbench.sketch.drawing import Drawing, read_drawing
from workbench.sketch.layout_store import LayoutStore, colour_layouts
from workbench.sketch.operators import EdgeOperator, edge_operator


def sketch_scores(
    engine: Engine, config: Config, path: QueryLike, progress: Progress = silent
) -> NDArray[np.float32]:
    """The scores of a drawing's contours with those of all images, by a pipeline.

    Returns float32 [N], in the order of ``engine.describe(config).collection.images``. ``path`` is a file, a
    decoded image (RGBA where the paper is transparent), or the id of an image, whose contours are detected.
    The first call detects the contours of all images: progress, Cancel and time left are those of a job, and
    a later call continues it. Raises WorkbenchError if nothing is drawn or the file cannot be read.
    """
    drawing = open_drawing(engine, path)
    contours = drawn_contours(drawing, edge_operator(engine.options))  # bad input fails before the long work
    edges = describe_edges(engine, config, progress)
    return exact_scores(edges.engine, config, contours, None, progress)[edges.rows]


def colour_scores(engine: Engine, path: QueryLike, progress: Progress = silent) -> NDArray[np.float32]:
    """The similarity, 0…1, of the colours of a drawing to those at the same places of all images.

    Returns float32 [N], in the order of ``engine.collection.images``; an image that cannot be read has 0.
    Blank areas of the drawing do not count. ``path`` as for ``sketch_scores``. Raises WorkbenchError if
    nothing is drawn or the file cannot be read.
    """
    parts = contributions(colour_query(engine, path), database_layouts(engine, progress))
    return np.asarray(np.nan_to_num(parts.sum((1, 2), dtype=np.float64)), np.float32)


def sketch_notes(engine: Engine) -> list[str]:
    """The notes that are shown with every result of ``sketch_scores``: none with HED."""
    note = edge_operator(engine.options).note
    return [note] if note else []


def open_drawing(engine: Engine, source: QueryLike) -> Drawing:
    """A drawing from a file, a decoded image, or the id of an image of the collection."""
    if isinstance(source, Image.Image):
        return read_drawing(source)
    path = query_file(engine.collection, source)
    assert path is not None
    if not path.is_file():
        raise WorkbenchError(
            f"drawing {shortened(str(source))!r} is neither a file nor an image of "
            f"{engine.collection.name!r}; draw again, or upload a file"
        )
    return read_drawing(path, shortened(display_name(str(source))))


def drawn_contours(drawing: Drawing, operator: EdgeOperator) -> Image.Image:
    """The contours of a drawing as the picture that is described. Raises WorkbenchError if it is empty."""
    return Image.fromarray(drawing.contours(operator)).convert("RGB")


def colour_query(engine: Engine, source: QueryLike) -> ColourLayout:
    """The colour layout of a drawing. Raises WorkbenchError if nothing is drawn."""
    drawing = open_drawing(engine, source)
    drawing.require_ink()
    return drawn_layout(drawing.pixels, drawing.ink)


@dataclass
class _Layouts:
    """The colour layouts of an engine's collection, of the images of the keys."""

    store: LayoutStore
    keys: tuple[str, ...] = ()
    layouts: NDArray[np.float32] | None = None


_stores: WeakKeyDictionary[Engine, _Layouts] = WeakKeyDictionary()
_lock = threading.Lock()


def database_layouts(engine: Engine, progress: Progress = silent) -> NDArray[np.float32]:
    """The colour layouts of all images, [N, 8, 8, 3]; nan where an image cannot be read."""
    cache, collection = engine.options.cache, engine.collection
    paths = [collection.path(image) for image in collection.images]
    headers, _ = contents.of(cache).headers(paths, progress)
    keys = tuple(headers[row].fingerprint if row in headers else "" for row in range(len(paths)))
    with _lock:
        held = _stores.setdefault(engine, _Layouts(LayoutStore(cache)))
    if held.layouts is None or held.keys != keys:
        files: dict[str, Path] = {key: path for key, path in zip(keys, paths, strict=True) if key}
        row_of = {key: row for row, key in enumerate(files)}
        unique = colour_layouts(held.store, files, progress)
        layouts = np.full((len(keys), *unique.shape[1:]), np.nan, np.float32)
        known = np.array([bool(key) for key in keys])
        layouts[known] = unique[[row_of[key] for key in keys if key]]
        held.keys, held.layouts = keys, layouts
    return held.layouts
