"""Describe and search one collection by any pipeline, and cache the results."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from workbench.collections.collection import Collection
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.options import Options
from workbench.config.steps import Step
from workbench.engine.collection_maps import CollectionMaps
from workbench.engine.default_pipeline import default_pipeline
from workbench.engine.description import DescribedCollection, require_vectors
from workbench.engine.description_cache import DescriptionCache
from workbench.engine.keypoints import Keypoints
from workbench.engine.queries import QueryLike, require_query
from workbench.engine.searcher import Searcher
from workbench.engine.searcher_cache import SearcherCache
from workbench.engine.server_index import check_index_server
from workbench.local.features import FeatureSource
from workbench.local.vocabulary import VisualWords

if TYPE_CHECKING:
    from workbench.engine.class_probabilities import ClassProbabilities
    from workbench.engine.image_regions import RegionSets, RegionSetsCache
    from workbench.engine.region_search import RegionSearch


class Engine:
    """One collection, described and searched by any pipeline. Safe to use from several threads.

    Each method takes the queries (ids, files or images) that it will be used for, so that a query that
    does not exist raises WorkbenchError before the long work begins.
    """

    def __init__(self, collection: Collection, options: Options) -> None:
        self.options = options
        self.default = default_pipeline(collection)
        self._descriptions = DescriptionCache(collection, options)
        self._searchers = SearcherCache()

    @cached_property
    def region_search(self) -> RegionSearch:
        """The search of nearest regions, which keeps those of the last pipeline."""
        from workbench.engine.region_search import RegionSearch

        return RegionSearch()

    @cached_property
    def _region_sets(self) -> RegionSetsCache:
        from workbench.engine.image_regions import RegionSetsCache

        return RegionSetsCache(self.region_search)

    @cached_property
    def _class_probabilities(self) -> ClassProbabilities:
        from workbench.engine.class_probabilities import ClassProbabilities

        return ClassProbabilities(self._descriptions)

    @property
    def collection(self) -> Collection:
        """Images, queries, protocol and report; images that turn out unreadable move to the report."""
        return self._descriptions.collection

    def config(self, pipeline: str | Config | None, regions: str | None = None) -> Config:
        """Parse a pipeline; None is the default of the collection as it was opened, over ``regions``."""
        config = Config.parse(self.default.pipeline if pipeline is None else pipeline)
        if pipeline is None and regions is not None:
            return replace(config, regions=Step.parse("regions", regions))
        return config

    def describe(
        self, config: Config, progress: Progress = silent, *queries: QueryLike
    ) -> DescribedCollection:
        """Descriptors of the collection, by the pipeline without its index and re-ranking."""
        self._require(*queries)
        return self._descriptions.describe(config.description, progress)

    def describe_vectors(
        self, config: Config, progress: Progress = silent, *queries: QueryLike
    ) -> DescribedCollection:
        """As ``describe``. Raises WorkbenchError before it begins for a pipeline without vectors."""
        require_vectors(config)
        return self.describe(config, progress, *queries)

    def searcher(self, config: Config, progress: Progress = silent, *queries: QueryLike) -> Searcher:
        """The described collection with the pipeline's index and re-ranking."""
        check_index_server(config, self.options)
        described = self.describe(config, progress, *queries)
        keypoints = self._descriptions.compared(described, config, progress)
        return self._searchers.of(described, config, progress, keypoints)

    def region_sets(self, config: Config, progress: Progress = silent, *queries: QueryLike) -> RegionSets:
        """The collection as sets of the pipeline's region descriptors."""
        return self._region_sets.of(self.describe_vectors(config, progress, *queries), config, progress)

    def keypoints(
        self, config: Config, progress: Progress = silent, *queries: QueryLike
    ) -> tuple[DescribedCollection, Keypoints]:
        """The described collection, and the local features that the pipeline is made of or verifies with."""
        described = self.describe(config, progress, *queries)
        if described.cells is not None and config.compared is None:
            return described, Keypoints(described.cells, described.keys[0])
        return described, self._descriptions.keypoints(described, config.local, progress)

    def local_features(
        self, config: Config, progress: Progress = silent, *queries: QueryLike
    ) -> tuple[FeatureSource, VisualWords | None]:
        """The source of the pipeline's local features, and its visual words, for which it describes the
        collection; None without words. Cells that are verified by keypoints give these, without words."""
        self._require(*queries)
        if config.has_cells and config.compared is None:
            described = self.describe(config, progress)
            assert described.cells is not None
            return described.cells, described.words
        words = config.has_words and not config.has_cells
        source = self._descriptions.local(config.local)
        return source, self.describe(config, progress).words if words else None

    def class_probabilities(self, progress: Progress = silent) -> tuple[CollectionMaps, np.ndarray]:
        """The maps by the embedded backbone, and the class probabilities float32 [N, K] of the images."""
        return self._class_probabilities.of(progress)

    def _require(self, *queries: QueryLike) -> None:
        for query in queries:
            require_query(self.collection, query)
