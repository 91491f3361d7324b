"""A described collection judged by its protocol: numbers, and what must be said beside them."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from workbench.described import Keypoints, Ready
from workbench.descriptors.proposals import origin
from workbench.evaluation import protocols
from workbench.explain_words import heatmap, shares
from workbench.local.features import Features, LocalSource
from workbench.localisation import Target, coverage, mean_share, share_inside
from workbench.locating import mean_overlap
from workbench.progress import Progress, silent
from workbench.search import exact
from workbench.search.found import Found, Rankings
from workbench.searching import Searcher

FEW = 3  # vectors a dimension, below which whitening mostly amplifies noise
TIMED = 20  # queries whose search is timed
FIRST = 100  # results of each query that are kept
VERIFIED = 64  # queries whose local features are held at a time


@dataclass(frozen=True)
class Evaluation:
    """A pipeline's numbers on a collection, with what made them. Measures are fractions 0…1.

    ``curves`` holds for each setting of the protocol the mean precision [101] at recalls 0, 0.01 … 1.
    ``costs`` are ``bytes`` an image in memory and ``milliseconds`` a query (see ``costs``). ``rankings``
    holds each query's first 100 results: query, rank (from 1), image_id, score. Where an index counts
    differing bits, ``metrics`` has the mAP with equal distances resolved for the positives
    (``mAP_optimistic``) and against them (``mAP_pessimistic``); mAP itself keeps the database's order.
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
    rankings: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)


def require_ground_truth(collection: Collection) -> Protocol:
    """The collection's protocol. Raises WorkbenchError where nothing is known of what should be found."""
    if collection.protocol is None or not collection.queries:
        raise WorkbenchError(
            f"{collection.name!r} has no ground truth, so there is no mAP: open it with labels='folders' "
            "(--labels folders) where subfolders are labels, or give a labels.csv"
        )
    return collection.protocol


def judge(searcher: Searcher, progress: Progress = silent) -> Evaluation:
    """Rank the database for every query and judge the rankings by the collection's protocol."""
    ready = searcher.ready
    collection = ready.collection
    protocol = require_ground_truth(collection)
    vectors, junk = ready.described.vectors[ready.query_rows()], [*map(searcher.junk_of, collection.queries)]
    rows, truth = ready.query_rows(), ready.truth()
    first: dict[int, Found] = {}

    def note(position: int, found: Found) -> NDArray[np.int64]:
        first[position] = Found(found.rows[:FIRST].copy(), found.scores[:FIRST].copy())
        progress("ranking", position, len(vectors))
        return found.rows

    def ranked(shown: Callable[[int, Found], NDArray[np.int64]]) -> protocols.Scores:
        def search(some: slice) -> list[Found]:
            return searcher.search(
                vectors[some], junk[some], progress, features=_features(searcher, rows[some])
            )

        together = exact.TOGETHER // max(1, searcher.index.size)
        if searcher.keypoints:
            together = min(together, VERIFIED)
        return protocols.evaluate(Rankings(search, len(vectors), together, shown), truth, protocol)

    judged = ranked(note)
    metrics = dict(judged.metrics)
    if searcher.index.ties and not searcher.again:
        for name, favour in (("mAP_optimistic", True), ("mAP_pessimistic", False)):
            metrics[name] = ranked(lambda at, found, f=favour: untied(found, truth[at], f)).mean_ap  # type: ignore[misc]
    spent = costs(searcher)
    return Evaluation(
        str(searcher.config),
        collection.name,
        protocol.name,
        judged.mean_ap,
        metrics,
        judged.per_query.assign(query=[query.id for query in collection.queries]),
        _provenance(searcher, spent),
        [*_warnings(ready), *searcher.notes, *_tied(metrics)],
        judged.curves,
        {name: spent[name] for name in ("bytes", "milliseconds")},
        _first(ready, first),
    )


def untied(found: Found, grades: Mapping[Any, str], favour: bool) -> NDArray[np.int64]:
    """The rows [k] of a ranking with those of equal scores reordered: positives first, or last.

    Every graded image is taken for a positive: what a setting ignores is removed from its ranking anyway.
    """
    graded = np.isin(found.rows, [row for row in grades if row != "self"])
    return found.rows[np.lexsort((graded ^ favour, -found.scores))]


