"""``bench.studies``: studies of one image, of two, of a pipeline or of the whole collection.

All are in one file, so that they are found together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from workbench.analysis.ap_factors import ApFactors, ap_factors
from workbench.analysis.budget import JPEGS, Budget, budget, default_codes
from workbench.analysis.combinations import Value
from workbench.analysis.compare_rerankers import compare_rerankers, default_methods
from workbench.analysis.concepts import ConceptShares, cluster_concepts, concept_shares
from workbench.analysis.confusion import PICTURED, Confusion, confusion, confusion_by_regions
from workbench.analysis.cooccurrence import Cooccurrence, cooccurrence
from workbench.analysis.duplicates import BITS, duplicates
from workbench.analysis.embedding_comparison import EmbeddingComparison, compare_embeddings
from workbench.analysis.embedding_map import EmbeddingMap, embedding_map
from workbench.analysis.map_method import MIN_DISTANCE, NEIGHBOURS, PERPLEXITY, MapMethod
from workbench.analysis.reranking import Reranking
from workbench.analysis.score_distributions import ScoreDistributions, score_distributions
from workbench.analysis.sweep import Sweep, sweep
from workbench.analysis.tags import tags
from workbench.collections.collection import require_ground_truth
from workbench.collections.named_picture import NamedPicture
from workbench.common.arguments import result_count
from workbench.common.geometry import Box
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.steps import Step
from workbench.descriptors.proposals import load_proposal_model
from workbench.engine.description import require_maps
from workbench.engine.engine import Engine
from workbench.engine.evaluate import Evaluation
from workbench.engine.provenance import warnings
from workbench.engine.queries import QueryLike, named_picture, query_input, query_maps, query_vector
from workbench.engine.text_evaluation import TextEvaluation, evaluate_texts
from workbench.explain.activations import Activations, activations, at_layer, layer_source
from workbench.explain.channels import Contributions, contributions
from workbench.explain.components import Basis, Components, components


class StudyAccessor:
    """Studies of a pipeline: of one image, of two, or of the whole collection."""

    def __init__(self, engine: Engine, evaluate: Callable[..., Evaluation]) -> None:
        self._engine, self._evaluate = engine, evaluate

    def activations(
        self,
        image: QueryLike,
        *,
        pipeline: str | Config | None = None,
        box: Box | None = None,
        progress: Progress = notebook_progress,
        layer: str | None = None,
        regions: str | None = None,
    ) -> Activations:
        """The activations of the pipeline's layer, or of another ``layer`` of its backbone, in any image.

        ``regions`` lays a grid other than the pipeline's own, for example ``proposals:20`` beside ``rmac:3``.
        """
        config = self._engine.config(pipeline)
        collection = self._engine.collection
        if layer is not None:
            config = at_layer(config, layer)
            source = layer_source(config.backbone, self._engine.options)
            result = activations(source.maps_of(query_input(collection, image, box))[0], config)
        else:
            described = self._engine.describe(config, progress, image)
            maps, descriptors = query_maps(described, image, box)[0], described.descriptors
            proposals = descriptors.proposals
            if regions is not None:
                config = replace(config, regions=Step.parse("regions", regions))
                proposals = load_proposal_model(config, require_maps(described.source))
            result = activations(maps, config, descriptors.attention, proposals)
        picture = named_picture(collection, image, box)
        return replace(result, picture=picture, collection=collection.name, pipeline=str(config))

    def contributions(
        self,
        image: QueryLike,
        other: QueryLike,
        *,
        pipeline: str | Config | None = None,
        box: Box | None = None,
        progress: Progress = notebook_progress,
        other_box: Box | None = None,
    ) -> Contributions:
        """The score of two images, split over the channels, cells and regions of the first."""
        described = self._engine.describe_vectors(self._engine.config(pipeline), progress, image, other)
        vector = query_vector(described, other, other_box)[0]
        maps = query_maps(described, image, box)
        return contributions(maps, vector, described.config, described.descriptors)

    def components(
        self,
        image: QueryLike,
        other: QueryLike,
        *,
        pipeline: str | Config | None = None,
        box: Box | None = None,
        progress: Progress = notebook_progress,
        other_box: Box | None = None,
        layer: str | None = None,
        basis: Basis | None = None,
    ) -> Components:
        """The cells of two images in the principal components of both maps: like parts get like colours.

        ``layer`` is another layer of the pipeline's backbone. ``basis``, of an earlier result, keeps its
        components and colours for other images; its layer must be the same.
        """
        first, second = (
            self.activations(name, pipeline=pipeline, box=crop, progress=progress, layer=layer)
            for name, crop in ((image, box), (other, other_box))
        )
        assert first.picture is not None and second.picture is not None
        return replace(
            components(first.maps, second.maps, basis),
            pictures=(first.picture, second.picture),
            collection=first.collection,
            pipeline=first.pipeline,
        )

    def cooccurrence(
        self, pipeline: str | Config | None = None, *, progress: Progress = notebook_progress
    ) -> Cooccurrence:
        """Correlations of the descriptor's dimensions, before and after whitening."""
        described = self._engine.describe_vectors(self._engine.config(pipeline), progress)
        return cooccurrence(described, progress=progress)

    def confusion(
        self,
        pipeline: str | Config | None = None,
        *,
        k: int = 1,
        regions: bool = False,
        progress: Progress = notebook_progress,
    ) -> Confusion:
        """The label of each image against the most frequent label of its ``k`` nearest other images.

        ``regions``: against the label that ONE predicts by the pipeline's regions, in place of the nearest
        images. Without labels, the label of an image is the query that it answers. See ``Confusion``.
        """
        config = self._engine.config(pipeline)
        collection = self._engine.collection
        if regions:
            sets = self._engine.region_sets(config, progress)
            described, result = sets.described, confusion_by_regions(sets, progress)
        else:
            described = self._engine.describe_vectors(config, progress)
            result = confusion(described, k, progress)
        shown = [image for row in result.errors()["examples"][:PICTURED] for image in row]
        return replace(
            result,
            warnings=tuple(warnings(described)),
            pictures={image: NamedPicture(image, collection.path(image)) for image in shown},
        )

    def duplicates(
        self,
        pipeline: str | Config | None = None,
        *,
        bits: int = BITS,
        progress: Progress = notebook_progress,
    ) -> pd.DataFrame:
        """Groups of images that are near-duplicates: resized, re-encoded, mirrored, marked or slightly cut.

        Perceptual hashes that differ in at most ``bits`` of 64 propose pairs; the pipeline's descriptors and
        local features confirm them. Frames of videos are compared with images and with other videos. Returns
        a DataFrame: group (from 1), image_id, best (the copy with the most pixels, then the largest file),
        width, height, bytes (of the file), and the differing bits, cosine, inliers (missing where they were
        not needed) and mirrored, against the best copy. Nothing is deleted. Raises WorkbenchError for a
        wrong number of ``bits``.
        """
        return duplicates(self._engine, self._engine.config(pipeline), bits, progress)

    def embedding(
        self,
        pipeline: str | Config | None = None,
        *,
        method: str = "umap",
        dimensions: int = 2,
        neighbours: int = NEIGHBOURS,
        min_distance: float = MIN_DISTANCE,
        perplexity: float = PERPLEXITY,
        progress: Progress = notebook_progress,
        known_only: bool = False,
    ) -> EmbeddingMap:
        """The database as a map: a table of image_id, x, y (z in 3-D) and cluster, drawn by its ``figure()``.

        ``method`` is "umap" (with ``neighbours`` of each image and ``min_distance``), "pca" or "tsne" (with
        ``perplexity``), in 2 or 3 ``dimensions``. ``known_only``: return an empty table instead of computing
        a map that is not in the cache. Raises WorkbenchError for another method or invalid parameters.
        """
        chosen = MapMethod(method, dimensions, neighbours, min_distance, perplexity)
        described = self._engine.describe_vectors(self._engine.config(pipeline), progress)
        return embedding_map(described, progress, known_only, chosen)

    def concepts(
        self, images: Sequence[str], *, k: int | None = 5, progress: Progress = notebook_progress
    ) -> ConceptShares:
        """The ``k`` concepts that tell images from the rest of the collection, by the embedded classifier.

        The table has concept, share (the mean probability of its classes in these images, 0…1), elsewhere (in
        the others) and bits, by which it is sorted: see ``ConceptShares``. Fewer than ``k`` rows: no others
        are twice as frequent there. Raises WorkbenchError if an image is not of the collection, or if
        there are none, or no others.
        """
        return concept_shares(self._engine, images, result_count(k), progress)

    def cluster_concepts(
        self, map: pd.DataFrame, *, k: int | None = 3, progress: Progress = notebook_progress
    ) -> ConceptShares:
        """``concepts`` of each cluster of an embedding map, or of any table of image_id and cluster.

        The table has a column ``cluster`` before the others. A cluster without concepts has no row.
        """
        return cluster_concepts(self._engine, map, result_count(k), progress)

    def compare_embeddings(
        self,
        a: str | Config,
        b: str | Config,
        *,
        k: int = 10,
        method: str = "umap",
        dimensions: int = 2,
        neighbours: int = NEIGHBOURS,
        min_distance: float = MIN_DISTANCE,
        perplexity: float = PERPLEXITY,
        progress: Progress = notebook_progress,
    ) -> EmbeddingComparison:
        """The maps of two pipelines, and the share of each image's ``k`` nearest neighbours in both.

        The neighbours are those by descriptor, not those on the maps. The other arguments are those of
        ``embedding``.
        """
        chosen = MapMethod(method, dimensions, neighbours, min_distance, perplexity)
        configs = self._engine.config(a), self._engine.config(b)
        first, second = (self._engine.describe_vectors(config, progress) for config in configs)
        return compare_embeddings(first, second, k, chosen, progress)

    def sweep(
        self, template: str, /, *, progress: Progress = notebook_progress, **values: Iterable[Value]
    ) -> Sweep:
        """Evaluate every pipeline of a template, such as ``sweep("vgg16/gem:{p}/{regions}", p=[1, 3], …)``.

        Each field ``{name}`` has its list of values; a step with an empty value ("" or None) is left out.
        Combinations without meaning, and those that cannot be evaluated, are in ``left_out`` with the reason.
        If ``progress`` cancels it, a repeated call goes on after the finished pipelines. Raises
        WorkbenchError if fields and values do not fit together, or no combination is valid.
        """
        require_ground_truth(self._engine.collection)

        def evaluate(pipeline: str, report: Progress) -> Evaluation:
            return self._evaluate(pipeline, progress=report, localise=False)

        return sweep(template, values, evaluate, progress)

    def scores(
        self, pipeline: str | Config | None = None, *, progress: Progress = notebook_progress
    ) -> ScoreDistributions:
        """The scores of positives, negatives and ignored images, over the whole rankings of all queries.

        Raises WorkbenchError if the collection has no ground truth.
        """
        require_ground_truth(self._engine.collection)
        return score_distributions(self._engine.searcher(self._engine.config(pipeline), progress), progress)

    def ap_factors(
        self, pipeline: str | Config | None = None, *, progress: Progress = notebook_progress
    ) -> ApFactors:
        """The precision that each positive contributes to AP, beside what the ground truth knows of it.

        Raises WorkbenchError if the collection has no ground truth.
        """
        require_ground_truth(self._engine.collection)
        return ap_factors(self._engine.searcher(self._engine.config(pipeline), progress), progress)

    def budget(
        self,
        pipeline: str | Config | None = None,
        *,
        codes: Sequence[str] | None = None,
        jpegs: Sequence[tuple[int, int]] = JPEGS,
        progress: Progress = notebook_progress,
    ) -> Budget:
        """What a query from a phone costs: bytes sent and held, time and mAP of each way of querying.

        ``jpegs`` are the longest side in pixels and the quality of pictures that are sent; ``codes`` those
        that are sent, or held by the phone for the whole collection (default: 8 to 64 bytes). The pipeline's
        own index and re-ranking are left out. Raises WorkbenchError without ground truth, and for a step that
        is no code.
        """
        config = self._engine.config(pipeline).description
        if codes is None:
            codes = default_codes(self._engine.describe_vectors(config, progress).vectors.shape[1])
        return budget(self._engine, config, codes, jpegs, progress)

    def reranking(
        self,
        pipeline: str | Config | None = None,
        *,
        methods: Sequence[str] | None = None,
        first: int = 20,
        queries: int | None = 60,
        pairs: int = 200,
        progress: Progress = notebook_progress,
    ) -> Reranking:
        """Compare re-rankers on the same first results: mAP, time, inliers, and which pairs they verify.

        ``methods`` are re-ranking steps, such as ``kreciprocal:20:6:0.3``, ``sv:20``, ``sv-affine-single:20``
        or ``sv:20/aqe:5``; by default all kinds that are valid, verifying the ``first`` results. The
        pipeline's own re-ranking is left out. Of the queries, ``queries`` are drawn (None: all), and of their
        positives ``pairs``, by the seed; these are measured and verified too, to tell where each model fails
        (see ``Reranking``). Raises WorkbenchError without ground truth.
        """
        config = self._engine.config(pipeline)
        steps = (*config.description.steps, *config.index_steps)
        config = replace(config, steps=steps)
        chosen = default_methods(config, first) if methods is None else methods
        return compare_rerankers(self._engine, config, chosen, first, queries, pairs, progress)

    def tags(
        self,
        images: QueryLike | Sequence[QueryLike],
        *,
        box: Box | None = None,
        k: int | None = 10,
        progress: Progress = notebook_progress,
    ) -> pd.DataFrame:
        """The words for an image: the concepts it shows, and their hypernyms, with their probabilities.

        Of several images, such as those of a cluster, the mean probabilities count. A DataFrame of the first
        ``k`` tags (None: all): tag, score (0…1), kind (``concept`` or ``parent``) and classes, the number of
        concepts that it stands for.
        """
        return tags(self._engine, images, box, k, progress)

    def text_queries(
        self,
        file: Path | str | pd.DataFrame,
        pipeline: str | Config | None = None,
        *,
        progress: Progress = notebook_progress,
    ) -> TextEvaluation:
        """Evaluate search by text on a CSV or DataFrame with the columns ``text,label`` or ``text,path``.

        The images of the label, or those at the paths of all rows of a text, are relevant. See
        ``TextEvaluation``: ``.per_query`` has the AP and the recall among the first ten of each text. The
        ``pipeline`` counts only if its backbone is a vision–language model. Raises WorkbenchError with the
        line of a bad row.
        """
        return evaluate_texts(self._engine, self._engine.config(pipeline), file, progress)
