"""HardNet against RootSIFT on photos that it was not trained on, from three seeds, at the same keypoints.

Trained on photos of ImageNet by synthetic views (`workbench train hardnet`), judged on multi-view photos of
buildings and objects. What is trained already is used again: the run may be broken off and goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from _photos import DATASETS
from _table import print_table

from workbench.collections import images
from workbench.collections.folder import open_folder
from workbench.evaluation.comparison import paired_difference
from workbench.features.extraction import pixels, target_size
from workbench.features.maps import Options
from workbench.learning.hardnet.batches import APART
from workbench.learning.hardnet.correspondence import match_keypoints
from workbench.learning.hardnet.loss import false_positives
from workbench.learning.hardnet.patch_pairs import random_view
from workbench.learning.hardnet.train import Settings, train
from workbench.local import hardnet, keypoints
from workbench.local.features import STRIDE
from workbench.local.patches import cut
from workbench.local.verification import matched
from workbench.opening import default_cache

SEEDS = (0, 1, 2)
RATIOS = (0.8, 0.85, 0.9)
PAIRS = 40  # image pairs a scene
NEAR = 1.5  # pixels from the epipolar line
SIDE = 512
TOGETHER = 8  # photos whose patches are held against one another
Describe = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of a grey image and keypoints [n, 4]


class Seen(NamedTuple):
    """A photo's keypoints and, by each method, their descriptors."""

    points: np.ndarray
    described: dict[str, np.ndarray]


def trained(seed: int) -> Path:
    """The weights of a seed; those that ship are of seed 0."""
    if seed == 0 and hardnet.SHIPPED.is_file():
        return hardnet.SHIPPED
    options = Options(seed=seed, cache=default_cache())
    path = options.cache / "learned" / f"benchmark-hardnet-{seed}.safetensors"
    if path.is_file():
        return path

    def report(epoch: object) -> None:
        print(f"seed {seed}: {epoch}", file=sys.stderr, flush=True)

    photos = open_folder(DATASETS / "imagenet_sample")
    return train(photos, options, f"benchmark-hardnet-{seed}", Settings(), report=report)


def grey_of(path: Path) -> np.ndarray:
    header = images.header(path)
    size = target_size(header.width, header.height, SIDE, STRIDE)
    return np.asarray(cv2.cvtColor(pixels(images.load(path), size), cv2.COLOR_RGB2GRAY))


def seen(grey: np.ndarray, methods: dict[str, hardnet.Describer]) -> Seen:
    points, sift = keypoints.sift(grey)
    patches = cut(grey, points)
    return Seen(points, {"RootSIFT": keypoints.root(sift), **{n: d(patches) for n, d in methods.items()}})


def inliers(one: Seen, other: Seen, method: str, ratio: float) -> tuple[int, int, np.ndarray]:
    """Inliers of a fundamental matrix, matches, and the inlying pairs [m, 2]."""
    pairs, _, _ = matched(one.described[method], other.described[method], ratio)
    if len(pairs) < 8:
        return 0, len(pairs), pairs[:0]
    here, there = one.points[pairs[:, 0], :2], other.points[pairs[:, 1], :2]
    try:
        model, mask = cv2.findFundamentalMat(here, there, cv2.USAC_MAGSAC, NEAR, 0.999, 5000)
    except cv2.error:  # which is how it says that none fits
        return 0, len(pairs), pairs[:0]
    if model is None or mask is None:
        return 0, len(pairs), pairs[:0]
    inside = np.asarray(mask).ravel() > 0
    return int(inside.sum()), len(pairs), pairs[inside]


def photo_pairs(scenes: Path) -> list[tuple[Path, Path]]:
    """Pairs of photos of one scene, at most PAIRS of each, drawn by a fixed seed."""
    found = []
    for number, scene in enumerate(sorted(path for path in scenes.iterdir() if path.is_dir())):
        every = list(combinations(sorted(scene.glob("*.jpg")), 2))
        drawn = np.random.default_rng(number).permutation(len(every))[:PAIRS]
        found += [every[row] for row in sorted(drawn)]
    return found