def _tied(metrics: Mapping[str, float]) -> Iterator[str]:
    if "mAP_optimistic" in metrics:
        low, high = (100 * metrics[f"mAP_{name}"] for name in ("pessimistic", "optimistic"))
        yield (
            "equal distances keep the collection's order; with all of them resolved against or for the "
            f"positives the mAP would be {low:.1f} or {high:.1f} %"
        )


def _first(ready: Ready, first: Mapping[int, Found]) -> pd.DataFrame:
    """The first results of every query as a table."""
    images = ready.collection.images
    rows = np.concatenate([np.empty(0, np.int64), *(found.rows for found in first.values())])
    lengths = [len(found.rows) for found in first.values()]
    return pd.DataFrame(
        {
            "query": np.array([ready.collection.queries[at].id for at in first], object).repeat(lengths),
            "rank": np.concatenate(
                [np.empty(0, np.int32), *(np.arange(1, n + 1, dtype=np.int32) for n in lengths)]
            ),
            "image_id": [
                images[row] if row < len(images) else f"synthetic distractor {row - len(images)}"
                for row in rows
            ],
            "score": np.concatenate([np.empty(0, np.float32), *(found.scores for found in first.values())]),
        }
    )


def costs(searcher: Searcher) -> dict[str, float]:
    """What a pipeline costs in use: ``bytes`` an image, and ``milliseconds`` a query, in all and by step.

    Bytes are those of its code or of its vector in single precision. Milliseconds are the time to search,
    rank and re-rank all that the index reaches for one ready descriptor, the median of at most 20 queries,
    as fast as this machine is.
    """
    rows, queries = searcher.ready.query_rows()[:TIMED], searcher.ready.collection.queries
    clocks: list[dict[str, float]] = []
    for row, query in zip(rows, queries, strict=False):
        clock: dict[str, float] = {}
        searcher.search(
            searcher.ready.described.vectors[row : row + 1],
            [searcher.junk_of(query)],
            clock=clock,
            features=_features(searcher, [row]),
        )
        clocks.append(clock)

    def median(seconds: list[float]) -> float:
        return 1000 * statistics.median(seconds) if seconds else float("nan")

    steps = {
        f"milliseconds {step}": median([c[step] for c in clocks]) for step in (clocks[0] if clocks else ())
    }
    for step in searcher.config.reranking_steps:
        if step.name == "sv":
            pairs = min(step.args[0], searcher.index.size)
            steps[f"milliseconds {step}, a pair"] = steps.get(f"milliseconds {step}", float("nan")) / pairs
    return {"bytes": searcher.bytes, "milliseconds": median([sum(c.values()) for c in clocks]), **steps}


def _features(searcher: Searcher, rows: Sequence[int]) -> list[Features]:
    """The local features of rows, where re-ranking compares them."""
    return [searcher.keypoints.of(row) for row in rows] if searcher.keypoints else []


