"""A collection described by a pipeline: pictures to maps to vectors, cached until a file changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from workbench.collections import contents
from workbench.collections.collection import Collection, Query
from workbench.collections.lookup import image_at
from workbench.common.paths import shortened
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.attention import load_attention
from workbench.descriptors.description import Descriptors
from workbench.descriptors.named_whitening import named_whitenings
from workbench.descriptors.proposals import load_proposal_model
from workbench.features.map_source import MapSource, Picture
from workbench.local.cell_source import CellSource
from workbench.local.local_source import LocalSource
from workbench.local.vocabulary import VisualWords


@dataclass(frozen=True)
class DescribedCollection:
    """A collection described by one pipeline.

    The rows of ``pictures`` and of the vectors are the database in order, then the query pictures that are
    not in it. ``keys`` [scale][row] name the pictures in the store. ``words`` is the vocabulary of a bag of
    words, or of ``asmk``, whose descriptors have no dimensions. ``same_states`` are states of the
    collection's files in which they had the described contents.
    """

    config: Config
    collection: Collection
    source: MapSource | LocalSource
    pictures: tuple[Picture, ...]
    keys: list[list[str]]
    descriptors: Descriptors
    seconds: float
    words: VisualWords | None = None
    cells: CellSource | None = field(default=None, repr=False)
    same_states: set[bytes] = field(default_factory=set, repr=False, compare=False)

    @property
    def vectors(self) -> torch.Tensor:
        """The descriptors of all rows, [n, D]. Raises WorkbenchError for a pipeline that has none."""
        require_vectors(self.config)
        return self.descriptors.vectors

    @property
    def database(self) -> torch.Tensor:
        """The descriptors of the database, [N, D]; as ``vectors``."""
        return self.vectors[: len(self.collection.images)]

    def maps(self, row: int) -> list[torch.Tensor]:
        """The stored maps [1, C, H, W] of a row, one for each scale."""
        source = require_maps(self.source)
        stored = (next(source.batches([keys[row]], scale))[1] for scale, keys in enumerate(self.keys))
        return [maps.float() for maps in stored]

    def image_rows(self) -> Mapping[str, int]:
        """The row of each image of the database."""
        return self.collection.rows

    def image_row(self, image_id: str) -> int:
        """The row of an image of the database, by its id or its path.

        Raises WorkbenchError if it is not in the collection.
        """
        return image_row(self.collection, image_id)

    def row(self, query: Query | None) -> int | None:
        """The row of a query of the collection; None without a query, or if its picture could not be read."""
        return None if query is None else self._picture_rows.get(picture_of(self.collection, query))

    @cached_property
    def _picture_rows(self) -> Mapping[Picture, int]:
        return {picture: row for row, picture in enumerate(self.pictures)}

    def query_rows(self) -> list[int]:
        """The row of each query, in the collection's order."""
        return [self._picture_rows[picture_of(self.collection, query)] for query in self.collection.queries]

    def ground_truth(self) -> list[dict[Any, Any]]:
        """The ground truth {row: grade} of each query; under ``self`` is the row of its own image."""
        row_of = self.image_rows()
        return [self.grades(query, row_of) for query in self.collection.queries]

    def grades(self, query: Query, row_of: Mapping[str, int]) -> dict[Any, Any]:
        """The ground truth of one query; ``row_of`` are the ``image_rows``."""
        graded = self.collection.relevance.get(query.id, {})
        grades: dict[Any, Any] = {row_of[image]: grade for image, grade in graded.items()}
        if query.image in row_of:
            grades["self"] = row_of[query.image]
        return grades

    def fresh(self) -> bool:
        """Whether the images, the weights and all trained parts are still the files that were used."""
        try:
            return self.source.fresh() and self._trained_parts_fresh() and self._pictures_fresh()
        except WorkbenchError:
            return False

    def _trained_parts_fresh(self) -> bool:
        """Whether attention, proposals and named whitenings are the objects that loading them gives now."""
        if not isinstance(self.source, MapSource):
            return True
        current = (
            load_attention(self.config, self.source),
            load_proposal_model(self.config, self.source),
            *named_whitenings(self.config, self.source).values(),
        )
        described = self.descriptors
        used = described.attention, described.proposals, *described.regional, *described.final
        return all(any(part is used_part for used_part in used) for part in current)

    def _pictures_fresh(self) -> bool:
        state = self.collection.file_state()
        if state in self.same_states:
            return True
        headers, unreadable = contents.of(self.source.options.cache).headers(
            [picture.path for picture in self.pictures]
        )
        same = not unreadable and all(
            key.startswith(headers[row].fingerprint) for row, key in enumerate(self.keys[0])
        )
        if same:
            self.same_states.add(state)
        return same


def image_row(collection: Collection, image_id: str) -> int:
    """The row of an image of a collection, by its id or its path. Raises WorkbenchError if it has none."""
    row = collection.rows.get(str(image_id))
    if row is None:
        row = collection.rows.get(image_at(collection, image_id) or "")
    if row is None:
        raise WorkbenchError(f"{shortened(str(image_id))!r} is not an image of {collection.name!r}")
    return row


def picture_of(collection: Collection, query: Query) -> Picture:
    """The picture that is described for a query: its image, cropped to its box."""
    return Picture(collection.path(query.image), query.box)


def require_vectors(config: Config) -> None:
    """Raise WorkbenchError for a pipeline that gives an image no vector."""
    if not config.has_vectors:
        compared, valid = "keypoints", f"{config.backbone}/bow:4096/whole, or a pipeline of feature maps"
        if config.has_cells:
            compared, valid = "cells", f"another pooling, as in {config.backbone}/max/rmac:3"
        raise WorkbenchError(
            f"{config}: {config.pooling.name} compares {compared} and gives an image no vector, which is "
            f"needed here; valid: {valid}"
        )


def require_maps(source: MapSource | LocalSource) -> MapSource:
    """The source of maps. Raises WorkbenchError for a pipeline of keypoints, which has no maps."""
    if isinstance(source, LocalSource):
        raise WorkbenchError(
            f"{source.spec.name} has no feature map, so there are no cells, channels or regions to look at; "
            "see its keypoints in the panel 'Local matches'"
        )
    return source
