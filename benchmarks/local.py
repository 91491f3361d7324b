"""Local features against bare calls: describing patches, verifying a pair, searching a bag of words.

Both sides of a ratio run alternately, and the fastest run of each counts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from _table import print_table
from _timing import at_least, at_most, fastest, fastest_in_turn
from scipy import sparse

from workbench.features.device import keep_freed_memory
from workbench.learning.hardnet.loss import loss
from workbench.learning.hardnet.patch_pairs import random_view
from workbench.learning.hardnet.train import initial_network
from workbench.local import hardnet
from workbench.local.describers import sift
from workbench.local.feature_store import extract
from workbench.local.features import LocalFeatures
from workbench.local.inverted_file import InvertedFile
from workbench.local.nearest_neighbours import MAX_RATIO
from workbench.local.verification import INLIER_DISTANCE, verify

PATCHES, RUNS = 2048, 3
IMAGES, WORDS, WORDS_PER_IMAGE = 100_000, 65_536, 600


def main() -> None:
    describing()
    training()
    verifying()
    searching()


def flops(width: int) -> float:
    """The multiplications and additions of the seven convolutions for one patch."""
    total = 2 * 9 * width * 32**2 + 2 * 64 * 4 * width * hardnet.DIMENSIONS
    for before, after, side in ((1, 1, 32), (1, 2, 16), (2, 2, 16), (2, 4, 8), (4, 4, 8)):
        total += 2 * 9 * before * after * width**2 * side**2
    return total


def describing() -> None:
    """Print the rate of HardNet against that of products of 1,024 x 1,024 matrices in single precision."""
    a = torch.randn(1024, 1024)
    patches = np.random.default_rng(0).integers(0, 255, (PATCHES, 32, 32)).astype(np.uint8)
    rows = []
    for width in (16, hardnet.PUBLISHED):
        describe = hardnet.PatchDescriber(initial_network(width))
        ours, product = fastest_in_turn(partial(describe, patches), lambda: [a @ a for _ in range(50)], RUNS)
        rate, product_rate = PATCHES * flops(width) / ours / 1e9, 50 * 2 * 1024**3 / product / 1e9
        numbers = (flops(width) / 1e6, PATCHES / ours, rate, product_rate)
        columns = [str(width), *(f"{number:,.1f}" for number in numbers)]
        rows.append([*columns, at_least(rate / product_rate, 0.5)])
    print("HardNet describes patches, normalisation included\n")
    columns = ["width", "MFLOP a patch", "patches/s", "GFLOP/s", "matrix product, GFLOP/s"]
    print_table([*columns, "HardNet / product"], rows)


def training() -> None:
    """Print the time of a training step on 512 pairs, before and after ``keep_freed_memory``."""
    model = initial_network(16)
    patches = torch.randint(0, 255, (1024, 32, 32), dtype=torch.uint8)

    def step() -> None:
        loss(*model(patches).chunk(2)).backward()

    step()
    before = fastest(step, 3)
    keep_freed_memory()
    step()
    after = fastest(step, 3)
    print("A step of training at width 16, 512 pairs\n")
    print_table(
        ["memory given back, s", "memory kept, s", "given back / kept"],
        [[f"{before:.2f}", f"{after:.2f}", f"{before / after:.2f}"]],
    )


def verifying() -> None:
    """Print the time to verify a photo of noise and a view of it, with 1,000 keypoints each."""
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (480 // n, 640 // n, 3)).astype(np.uint8) for n in (4, 8, 32)]
    layers = [cv2.resize(layer, (640, 480), interpolation=cv2.INTER_CUBIC).astype(float) for layer in noise]
    photo = np.mean(layers, axis=0).astype(np.uint8)
    other, _ = random_view(photo, np.random.default_rng(3))
    query, image = extract(photo, sift), extract(np.repeat(other[..., None], 3, 2), sift)
    rows = []
    for title, pair in (("a view of it", (query, image)), ("another", (query, shuffled(image)))):
        ours, bare = fastest_in_turn(partial(verify, *pair), partial(opencv, *pair), 20)
        rows.append(
            [
                f"{title}, {verify(*pair).inliers} inliers",
                f"{1e3 * ours:.1f}",
                f"{1e3 * bare:.1f}",
                at_most(ours / bare, 1.5),
            ]
        )
    print(f"Verifying a photo with {len(query)} and {len(image)} keypoints\n")
    print_table(["pair", "workbench, ms", "bare OpenCV, ms", "workbench / OpenCV"], rows)


def shuffled(features: LocalFeatures) -> LocalFeatures:
    """The same keypoints with permuted descriptors, so that no homography explains them."""
    order = np.random.default_rng(2).permutation(len(features))
    return LocalFeatures(features.points, features.stored[order], features.size)


def opencv(query: LocalFeatures, image: LocalFeatures) -> Any:
    """The bare calls: brute-force matching, ratio test, mutual matches, and a homography by USAC."""
    matcher: Any = cv2.BFMatcher(cv2.NORM_L2)
    forward = matcher.knnMatch(query.descriptors, image.descriptors, k=2)
    backward = {m.queryIdx: m.trainIdx for m in matcher.match(image.descriptors, query.descriptors)}
    good = [
        m for m, n in forward if m.distance <= MAX_RATIO * n.distance and backward[m.trainIdx] == m.queryIdx
    ]
    if len(good) < 4:
        return None
    query_points = query.points[[m.queryIdx for m in good], :2]
    image_points = image.points[[m.trainIdx for m in good], :2]
    return cv2.findHomography(
        query_points, image_points, cv2.USAC_MAGSAC, INLIER_DISTANCE * max(image.size), None, 2000, 0.999
    )


def searching() -> None:
    """Print the time to search synthetic words with frequencies 1/rank, nearly as in real vocabularies."""
    rng = np.random.default_rng(0)
    frequencies = 1 / np.arange(1, WORDS + 1)
    names = rng.choice(WORDS, (IMAGES, WORDS_PER_IMAGE), p=frequencies / frequencies.sum()).astype(np.int32)
    rows = np.repeat(np.arange(IMAGES, dtype=np.int32), WORDS_PER_IMAGE)
    counts = sparse.csr_array((np.ones(names.size, np.float32), (rows, names.ravel())), shape=(IMAGES, WORDS))
    counts.sum_duplicates()
    idf = np.log(IMAGES / np.maximum(np.bincount(counts.indices, minlength=WORDS), 1))
    weighted = counts.multiply(idf[None]).tocsr()
    lengths = np.sqrt(weighted.multiply(weighted).sum(1))
    vectors = sparse.csr_array(weighted.multiply(1 / lengths[:, None]), dtype=np.float32)
    index = InvertedFile(sparse.csc_array(vectors))
    query = vectors[[7]].toarray()[0]
    np.testing.assert_allclose(index.scores(query), vectors @ query, atol=1e-4)
    sparse_query = sparse.csc_array(query[:, None])
    table = []
    for title, work in (
        ("scores alone", lambda: index.scores(query)),
        ("ranked", lambda: index.search(query[None])),
    ):
        ours, product = fastest_in_turn(work, lambda: vectors @ query, RUNS)
        _, sparse_product = fastest_in_turn(work, lambda: vectors @ sparse_query, RUNS)
        times = [f"{1e3 * seconds:.1f}" for seconds in (ours, product, sparse_product)]
        table.append([title, *times, at_most(ours / min(product, sparse_product), 2)])
    mean_words = vectors.nnz / IMAGES
    print(f"One query among {IMAGES:,} images of {mean_words:.0f} different words each, {WORDS:,} words\n")
    columns = ["", "workbench, ms", "scipy, dense query, ms", "scipy, sparse query, ms"]
    print_table([*columns, "workbench / the faster"], table)


if __name__ == "__main__":
    main()
