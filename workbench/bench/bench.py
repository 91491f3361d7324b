"""Bench: pipelines in, rankings, numbers and explanations out, on one collection.

All methods of the interface for scripts are in one file, so that they are found together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

from PIL import Image

from workbench.collections.collection import Collection, require_ground_truth
from workbench.common.arguments import result_count
from workbench.common.geometry import Box, valid_box
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import ONE_PIPELINE, Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.engine.description import DescribedCollection, require_vectors
from workbench.engine.description_cache import MAX_CACHED
from workbench.engine.engine import Engine
from workbench.engine.queries import (
    QueryLike,
    named_picture,
    query_local_features,
    query_picture,
    query_vector,
)

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler

    from workbench.analysis.index_tradeoff import Tradeoff
    from workbench.analysis.suggestion import Suggestion
    from workbench.bench.keypoints import KeypointAccessor
    from workbench.bench.regions import RegionAccessor
    from workbench.bench.studies import StudyAccessor
    from workbench.bench.videos import VideoAccessor
    from workbench.engine.evaluate import Evaluation
    from workbench.engine.locate import Location
    from workbench.engine.query_parts import SearchQuery
    from workbench.evaluation.comparison import Comparison
    from workbench.explain.query import AnyExplanation
    from workbench.learning.history import TrainingHistory
    from workbench.local.matching import Match
    from workbench.search.relevance_feedback import Feedback


class Bench:
    """Search, evaluate, explain and compare pipelines on one collection. Safe to use from several threads.

    ``engine`` describes and searches the collection. ``regions``, ``keypoints``, ``videos`` and ``studies``
    are accessors: methods on regions, on local features, on videos, and studies of the whole collection.
    """

    def __init__(self, collection: Collection, options: Options) -> None:
        self.options = options
        self.engine = Engine(collection, options)
        # A description that is dropped from the cache is not kept alive by its evaluations.
        self._evaluations: dict[str, tuple[ref[DescribedCollection], Evaluation, str]] = {}
        self._lock = threading.Lock()  # of the cached evaluations, held for moments only

    @cached_property
    def regions(self) -> RegionAccessor:
        """Methods on the regions of images."""
        from workbench.bench.regions import RegionAccessor

        return RegionAccessor(self.engine)

    @cached_property
    def keypoints(self) -> KeypointAccessor:
        """Methods on local features."""
        from workbench.bench.keypoints import KeypointAccessor

        return KeypointAccessor(self.engine)

    @cached_property
    def videos(self) -> VideoAccessor:
        """Methods on videos and their moments."""
        from workbench.bench.videos import VideoAccessor

        return VideoAccessor(self.engine)

    @cached_property
    def studies(self) -> StudyAccessor:
        """Studies of one image, of two, of a pipeline or of the whole collection."""
        from workbench.bench.studies import StudyAccessor

        return StudyAccessor(self.engine, self.evaluate)

    @property
    def default_pipeline(self) -> str:
        """The pipeline of methods that are given none: the safest one for this collection.

        The reason for it is ``engine.default.reason``; see docs/learning.md for the measurements.
        """
        return self.engine.default.pipeline

    @property
    def collection(self) -> Collection:
        """Images, queries, protocol and report; images that turn out unreadable move to the report."""
        return self.engine.collection

    def evaluate(
        self,
        pipeline: str | Config | None = None,
        *,
        progress: Progress = notebook_progress,
        localise: bool = True,
    ) -> Evaluation:
        """Evaluate a pipeline by the collection's protocol, and store the run.

        ``localise``: where the ground truth has outlines, also measure the share of the positive heat that
        lies on the target, which takes longer than ranking. Raises WorkbenchError if the collection has no
        ground truth.
        """
        from workbench.collections.truth_files import change_note
        from workbench.engine.evaluate import evaluate
        from workbench.runs import store

        config = self.engine.config(pipeline)
        require_ground_truth(self.collection)
        started = time.perf_counter()
        searcher = self.engine.searcher(config, progress)
        described = searcher.described
        with self._lock:
            entry = self._evaluations.get(str(config))
        changed = change_note(self.collection.truth_files)
        current = entry is not None and entry[0]() is described and entry[2] == changed
        cached = entry[1] if entry is not None and current else None
        evaluation = cached or evaluate(searcher, progress)
        if localise and "localisation" not in evaluation.metrics:
            located = self._localisation(described, progress)
            if located:  # else it stays the same object
                evaluation = replace(evaluation, metrics=evaluation.metrics | located)
        with self._lock:
            self._evaluations.pop(str(config), None)
            self._evaluations[str(config)] = ref(described), evaluation, changed  # the newest last
            while len(self._evaluations) > MAX_CACHED:
                self._evaluations.pop(next(iter(self._evaluations)))
        if cached is not None and cached.metrics == evaluation.metrics:
            return evaluation
        return store.save_run(self.options.cache, described, evaluation, time.perf_counter() - started)

    def search(
        self,
        query: SearchQuery | None = None,
        *,
        text: str | None = None,
        pipeline: str | Config | None = None,
        box: Box | None = None,
        k: int | None = 20,
        progress: Progress = notebook_progress,
        also: Sequence[QueryLike] = (),
        feedback: Feedback | None = None,
        locate: bool = False,
    ) -> pd.DataFrame:
        """Rank the database for a query: its id, an image's id, a file, a decoded image, or words (``text``).

        A query may also have parts (``Query``, or a line such as ``image:p04 + 0.5 text:"at night"``, see
        docs/queries.md). ``box`` (x0, y0, x1, y1 in pixels of the upright image) crops an image. ``also``:
        further images; the mean of all descriptors is searched for. ``feedback`` moves the query by judged
        results. ``locate``: also return x0, y0, x1, y1, the location of the query in each image (see
        ``locate``).

        Returns a DataFrame of the first ``k`` images (None: all): rank (from 1), image_id, score, relevance,
        with feedback or ``also`` ``moved``, the number of ranks gained by it, and for several parts what each
        adds to the score. Where the query has ground truth, ``.attrs["ap"]`` is the AP of the whole ranking,
        for this crop and refinement.
        """
        from workbench.engine.query_search import SearchOptions
        from workbench.engine.search import search

        options = SearchOptions(k, also, feedback, locate)
        columns = search(self.engine, self.engine.config(pipeline), query, text, box, progress, options)
        return columns.table()

    def explain(
        self,
        query: SearchQuery,
        image_id: str,
        *,
        pipeline: str | Config | None = None,
        box: Box | None = None,
        progress: Progress = notebook_progress,
    ) -> AnyExplanation:
        """Split the score of an image for a query, exactly, into cells and pairs of regions.

        That of a query of several parts is split over the parts (``CombinedExplanation``), that of words over
        concepts (``TextExplanation``).

        With product codes, ``constant`` is the change of the score by the code. With binary codes and with
        re-ranking, the explained score is the cosine of the descriptors, which those approximate or begin
        with.
        """
        from workbench.explain.query import explain_query

        config = self.engine.config(pipeline)
        return explain_query(self.engine, config, query, image_id, box, progress)

    def locate(
        self,
        query: QueryLike,
        image_id: str,
        *,
        pipeline: str | Config | None = None,
        box: Box | None = None,
        progress: Progress = notebook_progress,
    ) -> Location:
        """Locate the query in an image of the collection: the most similar region, its box adjusted.

        ``.box`` and ``.region`` are in pixels of the upright image, ``.score`` is the region's cosine.
        """
        from workbench.engine.locate import locate_in_image

        described = self.engine.describe_vectors(
            self.engine.config(pipeline, "proposals:20"), progress, query
        )
        return locate_in_image(described, query_vector(described, query, box)[0], image_id)

    def classify(
        self,
        image: QueryLike,
        *,
        pipeline: str | Config = ONE_PIPELINE,
        box: Box | None = None,
        k: int | None = None,
        progress: Progress = notebook_progress,
        online: bool = True,
    ) -> pd.DataFrame:
        """Classify an image by the nearest regions of each class (ONE, Xie et al. 2015).

        Returns a DataFrame of the first ``k`` classes (None: all) with label, score, images and votes: the
        regions and their neighbours that the score is the mean of. An image of the collection has no vote
        itself. ``online``: see ``regions.rank``.
        """
        from workbench.engine import one
        from workbench.engine.provenance import warnings

        k = result_count(k)
        sets = self.engine.region_sets(Config.parse(pipeline), progress, image)
        regions = one.query_regions(sets, image, box, online)
        classes = one.compare_classes(sets, regions, sets.classes, one.query_images(sets, image))
        table = one.classify(sets, regions, classes, k)
        table.attrs["warnings"] = warnings(sets.described)
        return table

    def match(
        self,
        query: QueryLike,
        image_id: QueryLike,
        *,
        pipeline: str | Config = "sift/bow:4096/whole",
        box: Box | None = None,
        progress: Progress = notebook_progress,
        model: str | None = None,
    ) -> Match:
        """Match the keypoints of a query and an image, and verify the matches by one ``model``.

        The local features are those that the pipeline is made of or verifies with, SIFT where it names none;
        by default the matcher and the model are those of its ``sv``. ``model`` is written as there:
        ``homography``, ``affine``, ``fundamental``, ``affine-single``. Raises WorkbenchError for another one.
        """
        from workbench.local.asmk import Kernel
        from workbench.local.matchers import matcher
        from workbench.local.matching import match

        config, collection = Config.parse(pipeline), self.collection
        source, words = self.engine.local_features(config, progress, query, image_id)
        kernel = None if config.has_vectors else Kernel.of(config.pooling)
        matching, kind = matcher(config.local, config.matcher), config.geometry if model is None else model
        query_side = query_local_features(source, collection, query, box)
        image_side = query_local_features(source, collection, image_id)
        pictures = named_picture(collection, query, box), named_picture(collection, image_id)
        return replace(
            match(query_side, image_side, words, kind, kernel, matching, progress),
            pictures=pictures,
            collection=collection.name,
        )

    def copies(
        self,
        video: str | Path,
        *,
        pipeline: str | Config | None = None,
        fps: float = 1.0,
        min_score: float | None = None,
        progress: Progress = notebook_progress,
    ) -> pd.DataFrame:
        """Find the segments of the collection's videos that are copies of segments of a video.

        ``video`` is a file, a name below the collection's root, or a video of the collection, which is not
        compared with itself; ``fps`` of its frames a second are searched, without borders, as they are and
        mirrored, by the descriptors or codes of the pipeline (it is not re-ranked). Returns a DataFrame, the
        highest score first: query_start, query_end, video, start, end (seconds) and score. The score adds
        up, over the segment, how far its frames' similarities are above those of unrelated frames: a segment
        that is copied without a change scores its length in seconds; segments of less than ``min_score``
        (by default 2 seconds) are left out.

        Raises WorkbenchError if there is no such video, or if it cannot be read.
        """
        from workbench.engine.copies import MIN_SCORE, find_copies

        config, least = self.engine.config(pipeline), MIN_SCORE if min_score is None else min_score
        return find_copies(self.engine, config, video, fps, least, progress)

    def compare(
        self, pipelines: Sequence[str | Config], *, progress: Progress = notebook_progress
    ) -> Comparison:
        """Evaluate pipelines and pair their queries: table, differences, intervals and p-values."""
        from workbench.evaluation.comparison import Comparison

        return Comparison([self.evaluate(pipeline, progress=progress) for pipeline in pipelines])

    def tradeoff(
        self,
        indexes: Sequence[str] = (),
        *,
        pipeline: str | Config | None = None,
        progress: Progress = notebook_progress,
    ) -> Tradeoff:
        """Measure indexes such as ``ivf:64,pq:16`` against exact search with a pipeline: ``.table``."""
        from workbench.analysis.index_tradeoff import Tradeoff

        config = self.engine.config(pipeline).description
        require_vectors(config)
        searcher = self.engine.searcher(config, progress)
        tradeoff = Tradeoff(searcher.described, searcher.vectors)
        for index in indexes:
            tradeoff.measure(index, progress)
        return tradeoff

    def suggest(
        self, *, seconds: float = 60.0, backbone: str | None = None, progress: Progress = notebook_progress
    ) -> Suggestion:
        """Suggest a pipeline for this collection: try poolings, regions, centre prior and whitenings.

        They are tried for ``seconds`` on the maps stored for the default pipeline, which are extracted first
        if they are not stored yet. One half of the queries chooses, the other reports: see ``Suggestion``.
        ``backbone``: a backbone, with its layer, in place of the default's.
        """
        from workbench.analysis import suggestion

        suggestion.require(self.collection, seconds)
        default = Config.parse(self.default_pipeline)
        if backbone is not None:
            default = Config.parse(f"{backbone}/{str(default).removeprefix(f'{default.backbone}/')}")
        return suggestion.suggest(self.engine.describe_vectors(default, progress), seconds, progress)

    def runs(self) -> pd.DataFrame:
        """All stored evaluations of this cache, on any collection, the newest first."""
        from workbench.runs import store

        return store.list_runs(self.options.cache)

    def training(self, name: str) -> TrainingHistory:
        """The epochs of a training of this cache, finished or interrupted, or of weights of the package.

        Raises WorkbenchError if there is none of that name.
        """
        from workbench.learning.history import training_history

        return training_history(self.options.cache, name)

    def picture(self, query: QueryLike, *, box: Box | None = None) -> Image.Image:
        """The input of the network for a query or an image, as RGB: upright, and cropped to its box."""
        return query_picture(self.collection, query, box)

    def thumbnail(self, image_id: str, *, side: int = 160, box: Box | None = None) -> bytes:
        """A JPEG of an image of the collection, its longest side ``side`` pixels, cropped to ``box``."""
        from workbench.collections.thumbnails import thumbnail

        try:
            crop = None if box is None else valid_box(box)
            return thumbnail(self.collection.path(image_id), side, crop, self.options.cache)
        except WorkbenchError as error:
            raise WorkbenchError(f"image {image_id!r}: {error}") from None

    def gallery(self, table: pd.DataFrame, *, query: str | None = None, side: int = 96) -> Styler:
        """A table with pictures, ``side`` pixels large: a ranking, nearest regions, or measures of queries.

        It has a column ``image_id`` or ``query``. Boxes (x0, y0, x1, y1 in pixels, or in fractions if none is
        above 1) are drawn orange, the outlines that the ground truth knows white. ``query`` is the id of the
        query of all rows (default: that of ``bench.search``). At most 100 rows are shown. Raises
        WorkbenchError for another table.
        """

        from workbench.bench.gallery import gallery

        def thumbnail(image_id: str, box: Box | None) -> bytes:
            return self.thumbnail(image_id, side=side, box=box)

        of = str(table.attrs.get("query", "")) if query is None else query
        return gallery(self.collection, thumbnail, table, of)

    def _localisation(self, described: DescribedCollection, progress: Progress) -> dict[str, float]:
        """The share of heat on targets. Indexes and re-ranking do not change it, so it is shared by all
        pipelines of one description."""
        from workbench.explain.localisation import localisation

        with self._lock:
            entries = [
                evaluation.metrics for of, evaluation, _ in self._evaluations.values() if of() is described
            ]
        for metrics in entries:
            if "localisation" in metrics:
                return {name: value for name, value in metrics.items() if name.startswith("localisation")}
        return localisation(described, progress)
