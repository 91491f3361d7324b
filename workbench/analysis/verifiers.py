"""Verify first results, and pairs of the ground truth, by several geometric models on the same matches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from workbench.analysis.pair_classes import CLASSES, measure_pair, repeated_keypoints
from workbench.analysis.query_sample import QuerySample
from workbench.analysis.reranking import Counts, Method
from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.common.progress import Progress
from workbench.common.tables import Table
from workbench.engine.keypoints import Keypoints
from workbench.local.features import LocalFeatures
from workbench.local.nearest_neighbours import Matcher, Matches
from workbench.local.verification import verify_matches
from workbench.search.ranking import Ranking

MEASURES = ["keypoints", "matches", "planarity", "area", "turn", "tilt", "repeated"]


class Verifier(NamedTuple):
    """A method that is one verification: its geometric model, how many results, by which keypoints.

    ``matcher`` matches the keypoints.
    """

    method: str
    geometry: str
    first: int
    keypoints: Keypoints
    matcher: Matcher


class Verified(NamedTuple):
    """The inliers [n] of each query's first results, inlier ratios of the verified, and seconds a pair."""

    inliers: list[np.ndarray]
    ratios: list[float]
    seconds: list[float]


def verify_results(
    group: Sequence[Verifier], sample: QuerySample, before: Sequence[Ranking], progress: Progress
) -> list[Verified]:
    """Verify the first results of each query by all verifiers of one kind of keypoints, matched once."""
    results = [Verified([], [], []) for _ in group]
    keypoints, most = group[0].keypoints, max(verifier.first for verifier in group)
    total = sum(len(ranking.rows[:most]) for ranking in before)
    done = 0
    for row, ranking in zip(sample.rows, before, strict=True):
        query = keypoints.of(row)
        for verifier, result in zip(group, results, strict=True):
            result.inliers.append(np.zeros(len(ranking.rows[: verifier.first]), np.float32))
        for place, other in enumerate(ranking.rows[:most].tolist()):
            progress("verifying", done, total)
            done += 1
            image = keypoints.of(other)
            matches, matching = _matches(query, image, group[0].matcher)
            for verifier, result in zip(group, results, strict=True):
                if place < verifier.first:
                    started = time.perf_counter()
                    verified = verify_matches(query, image, matches, verifier.geometry)
                    result.seconds.append(matching + time.perf_counter() - started)
                    result.inliers[-1][place] = verified.inliers
                    if verified.inliers:
                        result.ratios.append(float(verified.inside.mean()))
    return results


def _matches(query: LocalFeatures, image: LocalFeatures, matcher: Matcher) -> tuple[Matches, float]:
    """The matches of two pictures, and the seconds that they took."""
    started = time.perf_counter()
    matches = matcher(query, image)
    return matches, time.perf_counter() - started


def verified_method(
    verifier: Verifier, counts: Verified, aps: np.ndarray, sample: QuerySample, before: Sequence[Ranking]
) -> Method:
    """The measures of a verification."""
    verified, totals = {True: 0, False: 0}, {True: 0, False: 0}
    for inliers, ranking, positives, ignored in zip(
        counts.inliers, before, sample.positives, sample.ignored, strict=True
    ):
        rows = ranking.rows[: len(inliers)]
        positive = np.isin(rows, positives)
        negative = ~positive & ~np.isin(rows, ignored)
        for kind, chosen in ((True, positive), (False, negative)):
            totals[kind] += int(chosen.sum())
            verified[kind] += int((inliers[chosen] > 0).sum())
    pair = 1000 * float(np.median(counts.seconds)) if counts.seconds else np.nan
    ratio = float(np.mean(counts.ratios)) if counts.ratios else np.nan
    of = {kind: Counts(verified[kind], totals[kind]) for kind in totals}
    pairs_a_query = len(counts.seconds) / max(1, len(before))
    return Method(verifier.method, aps, pair * pairs_a_query, pair, ratio, of[True], of[False])


def measured_pairs(
    collection: Collection,
    keypoints: Keypoints,
    matcher: Matcher,
    sample: QuerySample,
    verifiers: Mapping[str, Sequence[Verifier]],
    count: int,
    seed: int,
    progress: Progress,
) -> Table:
    """Measure ``count`` pairs of a query and a positive by their ``keypoints``, and verify them by all.

    ``matcher`` matches these keypoints.

    See ``Reranking.pairs``.
    """
    names = [verifier.method for group in verifiers.values() for verifier in group]
    columns = ["query", "image", *MEASURES, *CLASSES, *names]
    all_pairs = [(at, int(row)) for at, rows in enumerate(sample.positives) for row in rows]
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.permutation(len(all_pairs))[:count].tolist())
    repeated: dict[int, int] = {}
    rows = []
    for done, (at, row) in enumerate(all_pairs[number] for number in chosen):
        progress("measuring pairs", done, len(chosen))
        query, image = keypoints.of(sample.rows[at]), keypoints.of(row)
        if at not in repeated:
            repeated[at] = repeated_keypoints(query)
        matches = _matches(query, image, matcher)[0]
        name, other = collection.queries[sample.numbers[at]].id, collection.images[row]
        measures = measure_pair(
            query, image, matches, repeated[at], _outline(collection, name, other, image.size)
        )
        held = [label in measures.classes for label in CLASSES]
        counts = list[Any]()
        for group in verifiers.values():
            sides = [group[0].keypoints.of(number) for number in (sample.rows[at], row)]
            same = group[0].keypoints == keypoints and group[0].matcher == matcher
            found = matches if same else _matches(sides[0], sides[1], group[0].matcher)[0]
            counts += [verify_matches(sides[0], sides[1], found, v.geometry).inliers for v in group]
        first, *others = measures
        rows.append((name, other, first, len(matches[0]), *others, *held, *counts))
    return Table(rows, columns=columns)


def _outline(collection: Collection, query: str, image: str, size: tuple[int, int]) -> np.ndarray | None:
    """The outline [4, 2] of a query's object in an image, in pixels of a picture of ``size``."""
    corners = collection.quadrilaterals.get((query, image))
    if corners is None:
        return None
    header = images.header(collection.path(image))
    return np.array(corners, float) * (np.array(size) / (header.width, header.height))
