"""The share of the heat of a score that is on the target, by the outlines in the ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch

from workbench.collections import images
from workbench.collections.collection import Query
from workbench.common.geometry import Box, bounding_box, box_overlaps, outline_overlap
from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.descriptors.description import Descriptors
from workbench.engine.description import DescribedCollection
from workbench.engine.keypoints import Keypoints
from workbench.engine.locate import locate
from workbench.explain.asmk import asmk_heat
from workbench.explain.bag_of_words import heatmap, keypoint_contributions
from workbench.explain.score import heatmaps
from workbench.features.device import map_in_order, single_threaded_operations
from workbench.features.map_source import MapSource

draw = lazy_module("skimage.draw")

Corners = tuple[tuple[float, float], ...]
_STEPS_PER_CELL = 8  # resolution at which an outline is drawn
_BATCH_SIZE = 8  # images explained at once


class Target(NamedTuple):
    """A polygon's corners in the pixels of an image, and the visible part of the image (x0, y0, x1, y1)."""

    corners: Corners
    seen: Box


Pair = tuple[Target, Sequence[torch.Tensor], torch.Tensor]


@lru_cache(maxsize=8192)
def coverage(target: Target, height: int, width: int) -> np.ndarray:
    """The share of each cell of a map [height, width] that lies on the target."""
    x0, y0, x1, y1 = target.seen
    steps = _STEPS_PER_CELL
    x_scale, y_scale = width * steps / (x1 - x0), height * steps / (y1 - y0)
    points = [((y - y0) * y_scale - 0.5, (x - x0) * x_scale - 0.5) for x, y in target.corners]
    mask = draw.polygon2mask((height * steps, width * steps), points)
    return np.asarray(mask, float).reshape(height, steps, width, steps).mean((1, 3))


def share_inside(heat: np.ndarray, inside: np.ndarray) -> float:
    """The share of the positive heat [H, W] on the target; nan without positive heat."""
    positive = heat.clip(min=0)
    total = float(positive.sum())
    return float((positive * inside).sum()) / total if total > 0 else float("nan")


def mean_share(
    pairs: Iterable[Pair],
    config: Config,
    descriptors: Descriptors,
    report: Callable[[int], None] = lambda count: None,
) -> tuple[float, float]:
    """The mean share of positive heat on the target, and the mean share that evenly spread heat would have.

    ``pairs`` are a target, the maps [1, C, H, W] of the image that shows it, one for each scale, and the
    other image's descriptor [D]. Images of one shape are explained together, on all cores. ``report`` is
    called with the number of pairs that are measured.
    """

    def shares_of(*batch: Pair) -> list[tuple[float, float]]:
        torch.set_num_threads(1)
        maps = [torch.cat(scale) for scale in zip(*(maps for _, maps, _ in batch), strict=True)]
        heat = heatmaps(maps, torch.stack([other for _, _, other in batch]), config, descriptors).numpy()
        covered = [coverage(target, *heat.shape[1:]) for target, _, _ in batch]
        return [(share_inside(h, cells), float(cells.mean())) for h, cells in zip(heat, covered, strict=True)]

    with single_threaded_operations() as threads, ThreadPoolExecutor(threads) as pool:
        measured: list[tuple[float, float]] = []
        for batch in map_in_order(pool, shares_of, _batches(pairs), threads):
            measured += batch
            report(len(measured))
        on_target, even = zip(*measured, strict=True)
    return float(np.nanmean(on_target)), float(np.mean(even))


def _batches(pairs: Iterable[Pair]) -> Iterator[tuple[Pair, ...]]:
    """Batches of pairs whose maps have the same shapes."""
    waiting: dict[tuple[torch.Size, ...], list[Pair]] = {}
    for pair in pairs:
        batch = waiting.setdefault(tuple(maps.shape for maps in pair[1]), [])
        batch.append(pair)
        if len(batch) == _BATCH_SIZE:
            yield tuple(batch)
            batch.clear()
    yield from map(tuple, filter(None, waiting.values()))


