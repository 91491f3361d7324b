"""Learned keypoints against SIFT on pairs of photos of one scene: matches, inliers, times, sizes; and mAP.

``rules`` compares rules of matching, ``map`` and a collection evaluates pipelines. Pairs of different scenes
tell how many are verified by chance. Differences are paired by pair of photos, those of mAP by query.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np
import torch
from _photos import DATASETS
from _table import print_table
from PIL import Image

import workbench
from workbench.bench.bench import Bench
from workbench.evaluation.comparison import paired_difference
from workbench.features.map_source import Picture
from workbench.local.features import LocalFeatures
from workbench.local.local_source import LocalSource
from workbench.local.matchers import matcher
from workbench.local.nearest_neighbours import Matcher, nearest
from workbench.local.verification import Verification, verify

METHODS = ("sift", "hardnet", "xfeat", "aliked", "disk")
LIGHTGLUE = (("sift", ""), ("aliked", ""), ("aliked", "lightglue"), ("disk", ""), ("disk", "lightglue"))
EACH, FEW = 8, 2  # pairs of each scene, and those that LightGlue matches
TIMED = 5  # photos
RULES = {
    "xfeat": ((0.85, -1.0), (0.95, -1.0), (1.0, -1.0), (1.0, 0.82), (1.0, 0.9)),
    **dict.fromkeys(("aliked", "disk"), ((0.85, -1.0), (0.95, -1.0), (1.0, -1.0), (1.0, 0.7), (1.0, 0.8))),
}
PIPELINES = {
    "scenes": "efficientnet_lite0/max/rmac:3",
    "posters": "efficientnet_lite0/max/rmac:3/pcaw:256",
}


def main() -> None:
    torch.set_num_threads(1)
    scenes = workbench.open(DATASETS / "scenes", "folders")
    if "map" in sys.argv:
        for name in sys.argv[2:] or PIPELINES:
            mean_aps(name, scenes if name == "scenes" else workbench.open(name))
        return
    pairs, others = photo_pairs(scenes, EACH)
    if "rules" in sys.argv:
        rules(scenes, pairs, others)
        return
    matching(scenes, pairs, others, [(name, "") for name in METHODS])
    few, few_others = photo_pairs(scenes, FEW)
    matching(scenes, few, few_others, LIGHTGLUE)
    describing(scenes)


def photo_pairs(bench: Bench, each: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """So many pairs of photos of each scene, and as many of different scenes."""
    rng, labels = np.random.default_rng(0), bench.collection.labels
    members: dict[str, list[str]] = {}
    for image in bench.collection.images:
        members.setdefault(labels[image], []).append(image)
    same, different, names = [], [], sorted(members)
    for number, name in enumerate(names):
        for _ in range(each):
            first, second = rng.choice(members[name], 2, replace=False)
            same.append((str(first), str(second)))
            other = names[(number + int(rng.integers(1, len(names)))) % len(names)]
            different.append((str(first), str(rng.choice(members[other]))))
    return same, different


def features_of(bench: Bench, name: str) -> dict[str, LocalFeatures]:
    """The stored features of all photos."""
    source, images = LocalSource(name, bench.options), list(bench.collection.images)
    (keys,), _ = source.extract([Picture(bench.collection.path(image)) for image in images])
    return {
        images[row]: LocalFeatures(features.points.copy(), features.stored.copy(), features.size)
        for row, features in source.read(keys)
    }


def verified(
    features: dict[str, LocalFeatures], pairs: list[tuple[str, str]], match: Matcher
) -> tuple[list[Verification], float]:
    """The pairs verified, and the milliseconds of processor time that each took."""
    started = time.process_time()
    results = [verify(features[first], features[second], matcher=match) for first, second in pairs]
    return results, 1000 * (time.process_time() - started) / len(pairs)


def matching(
    bench: Bench,
    pairs: list[tuple[str, str]],
    others: list[tuple[str, str]],
    methods: list[tuple[str, str]] | tuple[tuple[str, str], ...],
) -> None:
    """Print a row for each kind of keypoints and matcher; the first is what the others differ from."""
    rows, base = [], np.zeros(0)
    for name, network in methods:
        print(name, network, file=sys.stderr, flush=True)
        features, match = features_of(bench, name), matcher(name, network)
        results, milliseconds = verified(features, pairs, match)
        chance, _ = verified(features, others, match)
        inliers = np.array([result.inliers for result in results], float)
        base = base if len(base) else inliers
        change = paired_difference(base, inliers)
        matches = float(np.mean([len(result.pairs) for result in results]))
        rows.append(
            [
                "+".join(filter(None, (name, network))),
                f"{np.mean([len(found) for found in features.values()]):.0f}",
                f"{matches:.0f}",
                f"{inliers.mean():.1f}",
                f"{100 * inliers.mean() / matches:.0f}",
                f"{change.mean:+.1f} ({change.low:+.1f} to {change.high:+.1f})",
                f"{100 * np.mean(inliers > 0):.0f}",
                f"{100 * np.mean([result.inliers > 0 for result in chance]):.0f}",
                f"{milliseconds:.1f}",
            ]
        )
    print(f"{len(pairs)} pairs of photos of one scene, and {len(others)} of different scenes\n")
    columns = "keypoints|a photo|matches a pair|inliers a pair|inlier ratio %|difference from SIFT, 95 %"
    columns += "|verified %|of different scenes %|ms a pair"
    print_table(columns.split("|"), rows)


def describing(bench: Bench) -> None:
    """Print the time on one thread and the bytes of a photo for each kind of keypoints."""
    rows, paths = [], [bench.collection.path(image) for image in islice(bench.collection.images, TIMED)]
    base = 0.0
    for name in METHODS:
        source = LocalSource(name, bench.options)
        pictures = [Image.open(path).convert("RGB") for path in paths]
        source.features_of(pictures[0])
        seconds = []
        for picture in pictures:
            started = time.process_time()
            features = source.features_of(picture)
            seconds.append(time.process_time() - started)
        took = float(np.median(seconds))
        base = base or took
        size = (features.points.nbytes + features.stored.nbytes) / max(1, len(features))
        rows.append([name, f"{1000 * took:.0f}", f"{took / base:.1f}", f"{size:.0f}"])
    print(f"Processor time for a photo of {bench.options.size} pixels\n")
    print_table(["keypoints", "ms a photo", "of SIFT's", "bytes a keypoint"], rows)


def rules(bench: Bench, pairs: list[tuple[str, str]], others: list[tuple[str, str]]) -> None:
    """Print what each rule of matching accepts, and how well inliers tell pairs of one scene from others."""
    rows = []
    for name, choices in RULES.items():
        features = features_of(bench, name)
        for ratio, cosine in choices:
            match: Callable[..., object] = partial(nearest, ratio=ratio, cosine=cosine)
            counts = [
                np.array([result.inliers for result in verified(features, chosen, match)[0]])  # type: ignore[arg-type]
                for chosen in (pairs, others)
            ]
            above = counts[0][:, None] - counts[1][None]
            rows.append(
                [
                    name,
                    f"{ratio:g}" if ratio < 1 else "",
                    f"{cosine:g}" if cosine > -1 else "",
                    f"{counts[0].mean():.1f}",
                    f"{100 * np.mean(counts[0] > 0):.0f}",
                    f"{100 * np.mean(counts[1] > 0):.0f}",
                    f"{np.mean(above > 0) + np.mean(above == 0) / 2:.3f}",
                ]
            )
    columns = "keypoints|ratio|cosine|inliers a pair|verified %|of different scenes %|area under ROC"
    print_table(columns.split("|"), rows)


def mean_aps(title: str, bench: Bench) -> None:
    """Print the mAP of a global pipeline whose first results are verified by each kind of keypoints."""
    plain, rows = PIPELINES[title], []
    base = bench.evaluate(plain, localise=False).per_query["ap"].to_numpy(np.float64)
    for pipeline in (plain, *(f"{plain}/sv:25:{name}" for name in METHODS)):
        print(title, pipeline, file=sys.stderr, flush=True)
        evaluation = bench.evaluate(pipeline, localise=False)
        change = paired_difference(base, evaluation.per_query["ap"].to_numpy(np.float64))
        interval = f"{100 * change.mean:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
        pair = next((ms for name, ms in evaluation.provenance["timings"].items() if "a pair" in name), None)
        rows.append(
            [
                f"`{pipeline}`",
                f"{100 * evaluation.mean_ap:.1f}",
                interval,
                f"{evaluation.costs['bytes'] / 1024:.1f}",
                "" if pair is None else f"{pair:.1f}",
            ]
        )
    print(f"{title}; differences are from `{plain}`\n")
    print_table(["pipeline", "mAP %", "difference, 95 %", "KB an image", "ms a pair"], rows)


if __name__ == "__main__":
    main()
