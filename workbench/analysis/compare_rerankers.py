"""Run re-rankers on the same first results of a pipeline, and verify pairs of the ground truth by each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from workbench.analysis.query_sample import QuerySample
from workbench.analysis.reranking import NONE, Method, Reranking
from workbench.analysis.verifiers import Verifier, measured_pairs, verified_method, verify_results
from workbench.collections.collection import require_ground_truth
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.engine import Engine
from workbench.engine.graded_queries import GradedQueries
from workbench.engine.keypoints import Keypoints
from workbench.engine.searcher import ROUNDING, Searcher
from workbench.evaluation.positives import rank_positives
from workbench.evaluation.scores import mean_scores
from workbench.features.device import single_threaded_operations
from workbench.local.matchers import matcher
from workbench.local.verification import rank_by_inliers
from workbench.search.ranking import Ranking

_OTHERS = ("aqe:5", "alphaqe:10:3", "diffusion:50", "kreciprocal:20:6:0.3", "he:24")
_GEOMETRIES = (
    *("sv", "sv-homography-default", "sv-homography-fast", "sv-homography-accurate", "sv-affine"),
    *("sv-affine-single", "sv-similarity", "sv-upright3", "sv-upright4", "sv-upright5", "sv-fundamental"),
)


def default_methods(config: Config, first: int) -> tuple[str, ...]:
    """The methods that are compared where none are named: all that are valid behind the pipeline."""
    methods = (*_OTHERS, *(f"{name}:{first}" for name in _GEOMETRIES))
    return tuple(method for method in methods if not isinstance(_behind(config, method), WorkbenchError))


def compare_rerankers(
    engine: Engine,
    config: Config,
    methods: Sequence[str],
    first: int,
    queries: int | None,
    pairs: int,
    progress: Progress = silent,
) -> Reranking:
    """Re-rank the first results of ``queries`` by each method, and verify ``pairs`` of the ground truth.

    Both are drawn by the seed of the options. Raises WorkbenchError without ground truth or positives.
    """
    collection = engine.collection
    protocol = require_ground_truth(collection)
    searcher = engine.searcher(config, progress)
    sample = QuerySample.of(searcher, queries, engine.options.seed)
    if not any(len(rows) for rows in sample.positives):
        raise WorkbenchError(f"{collection.name!r} has no query with a positive, which re-ranking needs")
    names = [collection.queries[number].id for number in sample.numbers]
    truth = GradedQueries(collection, searcher.described.image_rows(), protocol)

    def aps(rankings: Sequence[Ranking]) -> np.ndarray:
        ranked = (
            rank_positives(ranking.rows, truth[number], protocol, name, ranking.scores)
            for ranking, number, name in zip(rankings, sample.numbers, names, strict=True)
        )
        return np.asarray(mean_scores(ranked, names, protocol).per_query["ap"], np.float64)

    # Pairs are measured by keypoints; cells have no exact place.
    measuring = Config.parse(f"{config}/sv:1") if config.has_cells else config
    own, network = _keypoints(engine, measuring, progress), matcher(measuring.local, measuring.matcher)
    before = searcher.search(sample.vectors, progress=progress, features=searcher.features(sample.rows))
    measured = {NONE: Method(NONE, aps(before), 0.0)}
    verifiers, left_out = defaultdict[str, list[Verifier]](list), dict[str, str]()
    for method in dict.fromkeys(methods):
        whole = _behind(config, method)
        try:
            if isinstance(whole, WorkbenchError):
                raise whole
            step = whole.verification
            if step is not None and whole.reranking_steps == (step,):
                keypoints, matching = _keypoints(engine, whole, progress), matcher(whole.local, whole.matcher)
                verifier = Verifier(method, step.geometry, int(step.args[0]), keypoints, matching)
                verifiers[f"{whole.local}+{whole.matcher}"].append(verifier)
                measured[method] = Method(method, np.zeros(0), 0.0)  # in its place
                continue
            rankings, milliseconds = _rerank(engine.searcher(whole, progress), sample, progress)
        except WorkbenchError as error:
            left_out[method] = str(error)
            continue
        measured[method] = Method(method, aps(rankings), milliseconds)
    with single_threaded_operations():
        torch.set_num_threads(1)
        for group in verifiers.values():
            for verifier, counts in zip(group, verify_results(group, sample, before, progress), strict=True):
                rankings = [rank_by_inliers(*pair) for pair in zip(before, counts.inliers, strict=True)]
                rankings = searcher.duplicates.equalise(rankings, searcher.index.size, ROUNDING)
                measured[verifier.method] = verified_method(verifier, counts, aps(rankings), sample, before)
        table = measured_pairs(
            collection, own, network, sample, verifiers, pairs, engine.options.seed, progress
        )
    return Reranking(
        collection.name, str(config), first, tuple(names), tuple(measured.values()), table, left_out
    )


def _keypoints(engine: Engine, config: Config, progress: Progress) -> Keypoints:
    """The keypoints that a pipeline verifies by."""
    keypoints = engine.keypoints(config, progress)[1]
    return keypoints.verifying or keypoints


def _behind(config: Config, method: str) -> Config | WorkbenchError:
    """The pipeline with the method behind it, or why it is not valid."""
    try:
        whole = Config.parse(f"{config}/{method}")
    except WorkbenchError as error:
        return error
    if whole.description != config.description or whole.index_steps != config.index_steps:
        return WorkbenchError(f"{method} does not re-rank; valid: steps such as aqe:5 or sv:20")
    if any(step.name == "dba" for step in whole.reranking_steps):
        return WorkbenchError(f"{method} changes the database, and with it the first results")
    return whole


def _rerank(searcher: Searcher, sample: QuerySample, progress: Progress) -> tuple[list[Ranking], float]:
    """The rankings by a pipeline's own re-ranking, and the milliseconds of it for a query."""
    queries = searcher.described.collection.queries
    timings: dict[str, float] = {}
    rankings = searcher.search(
        sample.vectors,
        [searcher.junk_of(queries[number]) for number in sample.numbers],
        progress,
        timings,
        searcher.features(sample.rows),
    )
    seconds = sum(value for name, value in timings.items() if name != "search")
    return rankings, 1000 * seconds / len(rankings)