def localisation(described: DescribedCollection, progress: Progress) -> dict[str, float]:
    """The mean share of the score's positive heat on the target, over each query and its positives.

    ``localisation`` is of the heat in the result image, ``localisation_query`` of the heat in the query;
    ``…_even`` is the share that evenly spread heat would have. For pipelines with a map also the overlap of
    the located boxes (see ``mean_overlap``). Empty if the ground truth has no outlines.
    """
    if not described.collection.quadrilaterals:
        return {}
    collection = described.collection
    row_of = described.image_rows()
    pairs = [
        (query, query_row, image)
        for query, query_row in zip(collection.queries, described.query_rows(), strict=True)
        for image, grade in collection.relevance[query.id].items()
        if grade != "junk" and (query.id, image) in collection.quadrilaterals
    ]

    def target(query: Query, image: str, box: Box | None) -> Target:
        header = images.header(collection.path(image))
        return Target(collection.quadrilaterals[query.id, image], box or (0, 0, header.width, header.height))

    def side(of_query: bool) -> Iterator[tuple[Target, int, int]]:
        for query, query_row, image in pairs:
            if of_query:
                yield target(query, query.image, query.box), query_row, row_of[image]
            else:
                yield target(query, image, None), row_of[image], query_row

    def report(of_query: bool, count: int) -> None:
        progress("measuring heat on the target", count + of_query * len(pairs), 2 * len(pairs))

    (image_share, image_even), (query_share, query_even) = (
        _mean_share_of_rows(described, side(of_query), of_query, partial(report, of_query))
        for of_query in (False, True)
    )
    return {
        "localisation": image_share,
        "localisation_even": image_even,
        "localisation_query": query_share,
        "localisation_query_even": query_even,
        **(mean_overlap(described, progress) if described.words is None else {}),
    }


def _mean_share_of_rows(
    described: DescribedCollection,
    pairs: Iterator[tuple[Target, int, int]],
    of_query: bool,
    report: Callable[[int], None],
) -> tuple[float, float]:
    """As ``mean_share``, for the rows of pictures and of the others that they are compared with.

    ``of_query``: the first row is that of the query.
    """
    vectors = described.descriptors.vectors
    if described.words is None:
        maps_of = lru_cache(maxsize=1)(described.maps)  # the pairs of a query follow each other
        map_pairs = ((target, maps_of(row), vectors[other]) for target, row, other in pairs)
        return mean_share(map_pairs, described.config, described.descriptors, report)
    features = described.cells or described.source
    assert not isinstance(features, MapSource)
    keypoints = Keypoints(features, described.keys[0])
    heat_of = (
        _word_heat(described, keypoints) if described.config.has_vectors else asmk_heat(described, keypoints)
    )
    on_target, even = [], []
    for target, row, other in pairs:
        heat = heat_of(row, other, of_query)
        cells = coverage(target, *heat.shape)
        on_target.append(share_inside(heat, cells))
        even.append(float(cells.mean()))
        report(len(even))
    return float(np.nanmean(on_target)), float(np.mean(even))


def _word_heat(
    described: DescribedCollection, keypoints: Keypoints
) -> Callable[[int, int, bool], np.ndarray]:
    """A function from a row, and that of the other picture, to the heat of a bag of words in the first."""
    words = described.words
    assert words is not None

    def heat(row: int, other: int, _of_query: bool) -> np.ndarray:
        vector = described.descriptors.vectors[other]
        values = keypoint_contributions(words.of(row), vector, words, described.config, described.descriptors)
        return heatmap(keypoints.of(row), values)

    return heat


def mean_overlap(described: DescribedCollection, progress: Progress = silent) -> dict[str, float]:
    """The mean IoU 0…1 of the located box with the ground truth, over each query and its positives.

    ``localisation_box`` is the IoU with the outline, ``localisation_box_bounds`` with its bounding box, both
    cut at the image's borders. Empty if the ground truth has no outlines.
    """
    ious = list(_overlaps(described, progress))
    if not ious:
        return {}
    outline, box = np.mean(ious, axis=0).tolist()
    return {"localisation_box": outline, "localisation_box_bounds": box}


def _overlaps(described: DescribedCollection, progress: Progress) -> Iterator[tuple[float, float]]:
    """The IoU of the located box with the outline and with its bounds, by query and positive."""
    collection, row_of = described.collection, described.image_rows()
    queries_of: dict[str, list[tuple[str, int]]] = {}  # by image, so that its map is read once
    for query, row in zip(collection.queries, described.query_rows(), strict=True):
        for image, grade in collection.relevance[query.id].items():
            if grade != "junk" and (query.id, image) in collection.quadrilaterals:
                queries_of.setdefault(image, []).append((query.id, row))
    for done, (image, queries) in enumerate(queries_of.items()):
        progress("measuring the overlap of boxes", done, len(queries_of))
        header = images.header(collection.path(image))
        size = header.width, header.height
        vectors = described.descriptors.vectors[[row for _, row in queries]]
        locations = locate(vectors, described.maps(row_of[image])[0], described, size)
        for (query_id, _), location in zip(queries, locations, strict=True):
            corners = collection.quadrilaterals[query_id, image]
            yield (
                outline_overlap(location.box, corners, size),
                float(box_overlaps(np.array([location.box]), bounding_box(corners, size))[0, 0]),
            )
