"""HardNet from three seeds against RootSIFT, at the same keypoints, on photos that were not in training.

Trained on photos of ImageNet by synthetic views (`workbench train hardnet`), tested on multi-view photos of
buildings and objects. Trained files are saved, so that an interrupted run can be continued.
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
from workbench.config.options import Options, default_cache
from workbench.evaluation.comparison import paired_difference
from workbench.features.batches import pixels, target_size
from workbench.learning.hardnet.batches import APART
from workbench.learning.hardnet.correspondence import match_keypoints
from workbench.learning.hardnet.loss import false_positives
from workbench.learning.hardnet.patch_pairs import random_view
from workbench.learning.hardnet.train import HardNetSettings, train_hardnet
from workbench.local import hardnet, keypoints
from workbench.local.local_source import STRIDE
from workbench.local.nearest_neighbours import match
from workbench.local.patches import cut_patches

SEEDS = (0, 1, 2)
RATIOS = (0.8, 0.85, 0.9)
PAIRS = 40  # image pairs per scene
NEAR = 1.5  # pixels from the epipolar line
SIDE = 512
BATCH = 8  # pairs of photos whose patches are compared with each other
Describe = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of a grey image and keypoints [n, 4]


class DescribedPhoto(NamedTuple):
    """A photo's keypoints and, by each method, their descriptors."""

    points: np.ndarray
    descriptors: dict[str, np.ndarray]


def trained(seed: int) -> Path:
    """The weights of a seed; the shipped weights are of seed 0."""
    if seed == 0 and hardnet.SHIPPED.is_file():
        return hardnet.SHIPPED
    options = Options(seed=seed, cache=default_cache())
    path = options.cache / "learned" / f"benchmark-hardnet-{seed}.safetensors"
    if path.is_file():
        return path

    def report(epoch: object) -> None:
        print(f"seed {seed}: {epoch}", file=sys.stderr, flush=True)

    photos = open_folder(DATASETS / "imagenet_sample")
    return train_hardnet(photos, options, f"benchmark-hardnet-{seed}", HardNetSettings(), report=report)


def grey_of(path: Path) -> np.ndarray:
    """A photo in grey, its longest side SIDE pixels."""
    header = images.header(path)
    size = target_size(header.width, header.height, SIDE, STRIDE)
    return np.asarray(cv2.cvtColor(pixels(images.load(path), size), cv2.COLOR_RGB2GRAY))


def describe(grey: np.ndarray, methods: dict[str, hardnet.PatchDescriber]) -> DescribedPhoto:
    points, sift = keypoints.sift(grey)
    patches = cut_patches(grey, points)
    return DescribedPhoto(
        points, {"RootSIFT": keypoints.root(sift), **{n: d(patches) for n, d in methods.items()}}
    )


def inliers(
    first: DescribedPhoto, second: DescribedPhoto, method: str, ratio: float
) -> tuple[int, int, np.ndarray]:
    """The numbers of inliers of a fundamental matrix and of matches, and the inlying pairs [m, 2]."""
    pairs = match(first.descriptors[method], second.descriptors[method], ratio).pairs
    if len(pairs) < 8:
        return 0, len(pairs), pairs[:0]
    first_points, second_points = first.points[pairs[:, 0], :2], second.points[pairs[:, 1], :2]
    try:
        model, mask = cv2.findFundamentalMat(first_points, second_points, cv2.USAC_MAGSAC, NEAR, 0.999, 5000)
    except cv2.error:  # raised if no matrix fits
        return 0, len(pairs), pairs[:0]
    if model is None or mask is None:
        return 0, len(pairs), pairs[:0]
    inside = np.asarray(mask).ravel() > 0
    return int(inside.sum()), len(pairs), pairs[inside]


def photo_pairs(scenes: Path) -> list[tuple[Path, Path]]:
    """Pairs of photos of one scene, at most PAIRS of each, drawn by a fixed seed."""
    chosen = []
    for number, scene in enumerate(sorted(path for path in scenes.iterdir() if path.is_dir())):
        pairs = list(combinations(sorted(scene.glob("*.jpg")), 2))
        drawn = np.random.default_rng(number).permutation(len(pairs))[:PAIRS]
        chosen += [pairs[row] for row in sorted(drawn)]
    return chosen


