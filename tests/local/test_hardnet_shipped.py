"""The HardNet that comes with the package: its card, its size, and that it beats RootSIFT on a known view."""

from __future__ import annotations

import cv2
import numpy as np

from tests.support.things import THINGS, thing
from workbench.learning.hardnet.correspondence import match_keypoints
from workbench.learning.hardnet.loss import false_positives
from workbench.learning.hardnet.patch_pairs import random_view
from workbench.local import hardnet, keypoints
from workbench.local.patches import cut_patches
from workbench.local.verification import match


def test_it_is_small_and_tells_what_made_it() -> None:
    assert hardnet.SHIPPED.stat().st_size < 3_000_000
    card = hardnet.card(hardnet.SHIPPED)
    assert card["command"] == "workbench train hardnet imagenet_sample --name hardnet"
    assert {"photos", "places", "patches", "steps", "seed", "size", "threads"} <= set(card)
    assert [epoch["number"] for epoch in card["figures"]] == list(range(1, 8))
    assert card["figures"][-1]["false_positives"] < card["figures"][0]["false_positives"] / 5


def test_it_tells_patches_apart_better_than_rootsift_on_photos_it_never_saw() -> None:
    describe = hardnet.load_describer(hardnet.SHIPPED)
    wrong: dict[str, list[float]] = {"RootSIFT": [], "HardNet": []}
    right: dict[str, list[int]] = {"RootSIFT": [], "HardNet": []}
    for number, name in enumerate(THINGS):
        photo = np.asarray(thing(name).resize((480, 360)))
        other, matrix = random_view(photo, np.random.default_rng([7, number]))
        sides = []
        for grey in (np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)), other):
            points, sift = keypoints.sift(grey)
            sides.append(
                (points, {"RootSIFT": keypoints.root(sift), "HardNet": describe(cut_patches(grey, points))})
            )
        (here, ours), (there, theirs) = sides
        pairs = match_keypoints(here, there, matrix)
        truth = set(map(tuple, pairs.tolist()))
        assert len(pairs) >= 30
        for method in wrong:
            a, b = ours[method][pairs[:, 0]], theirs[method][pairs[:, 1]]
            distances = 2 - 2 * a @ b.T
            apart = np.linalg.norm(there[pairs[:, 1], None, :2] - there[None, pairs[:, 1], :2], axis=2)
            wrong[method].append(false_positives(np.diagonal(distances), distances[apart > 32]))
            found, _, _ = match(ours[method], theirs[method])
            right[method].append(len(truth & set(map(tuple, found.tolist()))))
    ratios = np.array(wrong["HardNet"]) / wrong["RootSIFT"]
    assert (ratios < 1).all()  # also of coins and galaxies, which are all alike
    assert np.median(ratios) < 0.5
    assert sum(right["HardNet"]) > sum(right["RootSIFT"])
