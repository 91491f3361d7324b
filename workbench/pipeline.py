"""A workbench on one collection: pipelines in, rankings, numbers and explanations out."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from PIL import Image

from workbench import asking, one, runs
from workbench.activations import (
    Activations,
    Contributions,
    activations,
    at_layer,
    contributions,
    layer_source,
)
from workbench.asking import Asked
from workbench.collections import images
from workbench.collections.collection import Box, Collection
from workbench.config import Config, Step, WorkbenchError
from workbench.cooccurrence import Cooccurrence, cooccurrence
from workbench.described import KEPT, Describer, Ready, mapped
from workbench.descriptors.proposals import proposals
from workbench.embedding import embedding
from workbench.engine.keypoints import Keypoints
from workbench.evaluation.comparison import Comparison
from workbench.explain import Explanation, explain
from workbench.explain_one import Evidence, evidence, of_class, of_image
from workbench.explain_words import explain_words
from workbench.features.maps import Options
from workbench.judging import Evaluation, judge, localisation, require_ground_truth
from workbench.keypoint_search import Match, match, nearest_patches, patches
from workbench.local.features import Features, LocalSource
from workbench.local.verification import Kind
from workbench.local.words import Words
from workbench.locating import Located, locate
from workbench.one import One, Remembered
from workbench.progress import Progress, silent
from workbench.recalling import COUNTS, proposal_recall
from workbench.region_search import RegionSearch
from workbench.search.feedback import Feedback, combined, refined
from workbench.search.ranking import ranking
from workbench.searching import Searcher, Searchers
from workbench.showing import Showing
from workbench.thumbnails import thumbnail
from workbench.tradeoff import Tradeoff

DEFAULT_PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"
ONE_PIPELINE = "efficientnet_lite0/max/rmac:3/pca:256"
PROPOSALS_PIPELINE = "efficientnet_lite0/max/proposals:20/pcaw:256"


class Workbench(Showing):
    """Everything on one collection. Safe to use from several threads."""

    def __init__(self, collection: Collection, options: Options) -> None:
        self.options = options
        self._describer = Describer(collection, options)
        self._searchers = Searchers()
        self._regions = RegionSearch()
        self._one = Remembered(self._regions)
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
        searcher = self._searcher(config, progress)
        ready = searcher.ready
        with self._lock:
            known = self._judged.get(str(config))
        evaluation = known[1] if known is not None and known[0] is ready else judge(searcher, progress)
        if localise and "localisation" not in evaluation.metrics:
            evaluation = replace(evaluation, metrics=evaluation.metrics | self._located(ready, progress))
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
        query: Asked,
        box: Box | None = None,
        pipeline: str | Config = DEFAULT_PIPELINE,
        k: int | None = 20,
        progress: Progress = silent,
        also: Sequence[Asked] = (),
        feedback: Feedback | None = None,
        locate: bool = False,
    ) -> pd.DataFrame:
        """Rank the database for a query: its id, an image's id, a file, or a decoded image.

        ``box`` (x0, y0, x1, y1 in pixels of the upright image) crops it. ``also`` are further queries:
        the mean of all is searched for. ``feedback`` moves it by results that were judged. Returns a
        DataFrame of the first ``k`` (None: all) with rank from 1, image_id, score and relevance, and with
        feedback (or else with ``also``) ``moved``: the places risen, compared to doing without. ``locate``:
        also x0, y0, x1, y1, where in each of them the query is (see ``locate``).
        """
        if k is not None and k < 1:
            raise WorkbenchError(f"k is {k}; it is the number of results, from 1")
        searcher = self._searcher(pipeline, progress, query, *also)
        ready = searcher.ready
        vectors = [asking.vector(ready, query, box)]
        if also:
            every = [vectors[0], *(asking.vector(ready, other) for other in also)]
            vectors.append(combined(torch.cat(every))[None])
        if feedback is not None:
            vectors.append(refined(vectors[-1][0], ready.database, ready.image_rows(), feedback)[None])
        last = torch.cat(vectors[-2:])
        junk = searcher.junk_of(asking.named(ready.collection, query))
        features = self._features(searcher, query, box) * len(last)
        *before, found = searcher.search(last, [junk] * len(last), progress, features=features)
        relevance = asking.relevance(ready.collection, query)
        table = ranking(found, ready.collection.images, relevance, k, *before)
        if locate:
            boxes = []
            for done, image in enumerate(table["image_id"]):
                progress("locating", done, len(table))
                boxes.append(self._place(ready, last[-1], image).box)
            table[["x0", "y0", "x1", "y1"]] = np.array(boxes, float).reshape(-1, 4)
        return table

    def locate(
        self,
        query: Asked,
        image_id: str,
        pipeline: str | Config = PROPOSALS_PIPELINE,
        box: Box | None = None,
        progress: Progress = silent,
    ) -> Located:
        """Where in an image of the collection the query is: the region most like it, moved to fit.

        ``.box`` and ``.region`` are in pixels of the upright image, ``.score`` is the region's cosine.
        """
        ready = self._ready(pipeline, progress, query)
        return self._place(ready, asking.vector(ready, query, box)[0], image_id)

    def proposal_recall(
        self,
        pipeline: str | Config = PROPOSALS_PIPELINE,
        counts: Sequence[int] = COUNTS,
        least: float = 0.5,
        progress: Progress = silent,
    ) -> pd.DataFrame:
        """How many regions it takes to have what matters among them: see ``recalling.proposal_recall``."""
        return proposal_recall(self._ready(pipeline, progress), counts, least, progress=progress)

    def _place(self, ready: Ready, vector: torch.Tensor, image_id: str) -> Located:
        rows = ready.image_rows()
        if image_id not in rows:
            raise WorkbenchError(f"{image_id!r} is not an image of {ready.collection.name!r}")
        mapped(ready.source)
        header = images.header(ready.collection.path(image_id))
        maps = ready.maps(rows[image_id])[0]
        return locate(vector[None], maps, ready, (header.width, header.height))[0]

    def explain(
        self,
        query: Asked,
        image_id: str,
        pipeline: str | Config = DEFAULT_PIPELINE,
        box: Box | None = None,
        progress: Progress = silent,
    ) -> Explanation:
        """Take the score of an image for a query apart, exactly, into cells and pairs of regions.

        With product codes, what they change of the score is its ``constant``. With binary codes and with
        re-ranking the score explained is the cosine of the descriptors, which those stand for or begin with.
        """
        searcher = self._searcher(pipeline, progress, query)
        ready = searcher.ready
        rows = ready.image_rows()
        if image_id not in rows:
            raise WorkbenchError(f"{image_id!r} is not an image of {ready.collection.name!r}")
        if ready.words is not None:
            own = self._describer.keypoints(ready, ready.config.backbone, progress)
            pair = asking.features(ready, own, query, box), own.of(rows[image_id])
            why = explain_words(*pair, ready.words, ready.config, ready.described)
        else:
            maps = asking.maps(ready, query, box)
            why = explain(maps, ready.maps(rows[image_id]), ready.config, ready.described)
        coded = searcher.coded(asking.vector(ready, query, box)[0], rows[image_id])
        return why if coded is None else replace(why, score=coded, constant=coded - why.score)

    def activations(
        self,
        image: Asked,
        pipeline: str | Config = DEFAULT_PIPELINE,
        box: Box | None = None,
        layer: str | None = None,
        progress: Progress = silent,
        regions: str | None = None,
    ) -> Activations:
        """Where the pipeline's layer, or another ``layer`` of its backbone, responds in any picture.

        ``regions`` lays others than the pipeline's own, as in ``proposals:20`` beside ``rmac:3``.
        """
        config = Config.parse(pipeline)
        if layer is not None:
            config = at_layer(config, layer)
            source = layer_source(config.backbone, self.options)
            return activations(source.maps_of(self.picture(image, box))[0], config)
        ready = self._ready(config, progress, image)
        maps, described = asking.maps(ready, image, box)[0], ready.described
        if regions is None:
            return activations(maps, config, described.attention, described.proposals)
        config = replace(config, regions=Step.parse("regions", regions))
        return activations(maps, config, described.attention, proposals(config, mapped(ready.source)))

    def contributions(
        self,
        image: Asked,
        other: Asked,
        pipeline: str | Config = DEFAULT_PIPELINE,
        box: Box | None = None,
        other_box: Box | None = None,
        progress: Progress = silent,
    ) -> Contributions:
        """The score of two pictures taken apart over the channels, cells and regions of the first."""
        ready = self._ready(pipeline, progress, image, other)
        vector = asking.vector(ready, other, other_box)[0]
        return contributions(asking.maps(ready, image, box), vector, ready.config, ready.described)

    def nearest_regions(
        self,
        image: Asked,
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
        ready = self._ready(pipeline, progress, image)
        path = asking.file_of(ready.collection, image)
        return self._regions.nearest(ready, asking.maps(ready, image, box)[0], region, k, path, progress)

    def one(
        self,
        query: Asked,
        pipeline: str | Config = ONE_PIPELINE,
        k: int | None = 20,
        box: Box | None = None,
        progress: Progress = silent,
        online: bool = True,
    ) -> pd.DataFrame:
        """Rank the database by ONE (Xie et al. 2015): by the mean of how near each region of the query comes.

        The pipeline says how regions are described (``whole`` is one, ``grid``, ``rmac``, ``proposals``) and
        whether they are kept exactly or as codes (``pq``, ``opq``). Columns as of ``search``. Not ``online``:
        an image of the collection asks by its regions as they are kept. Raises WorkbenchError for others.
        """
        if k is not None and k < 1:
            raise WorkbenchError(f"k is {k}; it is the number of results, from 1")
        made = self._sets(pipeline, progress, query)
        found = one.rank(made, one.asked(made, query, box, online))
        relevance = asking.relevance(self.collection, query)
        return ranking(found, made.ready.collection.images, relevance, k)

    def classify(
        self,
        image: Asked,
        pipeline: str | Config = ONE_PIPELINE,
        k: int | None = None,
        box: Box | None = None,
        progress: Progress = silent,
        online: bool = True,
    ) -> pd.DataFrame:
        """Which class does a picture belong to? By the same search as ``one``: see ``one.classify``.

        Returns a DataFrame of the first ``k`` classes (None: all) with label, score, images and votes, the
        regions with their neighbours that made the score. An image of the collection has no vote itself.
        """
        made = self._sets(pipeline, progress, image)
        query = one.asked(made, image, box, online)
        compared = one.classes(made, query, self.collection.labels, one.own(made, image))
        return one.classify(made, query, compared, k)

    def evidence(
        self,
        query: Asked,
        image_id: str | None = None,
        label: str | None = None,
        pipeline: str | Config = ONE_PIPELINE,
        box: Box | None = None,
        progress: Progress = silent,
    ) -> Evidence:
        """Take apart, exactly, the score that ``one`` gives an image, or ``classify`` a label."""
        if (image_id is None) == (label is None):
            raise WorkbenchError("evidence is of an image_id or of a label: give one of them")
        made = self._sets(pipeline, progress, query)
        maps = asking.maps(made.ready, query, box)[0]
        asked = one.regions_of(made.ready, maps)
        if label is None:
            voters = of_image(made, asked, str(image_id))
        else:
            voters = of_class(one.classes(made, asked, self.collection.labels, one.own(made, query)), label)
        return evidence(made, maps, voters)

    def _sets(self, pipeline: str | Config, progress: Progress, *asked: Asked) -> One:
        """The collection as sets of a pipeline's regions."""
        config = Config.parse(pipeline)
        return self._one.of(self._ready(config, progress, *asked), config, progress)

    def match(
        self,
        query: Asked,
        image_id: Asked,
        pipeline: str | Config = "sift/bow:4096/whole",
        box: Box | None = None,
        progress: Progress = silent,
        model: Kind = "homography",
    ) -> Match:
        """Which keypoints of a query and of an image match, and which of them one ``model`` explains.

        The local features are those that the pipeline is made of or verifies with, SIFT where it says none.
        """
        source, words = self._local(pipeline, progress, query, image_id)
        pair = (
            asking.local(source, self.collection, query, box),
            asking.local(source, self.collection, image_id),
        )
        return match(*pair, words, model)

    def nearest_patches(
        self,
        image: Asked,
        keypoint: int,
        pipeline: str | Config = "sift/bow:4096/whole",
        k: int = 12,
        box: Box | None = None,
        progress: Progress = silent,
    ) -> pd.DataFrame:
        """The ``k`` images with a keypoint most like one of a picture: see ``keypoint_search``.

        ``keypoint`` is a row of ``match(image, …).query``; the image that it is from is left out.
        """
        ready, keypoints = self._keypoints(pipeline, progress, image)
        features = asking.features(ready, keypoints, image, box)
        if not 0 <= keypoint < len(features):
            raise WorkbenchError(f"keypoint {keypoint} is not in this picture; it has {len(features)}")
        own = asking.named(ready.collection, image)
        without = own.image if own else None
        return nearest_patches(ready, keypoints, features.descriptors[keypoint], k, without, progress)

    def patches(
        self,
        image: Asked,
        keypoints: Sequence[int],
        pipeline: str | Config = "sift/bow:4096/whole",
        box: Box | None = None,
        progress: Progress = silent,
    ) -> np.ndarray:
        """The patches uint8 [n, 32, 32] around some keypoints of a picture, as a network would see them."""
        source, _ = self._local(pipeline, progress, image)
        features = asking.local(source, self.collection, image, box)
        return patches(asking.picture(self.collection, image, box), features, np.asarray(keypoints, int))

    def compare(self, pipelines: Sequence[str | Config], progress: Progress = silent) -> Comparison:
        """Evaluate pipelines and pair their queries: table, differences, intervals and p-values."""
        return Comparison([self.evaluate(pipeline, progress) for pipeline in pipelines])

    def tradeoff(
        self,
        indexes: Sequence[str] = (),
        pipeline: str | Config = DEFAULT_PIPELINE,
        progress: Progress = silent,
    ) -> Tradeoff:
        """Measure indexes such as ``ivf:64,pq:16`` beside exact search, over a pipeline: ``.table``."""
        searcher = self._searcher(Config.parse(pipeline).description, progress)
        made = Tradeoff(searcher.ready, searcher.vectors)
        for index in indexes:
            made.measure(index, progress)
        return made

    def cooccurrence(self, pipeline: str | Config, progress: Progress = silent) -> Cooccurrence:
        """Which numbers of the descriptor occur together, before its whitening and after it."""
        return cooccurrence(self._ready(pipeline, progress), progress=progress)

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
        return embedding(self._ready(pipeline, progress), progress, known_only)

    def picture(self, query: Asked, box: Box | None = None) -> Image.Image:
        """What the network sees of a query or an image, as RGB: upright, and cropped to its box."""
        return asking.picture(self.collection, query, box)

    def thumbnail(self, image_id: str, side: int = 160, box: Box | None = None) -> bytes:
        """A JPEG of an image of the collection, its longest side ``side`` pixels, cropped to ``box``."""
        folder = self.options.cache / "thumbnails"
        try:
            return thumbnail(self.collection.path(image_id), side, box, folder)
        except WorkbenchError as error:
            raise WorkbenchError(f"image {image_id!r}: {error}") from None

    # -- panels: widgets linked with one another, each of them in a cell of its own or in ``show`` --

    def _located(self, ready: Ready, progress: Progress) -> dict[str, float]:
        """The heat on targets, which indexes and re-ranking leave as it is."""
        with self._lock:
            known = [judged.metrics for of, judged in self._judged.values() if of is ready]
        for metrics in known:
            if "localisation" in metrics:
                return {name: value for name, value in metrics.items() if name.startswith("localisation")}
        return localisation(ready, progress)

    def _ready(self, pipeline: str | Config, progress: Progress, *asked: Asked) -> Ready:
        """The collection described, once it is known that what is asked can be."""
        for each in asked:
            asking.required(self.collection, each)
        return self._describer.describe(Config.parse(pipeline).description, progress)

    def _searcher(self, pipeline: str | Config, progress: Progress, *asked: Asked) -> Searcher:
        """The collection described and searchable."""
        config = Config.parse(pipeline)
        ready = self._ready(config, progress, *asked)
        keypoints = self._describer.keypoints(ready, config.compared, progress) if config.compared else None
        return self._searchers.of(ready, config, progress, keypoints)

    def _keypoints(
        self, pipeline: str | Config, progress: Progress, *asked: Asked
    ) -> tuple[Ready, Keypoints]:
        """The collection described, and the local features that the pipeline has to do with."""
        ready = self._ready(pipeline, progress, *asked)
        return ready, self._describer.keypoints(ready, Config.parse(pipeline).local, progress)

    def _local(
        self, pipeline: str | Config, progress: Progress, *asked: Asked
    ) -> tuple[LocalSource, Words | None]:
        """The local features that the pipeline has to do with, and its words: they need the collection."""
        for each in asked:
            asking.required(self.collection, each)
        config = Config.parse(pipeline)
        words = self._ready(config, progress).words if config.pooling.name == "bow" else None
        return self._describer.local(config.local), words

    def _features(self, searcher: Searcher, query: Asked, box: Box | None) -> list[Features]:
        """The query's local features, where re-ranking compares them."""
        if searcher.keypoints is None:
            return []
        return [asking.features(searcher.ready, searcher.keypoints, query, box)]
