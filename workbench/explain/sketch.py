"""Explain the score of an image for a drawing, exactly: by its contours, or by the layout of its colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.edge_collection import describe_edges
from workbench.engine.engine import Engine
from workbench.engine.provenance import warnings
from workbench.engine.queries import QueryLike
from workbench.engine.sketch_search import database_layouts, drawn_contours, open_drawing, sketch_notes
from workbench.explain.pair import explain_pair
from workbench.explain.score import Explanation
from workbench.sketch.colour_layout import CELLS, contributions, drawn_layout
from workbench.sketch.operators import edge_operator


def explain_sketch(
    engine: Engine, config: Config, path: QueryLike, image_id: str, progress: Progress = silent
) -> Explanation:
    """Split the score of ``sketch_scores`` over the cells and regions of both contour pictures.

    The heat is shown on the contours as they were described (dark on white), and on the image itself.
    Raises WorkbenchError if the image is not in the collection, or as ``sketch_scores`` does.
    """
    drawing = open_drawing(engine, path)
    contours = drawn_contours(drawing, edge_operator(engine.options))
    edges = describe_edges(engine, config, progress)
    row = edges.described.image_row(image_id)
    image = edges.described.collection.images[row]
    other = edges.edges.collection.images[edges.rows[row]]
    why = explain_pair(edges.engine, config.description, contours, other, None, progress)
    shown = Image.fromarray(255 - np.asarray(contours))
    return replace(
        why,
        warnings=(*warnings(edges.described), *sketch_notes(engine)),
        collection=engine.collection.name,
        pictures=(
            NamedPicture(drawing.name, shown),
            NamedPicture(image, edges.described.collection.path(image)),
        ),
    )


def explain_colours(
    engine: Engine, path: QueryLike, image_id: str, progress: Progress = silent
) -> Explanation:
    """Split the score of ``colour_scores`` over the cells of the grid, which are the regions, too.

    Each cell of the drawing is compared with the one at the same place of the image, so both heatmaps [8, 8]
    are the same. Raises WorkbenchError as ``explain_sketch`` does.
    """
    drawing = open_drawing(engine, path)
    drawing.require_ink()
    layouts = database_layouts(engine, progress)
    collection = engine.collection
    if image_id not in collection.rows:
        raise WorkbenchError(f"{image_id!r} is not an image of {collection.name!r}")
    row = collection.rows[image_id]
    cells = contributions(drawn_layout(drawing.pixels, drawing.ink), layouts[row : row + 1])[0]
    cells = np.nan_to_num(cells).astype(np.float64)
    counted = np.flatnonzero(cells)
    order = counted[np.argsort(-cells.ravel()[counted], kind="stable")]
    y, x = np.divmod(np.arange(CELLS**2), CELLS)
    boxes = np.stack([x, y, x + 1, y + 1], 1) / CELLS
    pairs = pd.DataFrame({"query_region": order, "image_region": order, "contribution": cells.ravel()[order]})
    return Explanation(
        float(cells.sum()),
        cells,
        cells,
        pairs,
        boxes,
        boxes,
        pipeline=f"colour layout, {CELLS} × {CELLS} cells",
        collection=collection.name,
        pictures=(
            NamedPicture(drawing.name, Image.fromarray(drawing.pixels)),
            NamedPicture(image_id, collection.path(image_id)),
        ),
    )