def localisation(ready: Ready, progress: Progress) -> dict[str, float]:
    """Over each query and its positives: the share of the score's positive heat on the target.

    ``localisation`` is of the heat in the image found, ``localisation_query`` of that in the
    query; ``…_even`` is what heat spread evenly over the picture would have there; of pipelines with a map
    also how well boxes fit (``locating``). Empty where the ground truth knows no outlines.
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

    def sides(query_side: bool) -> Iterator[tuple[Target, int, torch.Tensor]]:
        for done, (query, query_row, image) in enumerate(pairs):
            progress("locating", done + query_side * len(pairs), 2 * len(pairs))
            if query_side:
                yield seen(query, query.image, query.box), query_row, vectors[row_of[image]]
            else:
                yield seen(query, image, None), row_of[image], vectors[query_row]

    found, found_even = _mean_share(ready, sides(False))
    asked, asked_even = _mean_share(ready, sides(True))
    return {
        "localisation": found,
        "localisation_even": found_even,
        "localisation_query": asked,
        "localisation_query_even": asked_even,
        **(mean_overlap(ready, progress) if ready.words is None else {}),
    }


def _mean_share(ready: Ready, pairs: Iterator[tuple[Target, int, torch.Tensor]]) -> tuple[float, float]:
    """As ``mean_share``, of the heat of pictures by their rows."""
    if ready.words is None:
        maps_of = lru_cache(maxsize=1)(ready.maps)  # a query's pairs follow one another
        mapped = ((target, maps_of(row), other) for target, row, other in pairs)
        return mean_share(mapped, ready.config, ready.described)
    assert isinstance(ready.source, LocalSource)
    keypoints, found, even = Keypoints(ready.source, ready.keys[0]), [], []
    for target, row, other in pairs:
        values = shares(ready.words.of(row), other, ready.words, ready.config, ready.described)
        heat = heatmap(keypoints.of(row), values)
        cells = coverage(target, *heat.shape)
        found.append(share_inside(heat, cells))
        even.append(float(cells.mean()))
    return float(np.nanmean(found)), float(np.mean(even))


def _provenance(searcher: Searcher, spent: Mapping[str, float]) -> dict[str, Any]:
    ready = searcher.ready
    protocol = require_ground_truth(ready.collection)
    fitted = [w.provenance for w in (*ready.described.regional, *ready.described.final) if w is not None]
    attention, proposed = ready.described.attention, ready.described.proposals
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
        **({} if attention is None else {"attention": attention.origin}),
        **({} if proposed is None else {"proposals": origin(proposed)}),
        **({} if ready.words is None else {"vocabulary": _vocabulary(ready)}),
        **({} if searcher.keypoints is None else {"verified by": searcher.keypoints.source.spec.name}),
        "index": searcher.index.name,
        "shared_bytes": searcher.index.shared_bytes,
        "distractors": ready.source.options.distractors,
        "seconds": round(ready.seconds + sum(searcher.built.values()), 3),
        "timings": {
            **{f"seconds to make {part}": round(seconds, 3) for part, seconds in searcher.built.items()},
            **{name: round(value, 3) for name, value in spent.items() if name.startswith("milliseconds")},
        },
        "versions": {
            "workbench": VERSION,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
            "python": platform.python_version(),
        },
    }


def _vocabulary(ready: Ready) -> dict[str, Any]:
    assert ready.words is not None
    counts = np.diff(ready.words.starts)[: len(ready.collection.images)]
    return {
        "words": len(ready.words.centroids),
        "keypoints an image": round(float(counts.mean()), 1),
        "collection": ready.collection.name,
    }


def _warnings(ready: Ready) -> list[str]:
    said = [*ready.collection.notes]
    if ready.words is not None:
        said.append("the vocabulary was learned on the evaluated collection")
        if len(ready.words.centroids) < ready.words.asked:
            few = len(ready.words.centroids)
            said.append(f"there are {few} words, not {ready.words.asked}: there are no more descriptors")
        if empty := int((np.diff(ready.words.starts)[: len(ready.collection.images)] == 0).sum()):
            said.append(f"{empty} images have no keypoint: they score nought, and rank last")
    if ready.source.spec.random:
        said.append("random weights: this backbone was never trained")
    for whitening in (*ready.described.regional, *ready.described.final):
        if whitening is None:
            continue
        own = whitening.provenance.get("collection", "") == ready.collection.name
        with_truth = " with its ground truth" if whitening.kind == "lw" else ""
        where = (
            "the evaluated collection"
            if own
            else f"another collection, {whitening.provenance['collection']!r}"
        )
        said.append(f"{whitening.kind} was fitted on {where}{with_truth}")
        asked, kept = whitening.provenance["asked"], whitening.provenance["kept"]
        if whitening.kind == "pcaw" and kept * FEW > whitening.provenance["vectors"]:
            few = whitening.provenance["vectors"]
            said.append(
                f"{whitening.kind} was fitted on {few} vectors for {kept} dimensions: it amplifies noise"
            )
        if kept < asked:
            said.append(f"{whitening.kind} keeps {kept} of {asked} dimensions: the vectors have no more")
    if without := ready.described.without:
        said.append(f"in {without} images nothing was proposed: the whole map stands for them")
    attention = ready.described.attention
    if attention is not None and attention.origin.get("collection") == ready.collection.name:
        said.append("attention was trained on a collection of this name")
    if ready.collection.problems:
        said.append(f"{len(ready.collection.problems)} images could not be read and are left out")
    return said