def matching(scenes: Path, methods: dict[str, hardnet.PatchDescriber]) -> None:
    """Print the inliers of pairs of photos of one scene, and false positives among their patches."""
    pairs = photo_pairs(scenes)
    photos: dict[Path, DescribedPhoto] = {}
    for path in {path for pair in pairs for path in pair}:
        photos[path] = describe(grey_of(path), methods)
    names = ["RootSIFT", *methods]
    rows = []
    union: list[tuple[DescribedPhoto, DescribedPhoto, np.ndarray]] = []
    for ratio in RATIOS:
        counts = {name: np.zeros((len(pairs), 2)) for name in names}
        for row, (first, second) in enumerate(pairs):
            both = photos[first], photos[second]
            inlying_pairs = []
            for name in names:
                inlier_count, match_count, inlying = inliers(*both, name, ratio)
                counts[name][row] = inlier_count, match_count
                inlying_pairs.append(inlying)
            if ratio == 0.85:
                union.append((*both, np.unique(np.concatenate(inlying_pairs), axis=0)))
        base = counts["RootSIFT"]
        for name in names:
            inlier_counts, match_counts = counts[name].T
            share = inlier_counts.sum() / match_counts.sum()
            change = paired_difference(base[:, 0], inlier_counts)
            interval = f"{change.mean:+.1f} ({change.low:+.1f} to {change.high:+.1f})"
            rows.append(
                [
                    f"{ratio:g}",
                    name,
                    f"{match_counts.mean():.1f}",
                    f"{inlier_counts.mean():.1f}",
                    f"{inlier_counts.mean() / base[:, 0].mean():.2f}",
                    f"{100 * share:.1f}",
                    "" if name == "RootSIFT" else interval,
                ]
            )
    print(f"{len(pairs)} pairs of photos of one scene, {len(photos)} photos of {SIDE} pixels, scenes\n")
    columns = ["ratio", "descriptor", "matches a pair", "inliers a pair", "of RootSIFT's", "inlier ratio %"]
    print_table([*columns, "difference a pair, 95 % interval"], rows)
    print_false_positives("scenes, real pairs", names, union)


def print_false_positives(
    title: str, names: Sequence[str], pairs: Sequence[tuple[DescribedPhoto, DescribedPhoto, np.ndarray]]
) -> None:
    """Print the false positives at 95 % recall of matching keypoints, given by their rows [m, 2]."""
    positive_distances: dict[str, list[np.ndarray]] = {name: [] for name in names}
    negative_distances: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for start in range(0, len(pairs), BATCH):
        batch = [pair for pair in pairs[start : start + BATCH] if len(pair[2])]
        if not batch:
            continue
        owner = np.repeat(np.arange(len(batch)), [len(rows) for *_, rows in batch])
        points = np.concatenate([second.points[rows[:, 1], :3] for _, second, rows in batch])
        offsets = points[:, None, :2] - points[:, :2]
        near = np.hypot(offsets[..., 0], offsets[..., 1]) < APART * np.maximum(
            points[:, None, 2], points[:, 2]
        )
        negative = ~((owner[:, None] == owner) & near)
        for name in names:
            first = np.concatenate([pair[0].descriptors[name][pair[2][:, 0]] for pair in batch])
            second = np.concatenate([pair[1].descriptors[name][pair[2][:, 1]] for pair in batch])
            distances = 2 - 2 * first @ second.T
            positive_distances[name].append(np.diagonal(distances))
            negative_distances[name].append(distances[negative])
    rates = {
        name: false_positives(
            np.concatenate(positive_distances[name]), np.concatenate(negative_distances[name])
        )
        for name in names
    }
    count = sum(len(part) for part in positive_distances["RootSIFT"])
    print(f"{title}: {count:,} matching patches\n")
    rows = [[n, f"{100 * rate:.3f}", f"{rate / rates['RootSIFT']:.2f}"] for n, rate in rates.items()]
    print_table(["descriptor", "false positives at 95 % recall, %", "of RootSIFT's"], rows)


def warped(
    scenes: Path, methods: dict[str, hardnet.PatchDescriber]
) -> Iterator[tuple[DescribedPhoto, DescribedPhoto, np.ndarray]]:
    """Every eighth photo of the scenes, a synthetic view of it by a known homography, and their matches."""
    for number, path in enumerate(islice(sorted(scenes.glob("*/*.jpg")), None, None, 8)):
        header = images.header(path)
        size = target_size(header.width, header.height, SIDE, STRIDE)
        photo = pixels(images.load(path), size)
        view_grey, homography = random_view(photo, np.random.default_rng([9, number]))
        first = describe(np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)), methods)
        second = describe(view_grey, methods)
        yield first, second, match_keypoints(first.points, second.points, homography)


def main() -> None:
    if not DATASETS.is_dir():
        print(f"The photos in {str(DATASETS)!r} are missing, so nothing can be trained.")
        return
    methods = {f"HardNet, seed {seed}": hardnet.load_describer(trained(seed)) for seed in SEEDS}
    names = ["RootSIFT", *methods]
    scenes = DATASETS / "scenes"
    matching(scenes, methods)
    print_false_positives("scenes, each with a synthetic view", names, list(warped(scenes, methods)))


if __name__ == "__main__":
    main()