def matching(scenes: Path, methods: dict[str, hardnet.Describer]) -> None:
    """Print inliers on real pairs of photos, paired by pair of photos, and false positives among them."""
    pairs = photo_pairs(scenes)
    known: dict[Path, Seen] = {}
    for path in {path for pair in pairs for path in pair}:
        known[path] = seen(grey_of(path), methods)
    names = ["RootSIFT", *methods]
    rows = []
    union: list[tuple[Seen, Seen, np.ndarray]] = []
    for ratio in RATIOS:
        counts = {name: np.zeros((len(pairs), 2)) for name in names}
        for row, (one, other) in enumerate(pairs):
            both = known[one], known[other]
            inlying = []
            for name in names:
                inside, every, rightly = inliers(*both, name, ratio)
                counts[name][row] = inside, every
                inlying.append(rightly)
            if ratio == 0.85:
                union.append((*both, np.unique(np.concatenate(inlying), axis=0)))
        base = counts["RootSIFT"]
        for name in names:
            inside, every = counts[name].T
            share = inside.sum() / every.sum()
            change = paired_difference(base[:, 0], inside)
            interval = f"{change.mean:+.1f} ({change.low:+.1f} to {change.high:+.1f})"
            rows.append(
                [
                    f"{ratio:g}",
                    name,
                    f"{every.mean():.1f}",
                    f"{inside.mean():.1f}",
                    f"{inside.mean() / base[:, 0].mean():.2f}",
                    f"{100 * share:.1f}",
                    "" if name == "RootSIFT" else interval,
                ]
            )
    print(f"{len(pairs)} pairs of photos of one scene, {len(known)} photos of {SIDE} pixels, scenes\n")
    columns = ["ratio", "descriptor", "matches a pair", "inliers a pair", "of RootSIFT's", "inlier ratio %"]
    print_table([*columns, "difference a pair, 95 % interval"], rows)
    wrong("scenes, real pairs", names, union)


def wrong(title: str, names: Sequence[str], pairs: Sequence[tuple[Seen, Seen, np.ndarray]]) -> None:
    """Print the false positives at 95 % recall of matching keypoints, given by their rows [m, 2]."""
    matching_: dict[str, list[np.ndarray]] = {name: [] for name in names}
    other_: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for start in range(0, len(pairs), TOGETHER):
        some = [pair for pair in pairs[start : start + TOGETHER] if len(pair[2])]
        if not some:
            continue
        owner = np.repeat(np.arange(len(some)), [len(rows) for *_, rows in some])
        at = np.concatenate([other.points[rows[:, 1], :3] for _, other, rows in some])
        apart = np.hypot(at[:, None, 0] - at[:, 0], at[:, None, 1] - at[:, 1])
        near = apart < APART * np.maximum(at[:, None, 2], at[:, 2])
        negative = ~((owner[:, None] == owner) & near)
        for name in names:
            here = np.concatenate([one.described[name][rows[:, 0]] for one, _, rows in some])
            there = np.concatenate([other.described[name][rows[:, 1]] for _, other, rows in some])
            distances = 2 - 2 * here @ there.T
            matching_[name].append(np.diagonal(distances))
            other_[name].append(distances[negative])
    rates = {
        name: false_positives(np.concatenate(matching_[name]), np.concatenate(other_[name])) for name in names
    }
    count = sum(len(part) for part in matching_["RootSIFT"])
    print(f"{title}: {count:,} matching patches\n")
    rows = [[n, f"{100 * rate:.3f}", f"{rate / rates['RootSIFT']:.2f}"] for n, rate in rates.items()]
    print_table(["descriptor", "false positives at 95 % recall, %", "of RootSIFT's"], rows)


def warped(scenes: Path, methods: dict[str, hardnet.Describer]) -> Iterator[tuple[Seen, Seen, np.ndarray]]:
    """Every eighth photo of the scenes and a synthetic view of it, whose homography is known."""
    for number, path in enumerate(islice(sorted(scenes.glob("*/*.jpg")), None, None, 8)):
        header = images.header(path)
        size = target_size(header.width, header.height, SIDE, STRIDE)
        photo = pixels(images.load(path), size)
        other, matrix = random_view(photo, np.random.default_rng([9, number]))
        one, two = seen(np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)), methods), seen(other, methods)
        yield one, two, match_keypoints(one.points, two.points, matrix)


def main() -> None:
    if not DATASETS.is_dir():
        print(f"Without the photos in {str(DATASETS)!r} there is nothing to train on.")
        return
    methods = {f"HardNet, seed {seed}": hardnet.describer(trained(seed)) for seed in SEEDS}
    names = ["RootSIFT", *methods]
    scenes = DATASETS / "scenes"
    matching(scenes, methods)
    wrong("scenes, each with a synthetic view", names, list(warped(scenes, methods)))


if __name__ == "__main__":
    main()
