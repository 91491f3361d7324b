"""A workbench on one collection: pipelines in, rankings, numbers and explanations out."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs
import torch
from PIL import Image, ImageOps

from workbench import runs
from workbench.activations import (
    Activations,
    Contributions,
    activations,
    at_layer,
    contributions,
    layer_source,
)
from workbench.collections import images
from workbench.collections.catalog import open_collection
from workbench.collections.collection import Box, Collection, Query
from workbench.config import Config, WorkbenchError
from workbench.described import KEPT, Describer, Ready
from workbench.descriptors.bulk import describe_maps
from workbench.embedding import embedding
from workbench.evaluation.comparison import Comparison
from workbench.explain import Explanation, explain
from workbench.features.maps import Options
from workbench.judging import Evaluation, judge, localisation, require_ground_truth
from workbench.progress import Progress, silent
from workbench.region_search import RegionSearch
from workbench.search import exact
from workbench.search.feedback import Feedback, combined, refined
from workbench.search.ranking import ranking
from workbench.thumbnails import thumbnail

DEFAULT_PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"


class Workbench:
    """Everything on one collection. Safe to use from several threads."""

    def __init__(self, collection: Collection, options: Options) -> None:
        self.options = options
        self._describer = Describer(collection, options)
        self._regions = RegionSearch()
        self._judged: dict[str, tuple[Ready, Evaluation]] = {}
        self._lock = threading.Lock()  # of what is remembered, held for moments only

    @property
    def collection(self) -> Collection:
        """Images, queries, protocol and report; what turns out unreadable moves to the report."""
        return self._describer.collection

    def evaluate(
        self,
        pipeline: str | Config = DEFAULT_PIPELINE,
        progress: Progress = silent,
        localise: bool = True,
    ) -> Evaluation:
        """Judge a pipeline by the collection's protocol. Raises WorkbenchError where it has none.

        ``localise``: where the ground truth knows outlines, also measure how much of the positive
        heat lies on the target, which takes longer than ranking.
        """
        config = Config.parse(pipeline)
        require_ground_truth(self.collection)
        started = time.perf_counter()
        ready = self._describer.describe(config, progress)
        with self._lock:
            known = self._judged.get(str(config))
        evaluation = known[1] if known is not None and known[0] is ready else judge(ready)
        if localise and "localisation" not in evaluation.metrics:
            evaluation = replace(evaluation, metrics=evaluation.metrics | localisation(ready, progress))
        with self._lock:
            self._judged.pop(str(config), None)
            self._judged[str(config)] = ready, evaluation  # the newest last
            while len(self._judged) > KEPT:
                self._judged.pop(next(iter(self._judged)))
        if known is not None and known[0] is ready and known[1].metrics == evaluation.metrics:
            return evaluation
        return runs.remember(self.options.cache, ready, evaluation, time.perf_counter() - started)

    def search(
        self,
        query: str | Path | Image.Image,
        box: Box | None = None,
        pipeline: str | Config = DEFAULT_PIPELINE,
        k: int | None = 20,
        progress: Progress = silent,
        also: Sequence[str | Path | Image.Image] = (),
        feedback: Feedback | None = None,
    ) -> pd.DataFrame:
        """Rank the database for a query: its id, an image's id, a file, or a decoded image.

        ``box`` (x0, y0, x1, y1 in pixels of the upright image) crops it. ``also`` are further queries:
        the mean of all is searched for. ``feedback`` moves it by results that were judged. Returns a
        DataFrame of the first ``k`` (None: all) with rank from 1, image_id, score and relevance, and with
        feedback (or else with ``also``) ``moved``: the places risen, compared to doing without.
        """
        if k is not None and k < 1:
            raise WorkbenchError(f"k is {k}; it is the number of results, from 1")
        config = Config.parse(pipeline)
        known = self._require_query(query, box)
        ready = self._describer.describe(config, progress)
        vectors = [self._vector(ready, ready.row(known), query, box)]
        if also:
            others = ((ready.row(self._require_query(other, None)), other, None) for other in also)
            every = [vectors[0], *(self._vector(ready, *other) for other in others)]
            vectors.append(combined(torch.cat(every))[None])
        if feedback is not None:
            vectors.append(refined(vectors[-1][0], ready.database, ready.image_rows(), feedback)[None])
        *before, scores = exact.scores(torch.cat(vectors[-2:]), ready.database)
        relevance = self._relevance(ready.collection, known)
        return ranking(scores, ready.collection.images, relevance, k, *before)

    def explain(
        self,
        query: str | Path | Image.Image,
        image_id: str,
        pipeline: str | Config = DEFAULT_PIPELINE,
        box: Box | None = None,
        progress: Progress = silent,
    ) -> Explanation:
        """Take the score of an image for a query apart, exactly, into cells and pairs of regions."""
        config = Config.parse(pipeline)
        known = self._require_query(query, box)
        ready = self._describer.describe(config, progress)
        rows = ready.image_rows()
        if image_id not in rows:
            raise WorkbenchError(f"{image_id!r} is not an image of {ready.collection.name!r}")
        row = ready.row(known)
        maps = ready.maps(row) if row is not None else self._maps(ready, query, box)
        return explain(maps, ready.maps(rows[image_id]), config, ready.described)

    def activations(
        self,
        image: str | Path | Image.Image,
        pipeline: str | Config = DEFAULT_PIPELINE,
        box: Box | None = None,
        layer: str | None = None,
        progress: Progress = silent,
    ) -> Activations:
        """Where the pipeline's layer, or another ``layer`` of its backbone, responds in any picture."""
        config = Config.parse(pipeline)
        if layer is not None:
            config = at_layer(config, layer)
            source = layer_source(config.backbone, self.options)
            return activations(source.maps_of(self.picture(image, box))[0], config)
        _, ready, maps = self._seen(image, config, box, progress)
        return activations(maps[0], ready.config)

    def contributions(
        self,
        image: str | Path | Image.Image,
        other: str | Path | Image.Image,
        pipeline: str | Config = DEFAULT_PIPELINE,
        box: Box | None = None,
        other_box: Box | None = None,
        progress: Progress = silent,
    ) -> Contributions:
        """The score of two pictures taken apart over the channels, cells and regions of the first."""
        config = Config.parse(pipeline)
        _, ready, maps = self._seen(image, config, box, progress)
        row = ready.row(self._require_query(other, other_box))
        return contributions(maps, self._vector(ready, row, other, other_box)[0], config, ready.described)

    def nearest_regions(
        self,
        image: str | Path | Image.Image,
        region: int,
        pipeline: str | Config = DEFAULT_PIPELINE,
        k: int = 12,
        box: Box | None = None,
        progress: Progress = silent,
    ) -> pd.DataFrame:
        """What a region of a picture finds: the ``k`` images with the regions most like it.

        ``region`` is a row of ``activations(image).regions``. Returns a DataFrame of rank, image_id,
        x0, y0, x1, y1 (fractions) and score; the image that the region is from is left out.
        """
        path, ready, maps = self._seen(image, Config.parse(pipeline), box, progress)
        return self._regions.nearest(ready, maps[0], region, k, path, progress)

    def compare(self, pipelines: Sequence[str | Config], progress: Progress = silent) -> Comparison:
        """Evaluate pipelines and pair their queries: table, differences, intervals and p-values."""
        return Comparison([self.evaluate(pipeline, progress) for pipeline in pipelines])

    def runs(self) -> pd.DataFrame:
        """What was evaluated with this cache before, on any collection, the newest first."""
        return runs.list(self.options.cache)

    def embedding(
        self,
        pipeline: str | Config = DEFAULT_PIPELINE,
        progress: Progress = silent,
        known_only: bool = False,
    ) -> pd.DataFrame:
        """The database as a map: image_id, x, y and cluster; ``known_only``: empty where not made before."""
        return embedding(self._describer.describe(Config.parse(pipeline), progress), progress, known_only)

    def picture(self, query: str | Path | Image.Image, box: Box | None = None) -> Image.Image:
        """What the network sees of a query or an image, as RGB: upright, and cropped to its box."""
        if isinstance(query, Image.Image):
            upright = images.rgb(ImageOps.exif_transpose(query))  # as its file would be read
            return upright if box is None else images.crop_to(upright, box)
        known = self._known_query(str(query))
        path = self.collection.path(known.image) if known else Path(query).expanduser()
        try:
            return images.load(path, box or (known.box if known else None))
        except WorkbenchError as error:
            raise WorkbenchError(f"image {str(query)!r}: {error}") from None

    def thumbnail(self, image_id: str, side: int = 160, box: Box | None = None) -> bytes:
        """A JPEG of an image of the collection, its longest side ``side`` pixels, cropped to ``box``."""
        folder = self.options.cache / "thumbnails"
        try:
            return thumbnail(self.collection.path(image_id), side, box, folder)
        except WorkbenchError as error:
            raise WorkbenchError(f"image {image_id!r}: {error}") from None

    # -- panels: widgets linked with one another, each of them in a cell of its own or in ``show`` --

    def show(self) -> Any:
        """The whole workbench as widgets."""
        return self._panel("show")

    def query_panel(self) -> Any:
        """Configuration, query and ranked results with the pipeline's mAP."""
        return self._panel("query_panel")

    def attention_panel(self) -> Any:
        """Where the network looks in an image: activations, regions, priors, and what a region finds."""
        return self._panel("attention_panel")

    def explanation_panel(self) -> Any:
        """A score taken apart over the query and the result beside it."""
        return self._panel("explanation_panel")

    def compare_panel(self) -> Any:
        """Pipelines side by side: measures, differences per query, curves, grid search."""
        return self._panel("compare_panel")

    def map_panel(self) -> Any:
        """The collection as a map of its descriptors."""
        return self._panel("map_panel")

    def history_panel(self) -> Any:
        """What was evaluated before; sessions and reports to save."""
        return self._panel("history_panel")

    def _panel(self, name: str) -> Any:
        from workbench.panels import layout

        return getattr(layout, name)(self)

    # -- from names to rows and vectors ---------------------------------------------------------

    def _known_query(self, name: str) -> Query | None:
        queries = {query.id: query for query in self.collection.queries}
        if name in queries:
            return queries[name]
        return Query(name, name) if name in set(self.collection.images) else None

    def _require_query(self, query: str | Path | Image.Image, box: Box | None) -> Query | None:
        """The query of the collection that is meant, None for a picture or a crop of one's own."""
        if isinstance(query, Image.Image):
            return None
        known = self._known_query(str(query))
        if known is None and not Path(query).expanduser().is_file():
            raise WorkbenchError(
                f"query {str(query)!r} is neither a query nor an image of {self.collection.name!r}, "
                "nor a file"
            )
        return known if box is None else None

    def _seen(
        self, image: str | Path | Image.Image, config: Config, box: Box | None, progress: Progress
    ) -> tuple[Path | None, Ready, list[torch.Tensor]]:
        """The file of a picture, if it has one, and its maps, a scale each."""
        known = self._require_query(image, box)
        ready = self._describer.describe(config, progress)
        row = ready.row(known)
        maps = ready.maps(row) if row is not None else self._maps(ready, image, box)
        if isinstance(image, Image.Image):
            return None, ready, maps
        named = self._known_query(str(image))
        return self.collection.path(named.image) if named else Path(image).expanduser(), ready, maps

    def _maps(self, ready: Ready, query: str | Path | Image.Image, box: Box | None) -> list[torch.Tensor]:
        return ready.source.maps_of(self.picture(query, box), ready.config.scales)

    def _vector(
        self, ready: Ready, row: int | None, query: str | Path | Image.Image, box: Box | None
    ) -> torch.Tensor:
        if row is not None:
            return ready.described.vectors[row : row + 1]
        with torch.no_grad():
            parts, _ = describe_maps(self._maps(ready, query, box), ready.config, ready.described)
            return parts.total.sum(1)

    def _relevance(self, collection: Collection, query: Query | None) -> Callable[[str], str]:
        """What is known of an image: its grade, ``negative``, ``query`` for itself, or ``unknown``."""
        grades: Mapping[str, str] = collection.relevance.get(query.id, {}) if query else {}
        judged = query is not None and query.id in collection.relevance

        def relevance(image: str) -> str:
            if query is not None and image == query.image and image not in grades:
                return "query"
            return grades.get(image, "negative" if judged else "unknown")

        return relevance


def default_cache() -> Path:
    """``data/`` of a checkout, or else the user's cache folder; WORKBENCH_CACHE moves it."""
    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.environ["WORKBENCH_CACHE"]).expanduser()
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    return Path(platformdirs.user_cache_dir("retrieval-workbench"))


def open_workbench(
    name: str | Path, labels: str = "none", progress: Progress = silent, **options: Any
) -> Workbench:
    """Open a collection by name, folder or CSV. ``options`` are the fields of Options."""
    unknown = set(options) - set(Options.__dataclass_fields__)
    if unknown:
        raise WorkbenchError(
            f"option {sorted(unknown)[0]!r} is not known; valid: {', '.join(Options.__dataclass_fields__)}"
        )
    cache = Path(options.get("cache") or default_cache()).expanduser()
    weights = options.get("weights")
    chosen = replace(Options(**options), cache=cache, weights=Path(weights).expanduser() if weights else None)
    return Workbench(open_collection(name, labels, cache, progress), chosen)
