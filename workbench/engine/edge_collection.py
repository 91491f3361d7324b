"""The contour pictures of a collection as a collection of their own, described by the same pipelines."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from workbench.collections.collection import Collection
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.description import DescribedCollection
from workbench.engine.engine import Engine
from workbench.engine.locks import NamedLocks
from workbench.sketch.edge_store import EdgeStore, make_edges, name_of
from workbench.sketch.operators import EdgeOperator, edge_operator

_DISTRACTORS = "distractors"
_CACHED = 8  # most pipelines whose described contours are held
_ATTEMPTS = 3  # to describe contour pictures of which some are damaged


@dataclass(frozen=True)
class DescribedEdges:
    """The described contour pictures of a described collection.

    ``rows`` [N] are the rows of the images' contours among ``edges``, in the order of
    ``described.collection.images``: images of equal content share a contour picture. ``engine`` describes the
    contour pictures.
    """

    described: DescribedCollection
    engine: Engine
    edges: DescribedCollection
    rows: np.ndarray
    operator: EdgeOperator


class EdgeCollection:
    """The contour pictures of an engine's collection, and the engine that describes them."""

    def __init__(self) -> None:
        self._locks = NamedLocks()
        self._stores: dict[str, EdgeStore] = {}
        self._engine: tuple[Collection, Engine] | None = None
        self._described: dict[str, DescribedEdges] = {}

    def describe(self, engine: Engine, config: Config, progress: Progress) -> DescribedEdges:
        """Detect the contours that are missing, and describe all. See ``sketch_search``."""
        described = engine.describe(config, progress)
        operator = edge_operator(engine.options)
        held = self._described.get(str(config))
        if held is not None and held.described is described and held.operator.folder == operator.folder:
            return held  # no image has changed, and nobody else writes contour pictures
        edges = self._describe(engine, described, config, operator, progress)
        self._described = {**dict(list(self._described.items())[1 - _CACHED :]), str(config): edges}
        return edges

    def _describe(
        self,
        engine: Engine,
        described: DescribedCollection,
        config: Config,
        operator: EdgeOperator,
        progress: Progress,
    ) -> DescribedEdges:
        collection = described.collection
        keys = described.keys[0][: len(collection.images)]
        paths = {key: collection.path(image) for key, image in zip(keys, collection.images, strict=True)}
        with self._locks("edges", progress):
            store = self._stores.get(operator.folder)
            if store is None:
                store = self._stores[operator.folder] = EdgeStore(engine.options.cache, operator)
            for _ in range(_ATTEMPTS):
                for key, reason in make_edges(store, paths, engine.options.cache, progress).items():
                    raise WorkbenchError(f"the contours of {str(paths[key])!r} cannot be detected: {reason}")
                edge_engine = self._engine_of(collection, keys, store.folder, engine)
                edges = edge_engine.describe(config, progress)
                damaged = [Path(name).stem for name, _ in edges.collection.problems]
                if not damaged:
                    break
                store.forget(damaged)
                self._engine = None
            else:
                raise WorkbenchError(
                    f"contour pictures in {str(store.folder)!r} are damaged again and again; check the disk, "
                    "or choose another folder with --cache"
                )
        row_of = {Path(name).stem: row for row, name in enumerate(edges.collection.images)}
        rows = np.array([row_of[key] for key in keys])
        return DescribedEdges(described, edge_engine, edges, rows, operator)

    def _engine_of(self, collection: Collection, keys: list[str], folder: Path, engine: Engine) -> Engine:
        """An engine on the contour pictures; whitenings are fitted without those of distractors."""
        names: dict[str, str] = {}
        for key, image in zip(keys, collection.images, strict=True):
            if names.get(key, _DISTRACTORS).startswith(_DISTRACTORS):
                name = name_of(key)
                names[key] = f"{_DISTRACTORS}/{name}" if collection.is_distractor(image) else name
        edges = Collection(
            f"contours of {collection.name}",
            folder,
            tuple(names.values()),
            elsewhere={_DISTRACTORS: folder},
        )
        if self._engine is None or self._engine[0] != edges:
            self._engine = edges, Engine(edges, engine.options)
        return self._engine[1]


_collections: WeakKeyDictionary[Engine, EdgeCollection] = WeakKeyDictionary()
_lock = threading.Lock()


def describe_edges(engine: Engine, config: Config, progress: Progress) -> DescribedEdges:
    """The contours of an engine's collection, described by a pipeline without its index and re-ranking.

    Raises WorkbenchError if the pipeline learns a whitening from labels, which contours do not have.
    """
    for step in config.whitenings:
        if step.name == "lw" and step.learned is None:
            raise WorkbenchError(
                f"{step} learns from photos of one label, and contours have no labels; "
                f"use {str(step).replace('lw', 'pcaw', 1)}"
            )
    with _lock:
        edges = _collections.setdefault(engine, EdgeCollection())
    return edges.describe(engine, config.description, progress)
