"""Local features against bare calls: describing patches, verifying a pair, asking a bag of words.

Both sides of a ratio run in turn, and the faster of the runs of each counts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from _table import best, print_table, verdict
from scipy import sparse
from searching import at_most, in_turn

from workbench.features.hardware import hold_memory
from workbench.learning.hardnet.loss import loss
from workbench.learning.hardnet.patch_pairs import random_view
from workbench.learning.hardnet.train import initial_network
from workbench.local import hardnet
from workbench.local.features import Features, made
from workbench.local.inverted import InvertedFile
from workbench.local.keypoints import sift
from workbench.local.verification import NEAR, RATIO, verify

PATCHES, RUNS = 2048, 3
IMAGES, WORDS, AN_IMAGE = 100_000, 65_536, 600


def main() -> None:
    describing()
    training()
    verifying()
    asking()


def flops(width: int) -> float:
    """Multiplications and additions of the seven convolutions, for one patch."""
    total = 2 * 9 * width * 32**2 + 2 * 64 * 4 * width * hardnet.DIMENSIONS
    for before, after, side in ((1, 1, 32), (1, 2, 16), (2, 2, 16), (2, 4, 8), (4, 4, 8)):
        total += 2 * 9 * before * after * width**2 * side**2
    return total


def describing() -> None:
    """Against the rate at which this processor multiplies two matrices of 1,024 x 1,024, single precision."""
    a = torch.randn(1024, 1024)
    patches = np.random.default_rng(0).integers(0, 255, (PATCHES, 32, 32)).astype(np.uint8)
    rows = []
    for width in (16, hardnet.PUBLISHED):
        describe = hardnet.Describer(initial_network(width))
        ours, product = in_turn(partial(describe, patches), lambda: [a @ a for _ in range(50)], RUNS)
        rate, most = PATCHES * flops(width) / ours / 1e9, 50 * 2 * 1024**3 / product / 1e9
        numbers = (flops(width) / 1e6, PATCHES / ours, rate, most)
        each = [str(width), *(f"{number:,.1f}" for number in numbers)]
        rows.append([*each, verdict(rate / most, 0.5)])
    print("HardNet describes patches, normalisation included\n")
    columns = ["width", "MFLOP a patch", "patches/s", "GFLOP/s", "matrix product, GFLOP/s"]
    print_table([*columns, "HardNet / product"], rows)


def training() -> None:
    """A step of training on 512 pairs, before the C library is told to keep freed memory, and after."""
    model = initial_network(16)
    patches = torch.randint(0, 255, (1024, 32, 32), dtype=torch.uint8)

    def step() -> None:
        loss(*model(patches).chunk(2)).backward()

    step()
    before = best(step, 3)
    hold_memory()
    step()
    after = best(step, 3)
    print("A step of training at width 16, 512 pairs\n")
    print_table(
        ["memory given back, s", "memory kept, s", "given back / kept"],
        [[f"{before:.2f}", f"{after:.2f}", f"{before / after:.2f}"]],
    )


def verifying() -> None:
    """A photo of noise at several scales and a view of it, both with 1,000 keypoints."""
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (480 // n, 640 // n, 3)).astype(np.uint8) for n in (4, 8, 32)]
    layers = [cv2.resize(one, (640, 480), interpolation=cv2.INTER_CUBIC).astype(float) for one in noise]
    photo = np.mean(layers, axis=0).astype(np.uint8)
    other, _ = random_view(photo, np.random.default_rng(3))
    query, image = made(photo, sift), made(np.repeat(other[..., None], 3, 2), sift)
    rows = []
    for title, pair in (("a view of it", (query, image)), ("another", (query, shuffled(image)))):
        ours, bare = in_turn(partial(verify, *pair), partial(opencv, *pair), 20)
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


def shuffled(features: Features) -> Features:
    """The same keypoints with the descriptors of one another, so that no view explains them."""
    order = np.random.default_rng(2).permutation(len(features))
    return Features(features.points, features.stored[order], features.size)


def opencv(query: Features, image: Features) -> Any:
    """Brute-force matching, ratio test, mutual matches, and a homography by USAC, as one calls them."""
    matcher: Any = cv2.BFMatcher(cv2.NORM_L2)
    there = matcher.knnMatch(query.descriptors, image.descriptors, k=2)
    back = {m.queryIdx: m.trainIdx for m in matcher.match(image.descriptors, query.descriptors)}
    good = [m for m, n in there if m.distance <= RATIO * n.distance and back[m.trainIdx] == m.queryIdx]
    if len(good) < 4:
        return None
    here = query.points[[m.queryIdx for m in good], :2]
    at = image.points[[m.trainIdx for m in good], :2]
    return cv2.findHomography(here, at, cv2.USAC_MAGSAC, NEAR * max(image.size), None, 2000, 0.999)


def asking() -> None:
    """Synthetic words: their frequencies fall as 1/rank, as those of real vocabularies nearly do."""
    rng = np.random.default_rng(0)
    likely = 1 / np.arange(1, WORDS + 1)
    names = rng.choice(WORDS, (IMAGES, AN_IMAGE), p=likely / likely.sum()).astype(np.int32)
    rows = np.repeat(np.arange(IMAGES, dtype=np.int32), AN_IMAGE)
    counts = sparse.csr_array((np.ones(names.size, np.float32), (rows, names.ravel())), shape=(IMAGES, WORDS))
    counts.sum_duplicates()
    idf = np.log(IMAGES / np.maximum(np.bincount(counts.indices, minlength=WORDS), 1))
    weighted = counts.multiply(idf[None]).tocsr()
    lengths = np.sqrt(weighted.multiply(weighted).sum(1))
    vectors = sparse.csr_array(weighted.multiply(1 / lengths[:, None]), dtype=np.float32)
    index = InvertedFile(sparse.csc_array(vectors))
    query = vectors[[7]].toarray()[0]
    np.testing.assert_allclose(index.scores(query), vectors @ query, atol=1e-4)
    thin = sparse.csc_array(query[:, None])
    table = []
    for title, work in (
        ("scores alone", lambda: index.scores(query)),
        ("ranked", lambda: index.search(query[None])),
    ):
        ours, product = in_turn(work, lambda: vectors @ query, RUNS)
        _, sparsely = in_turn(work, lambda: vectors @ thin, RUNS)
        times = [f"{1e3 * seconds:.1f}" for seconds in (ours, product, sparsely)]
        table.append([title, *times, at_most(ours / min(product, sparsely), 2)])
    each = vectors.nnz / IMAGES
    print(f"One query among {IMAGES:,} images of {each:.0f} different words each, {WORDS:,} words\n")
    columns = ["", "workbench, ms", "scipy, dense query, ms", "scipy, sparse query, ms"]
    print_table([*columns, "workbench / the faster"], table)


if __name__ == "__main__":
    main()
