"""The places of a query's parts in images: boxes, located once and kept while nothing changes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from workbench.collections import images
from workbench.common.files import Stamp, stamp
from workbench.common.geometry import Box, as_box
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import WHOLE, Step
from workbench.descriptors.proposals import weights_path
from workbench.engine.description import DescribedCollection, require_maps
from workbench.engine.edge_collection import describe_edges
from workbench.engine.engine import Engine
from workbench.engine.locate import locate
from workbench.engine.queries import query_file, query_vector
from workbench.engine.sketch_search import drawn_contours, open_drawing
from workbench.engine.text_search import text_boxes
from workbench.query.part import Part
from workbench.sketch.operators import edge_operator

LOCATED = ("image", "text", "sketch")  # the kinds of parts that have a place in an image
_SOURCES = 8  # descriptions of a collection whose boxes are kept

Boxes = dict[tuple[Part, Stamp | None, int], Box]


class Places:
    """Locate parts in images of a collection.

    An image is located by the regions of the pipeline, a sketch by its contours among those of the image, and
    text by its concepts.
    """

    def __init__(self, engine: Engine, config: Config, progress: Progress = silent) -> None:
        self._engine, self._config, self._progress = engine, config, progress
        self._vectors: dict[Part, torch.Tensor] = {}
        self._stamps: dict[Part, Stamp | None] = {}
        self._sources: dict[str, Any] = {}

    def boxes(self, parts: Sequence[Part], row: int) -> list[Box]:
        """The box (x0, y0, x1, y1) of each part in an image, as fractions of its width and height."""
        located: dict[Part, Box] = {}
        for kind in dict.fromkeys(part.kind for part in parts):
            located |= self._of_kind(kind, list(dict.fromkeys(p for p in parts if p.kind == kind)), row)
        return [located[part] for part in parts]

    def pixels(self, part: Part, row: int) -> Box:
        """The box of a part in an image, in pixels."""
        return as_box(np.array(self.boxes([part], row)[0]) * np.tile(np.array(self._size(row), float), 2))

    def _of_kind(self, kind: str, parts: list[Part], row: int) -> dict[Part, Box]:
        source = self._source(kind)
        known = _known_boxes(self._engine, source)
        missing = [part for part in parts if (part, self._stamp(part), row) not in known]
        if missing and kind == "text":
            image_id = self._engine.collection.images[row]
            places = [
                text_boxes(self._engine, self._config, part.value, image_id, self._progress)
                for part in missing
            ]
        elif missing and kind == "sketch":
            places = self._located(source.edges, missing, int(source.rows[row]))
        elif missing:
            places = self._located(source, missing, row)
        else:
            places = []
        for part, place in zip(missing, places, strict=True):
            known[part, self._stamp(part), row] = as_box(np.array(place.shares))
        return {part: known[part, self._stamp(part), row] for part in parts}

    def _located(self, described: DescribedCollection, parts: list[Part], row: int) -> list[Any]:
        """The locations of images or contours in an image, all in one pass over its map."""
        vectors = torch.cat([self._vector(described, part) for part in parts])
        return locate(vectors, described.maps(row)[0], described, (1, 1))

    def _vector(self, described: DescribedCollection, part: Part) -> torch.Tensor:
        if part not in self._vectors:
            picture: Any = part.value
            if part.kind == "sketch":
                drawing = open_drawing(self._engine, part.value)
                picture = drawn_contours(drawing, edge_operator(self._engine.options))
            self._vectors[part] = query_vector(described, picture, part.box)
        return self._vectors[part]

    def _source(self, kind: str) -> Any:
        """What the boxes of a kind of part depend on, besides the part."""
        if kind not in self._sources:
            if kind == "text":
                source: Any = self._engine.collection
            else:
                describe = describe_edges if kind == "sketch" else Engine.describe
                config = location_config(self._engine, self._config)
                source = describe(self._engine, config, self._progress)
            self._sources[kind] = source
        return self._sources[kind]

    def _size(self, row: int) -> tuple[int, int]:
        collection = self._engine.collection
        header = images.header(collection.path(collection.images[row]))
        return header.width, header.height

    def _stamp(self, part: Part) -> Stamp | None:
        """What changes with the file of a part; None for text."""
        if part not in self._stamps:
            path = query_file(self._engine.collection, part.value) if part.kind != "text" else None
            self._stamps[part] = stamp(path.stat()) if path else None
        return self._stamps[part]


def location_config(engine: Engine, config: Config) -> Config:
    """The pipeline that locates parts: this one or, if its only region is the whole image, with regions.

    These are proposals where some were trained for the backbone, else those of R-MAC. Raises WorkbenchError
    for a pipeline of keypoints and for neural codes, which have no regions.
    """
    config = config.description
    if config.regions.name != "whole":
        return config
    if config.pooling.name in WHOLE:
        raise WorkbenchError(
            f"places in images are compared by regions, and {config.backbone}/{config.pooling} has none; "
            "choose a pipeline with another pooling, such as max"
        )
    proposed = replace(config, regions=Step.parse("regions", "proposals:20"))
    source = require_maps(engine.describe(config).source)
    trained = weights_path(proposed, source).exists()
    return proposed if trained else replace(config, regions=Step.parse("regions", "rmac:3"))


_boxes: WeakKeyDictionary[Engine, list[tuple[Any, Boxes]]] = WeakKeyDictionary()
_lock = threading.Lock()


def _known_boxes(engine: Engine, source: Any) -> Boxes:
    """The boxes that were located in a described collection, which is another object after a change."""
    with _lock:
        held = _boxes.setdefault(engine, [])
        for known, boxes in held:
            if known is source:
                return boxes
        held.append((source, {}))
        del held[:-_SOURCES]
        return held[-1][1]
