"""A described collection judged by its protocol: numbers, and what must be said beside them."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
import torchvision
from numpy.typing import NDArray

from workbench.collections import images
from workbench.collections.collection import Box, Collection, Protocol, Query
from workbench.config import VERSION, WorkbenchError
from workbench.described import Ready
from workbench.evaluation import protocols
from workbench.localisation import Target, mean_share
from workbench.progress import Progress
from workbench.search import exact

FEW = 3  # vectors a dimension, below which whitening mostly amplifies noise
TIMED = 20  # queries whose search is timed


@dataclass(frozen=True)
class Evaluation:
    """A pipeline's numbers on a collection, with what made them. Measures are fractions 0…1.

    ``curves`` holds for each setting of the protocol the mean precision [101] at recalls 0, 0.01 … 1.
    ``costs`` are ``bytes`` an image in memory and ``milliseconds`` a query (see ``costs``).
    """

    pipeline: str
    collection: str
    protocol: str
    mean_ap: float
    metrics: dict[str, float]
    per_query: pd.DataFrame = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    warnings: list[str]
    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)
    costs: dict[str, float] = field(default_factory=dict, repr=False)


def require_ground_truth(collection: Collection) -> Protocol:
    """The collection's protocol. Raises WorkbenchError where nothing is known of what should be found."""
    if collection.protocol is None or not collection.queries:
        raise WorkbenchError(
            f"{collection.name!r} has no ground truth, so there is no mAP: open it with labels='folders' "
            "(--labels folders) where subfolders are labels, or give a labels.csv"
        )
    return collection.protocol


def judge(ready: Ready) -> Evaluation:
    """Rank the database for every query and judge the rankings by the collection's protocol."""
    collection = ready.collection
    protocol = require_ground_truth(collection)
    row_of = ready.image_rows()
    rankings = exact.Rankings(ready.described.vectors[ready.query_rows()], ready.database)
    truth = []
    for query in collection.queries:
        grades: dict[Any, Any] = {row_of[i]: grade for i, grade in collection.relevance[query.id].items()}
        if query.image in row_of:
            grades["self"] = row_of[query.image]
        truth.append(grades)
    judged = protocols.evaluate(rankings, truth, protocol)
    metrics = dict(judged.metrics)
    return Evaluation(
        str(ready.config),
        collection.name,
        protocol.name,
        judged.mean_ap,
        metrics,
        judged.per_query.assign(query=[query.id for query in collection.queries]),
        _provenance(ready),
        _warnings(ready),
        judged.curves,
        costs(ready),
    )


def costs(ready: Ready) -> dict[str, float]:
    """What a pipeline costs in use: ``bytes`` an image, and ``milliseconds`` a query.

    Bytes are those of its vector in single precision. Milliseconds are the time to score and rank the
    whole database for one ready descriptor, the median of at most 20 queries, as fast as this machine is.
    """
    times = []
    for row in ready.query_rows()[:TIMED]:
        started = time.perf_counter()
        exact.rank(exact.scores(ready.described.vectors[row : row + 1], ready.database))
        times.append(time.perf_counter() - started)
    return {
        "bytes": 4.0 * ready.described.vectors.shape[1],
        "milliseconds": 1000 * statistics.median(times) if times else float("nan"),
    }


def localisation(ready: Ready, progress: Progress) -> dict[str, float]:
    """Over each query and its positives: the share of the score's positive heat on the target.

    ``localisation`` is of the heat in the image found, ``localisation_query`` of that in the
    query; ``…_even`` is what heat spread evenly over the picture would have there. Empty where
    the ground truth knows no outlines.
    """
    if not ready.collection.quadrilaterals:
        return {}
    collection, vectors = ready.collection, ready.described.vectors
    row_of = ready.image_rows()
    pairs = [
        (query, query_row, image)
        for query, query_row in zip(collection.queries, ready.query_rows(), strict=True)
        for image, grade in collection.relevance[query.id].items()
        if grade != "junk" and (query.id, image) in collection.quadrilaterals
    ]

    def seen(query: Query, image: str, box: Box | None) -> Target:
        header = images.header(collection.path(image))
        return Target(collection.quadrilaterals[query.id, image], box or (0, 0, header.width, header.height))

    maps_of = lru_cache(maxsize=1)(ready.maps)  # a query's pairs follow one another

    def sides(query_side: bool) -> Iterator[tuple[Target, list[torch.Tensor], torch.Tensor]]:
        for done, (query, query_row, image) in enumerate(pairs):
            progress("locating", done + query_side * len(pairs), 2 * len(pairs))
            if query_side:
                yield seen(query, query.image, query.box), maps_of(query_row), vectors[row_of[image]]
            else:
                yield seen(query, image, None), maps_of(row_of[image]), vectors[query_row]

    found, found_even = mean_share(sides(False), ready.config, ready.described)
    asked, asked_even = mean_share(sides(True), ready.config, ready.described)
    return {
        "localisation": found,
        "localisation_even": found_even,
        "localisation_query": asked,
        "localisation_query_even": asked_even,
    }


def _provenance(ready: Ready) -> dict[str, Any]:
    protocol = require_ground_truth(ready.collection)
    fitted = [w.provenance for w in (*ready.described.regional, *ready.described.final) if w is not None]
    return {
        "collection": ready.collection.name,
        "protocol": protocol.name,
        "ap_variant": protocol.variant,
        "protocol_note": protocol.note,
        "images": len(ready.collection.images),
        "queries": len(ready.collection.queries),
        "unreadable": len(ready.collection.problems),
        "size": ready.source.options.size,
        "precision": ready.source.precision,
        "device": ready.source.device,
        "weights": ready.source.fingerprint,
        "seed": ready.source.options.seed,
        "dimensions": ready.described.vectors.shape[1],
        "whitening": fitted,
        "seconds": round(ready.seconds, 3),
        "versions": {
            "workbench": VERSION,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
            "python": platform.python_version(),
        },
    }


def _warnings(ready: Ready) -> list[str]:
    said = [*ready.collection.notes]
    if ready.source.spec.random:
        said.append("random weights: this backbone was never trained")
    for whitening in (*ready.described.regional, *ready.described.final):
        if whitening is None:
            continue
        with_truth = " with its ground truth" if whitening.kind == "lw" else ""
        said.append(f"{whitening.kind} was fitted on the evaluated collection{with_truth}")
        asked, kept = whitening.provenance["asked"], whitening.provenance["kept"]
        if whitening.kind == "pcaw" and kept * FEW > whitening.provenance["vectors"]:
            few = whitening.provenance["vectors"]
            said.append(
                f"{whitening.kind} was fitted on {few} vectors for {kept} dimensions: it amplifies noise"
            )
        if kept < asked:
            said.append(f"{whitening.kind} keeps {kept} of {asked} dimensions: the vectors have no more")
    if ready.collection.problems:
        said.append(f"{len(ready.collection.problems)} images could not be read and are left out")
    return said
