"""Arrangements: whether the parts of a query, located in an image, are left of, or above, others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.collections import images
from workbench.common.geometry import Box
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.descriptors.proposals import weights_path
from workbench.engine.description import require_maps
from workbench.engine.engine import Engine
from workbench.engine.locate import locate
from workbench.engine.queries import query_vector
from workbench.query.part import Part
from workbench.query.query import Query

LOCATED = ("image", "text")  # the kinds of parts that have a place in an image


class Arrangement:
    """Locate the parts of a query in images, and check their order. Places are kept for the next check."""

    def __init__(self, engine: Engine, config: Config, query: Query, progress: Progress = silent) -> None:
        self._engine, self._config, self._progress = engine, config, progress
        self._parts = [part for part, _ in query.parts]
        self._boxes: dict[tuple[Part, int], Box] = {}

    def check(
        self, operator: str, rows: NDArray[np.int64], sides: Sequence[tuple[list[int], list[int]]]
    ) -> NDArray[np.bool_]:
        """Whether each part at the left side is left of, or right of, above, below, each one at the right
        side: by the centres of their boxes, in each image.

        Raises WorkbenchError if no part at a side has a place.
        """
        wanted: dict[int, list[int]] = {}
        for row, side in zip(rows, sides, strict=True):
            for parts in side:
                placed = [part for part in parts if self._parts[part].kind in LOCATED]
                if not placed:
                    raise self._without_place(operator, parts)
                for part in placed:
                    wanted.setdefault(int(row), []).append(part)
        for done, (row, parts) in enumerate(wanted.items()):
            self._progress("locating the parts in images", done, len(wanted))
            self._locate(row, [self._parts[part] for part in parts])
        return np.array(
            [self._holds(operator, int(row), *side) for row, side in zip(rows, sides, strict=True)], bool
        )

    def box(self, part: Part, row: int) -> Box:
        """The box of a part in an image, in pixels."""
        self._locate(row, [part])
        return self._boxes[part, row]

    def _holds(self, operator: str, row: int, first: list[int], second: list[int]) -> bool:
        axis = 0 if operator in ("left of", "right of") else 1
        before, after = (self._centres(parts, row)[:, axis] for parts in (first, second))
        if operator in ("right of", "below"):
            before, after = after, before
        return bool(before.max() < after.min())

    def _centres(self, parts: list[int], row: int) -> NDArray[np.float64]:
        boxes = [self._boxes[part, row] for n in parts if (part := self._parts[n]).kind in LOCATED]
        return np.array([((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes])

    def _locate(self, row: int, parts: Sequence[Part]) -> None:
        missing = [part for part in dict.fromkeys(parts) if (part, row) not in self._boxes]
        pictured = [part for part in missing if part.kind == "image"]
        if pictured:
            self._locate_images(row, pictured)
        image_id = self._engine.collection.images[row]
        for part in missing:
            if part.kind == "text":
                from workbench.engine.text_search import text_boxes

                location = text_boxes(self._engine, self._config, part.value, image_id, self._progress)
                self._boxes[part, row] = location.box

    def _locate_images(self, row: int, parts: list[Part]) -> None:
        """Locate images in an image by the regions of the pipeline; all in one pass over its map."""
        described = self._engine.describe(location_config(self._engine, self._config), self._progress)
        path = described.collection.path(described.collection.images[row])
        header = images.header(path)
        vectors = torch.cat([query_vector(described, part.value, part.box) for part in parts])
        places = locate(vectors, described.maps(row)[0], described, (header.width, header.height))
        for part, place in zip(parts, places, strict=True):
            self._boxes[part, row] = place.box

    def _without_place(self, operator: str, parts: list[int]) -> WorkbenchError:
        if not parts:
            return WorkbenchError(
                f"{operator!r} compares places, and parts of negative weight have none; give each side a "
                "part of positive weight"
            )
        part = self._parts[parts[0]]
        return WorkbenchError(
            f'{operator!r} compares places, and {part} has none in an image; valid: image:NAME, text:"words"'
        )


def location_config(engine: Engine, config: Config) -> Config:
    """The pipeline that locates parts: this one or, if its only region is the whole image, with regions.

    These are proposals where some were trained for the backbone, else those of R-MAC. Raises WorkbenchError
    for a pipeline of keypoints and for neural codes, which have no regions.
    """
    config = config.description
    if config.regions.name != "whole":
        return config
    if config.pooling.name in ("bow", "code"):
        raise WorkbenchError(
            f"an arrangement compares regions, and {config.backbone}/{config.pooling} has none; choose a "
            "pipeline with another pooling, such as max"
        )
    proposed = replace(config, regions=Step.parse("regions", "proposals:20"))
    source = require_maps(engine.describe(config).source)
    trained = weights_path(proposed, source).exists()
    return proposed if trained else replace(config, regions=Step.parse("regions", "rmac:3"))
