"""Benches opened for tests, and reference computations on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import workbench
from workbench.bench.bench import Bench
from workbench.collections.collection import Collection
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.engine.description import DescribedCollection
from workbench.engine.description_cache import DescriptionCache
from workbench.engine.evaluate import Evaluation


def opened(
    folder: Path, cache: Path, labels: str = "folders", size: int = 128, seed: int = 0, maps: str = "all"
) -> Bench:
    """Open a folder with options that give the same numbers on every machine."""
    return workbench.open(
        folder, labels, cache=cache, size=size, device="cpu", precision="float32", seed=seed, maps=maps
    )


def mean_ap_of(evaluation: Evaluation, collection: Collection) -> float:
    """The mAP computed from the rankings of an evaluation, which must be complete.

    The image of the query is excluded; the AP is the mean of the precisions at its positives, and a positive
    that was not retrieved has a precision of zero (Philbin et al., CVPR 2007, as a sum). Results with equal
    scores count with their expectation over all orders (McSherry and Najork, ECIR 2008).
    """
    precisions = []
    for query in collection.queries:
        rankings = evaluation.rankings[evaluation.rankings["query"] == query.id].sort_values("rank")
        rankings = rankings[rankings["image_id"] != query.image]
        positives = {i for i, grade in collection.relevance[query.id].items() if grade == "positive"}
        before = retrieved = total = 0.0
        for _, tied in rankings.groupby("score", sort=False):
            size, hits = len(tied), tied["image_id"].isin(positives).sum()
            for i in range(size):
                others = (
                    i * (hits - 1) / max(size - 1, 1)
                )  # positives of the group expected before this result
                total += hits / size * (retrieved + others + 1) / (before + i + 1)
            before, retrieved = before + size, retrieved + hits
        precisions.append(total / len(positives))
    return float(np.mean(precisions))


def live_widgets() -> int:
    """The number of open widgets in this process."""
    from ipywidgets.widgets.widget import _instances  # no public name exists

    return len(_instances)


def described(bench: Bench, pipeline: str) -> DescribedCollection:
    """Describe the collection of a bench by a pipeline, without the bench's cache of descriptions."""
    return DescriptionCache(bench.collection, bench.options).describe(
        Config.parse(pipeline).description, silent
    )
