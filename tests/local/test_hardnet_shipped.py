"""The HardNet of the package: its card, its size, and its comparison with RootSIFT on known views."""

from __future__ import annotations

import cv2
import numpy as np

from tests.support.things import THINGS, thing
from workbench.learning.hardnet.correspondence import match_keypoints
from workbench.learning.hardnet.loss import false_positives
from workbench.learning.hardnet.patch_pairs import random_view
from workbench.local import hardnet, keypoints
from workbench.local.nearest_neighbours import match
from workbench.local.patches import cut_patches


def test_the_shipped_file_is_small_and_its_card_is_complete() -> None:
    assert hardnet.SHIPPED.stat().st_size < 3_000_000
    card = hardnet.card(hardnet.SHIPPED)
    assert card["command"] == "workbench train hardnet imagenet_sample --name hardnet"
    assert {"photos", "places", "patches", "steps", "seed", "size", "threads"} <= set(card)
    assert [epoch["number"] for epoch in card["figures"]] == list(range(1, 8))
    assert card["figures"][-1]["false_positives"] < card["figures"][0]["false_positives"] / 5


def test_the_shipped_hardnet_separates_patches_of_unseen_photos_better_than_rootsift() -> None:
    describe = hardnet.load_describer(hardnet.SHIPPED)
    false_rates: dict[str, list[float]] = {"RootSIFT": [], "HardNet": []}
    correct_matches: dict[str, list[int]] = {"RootSIFT": [], "HardNet": []}
    for number, name in enumerate(THINGS):
        photo = np.asarray(thing(name).resize((480, 360)))
        other, matrix = random_view(photo, np.random.default_rng([7, number]))
        sides = []
        for grey in (np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)), other):
            points, sift = keypoints.sift(grey)
            sides.append(
                (points, {"RootSIFT": keypoints.root(sift), "HardNet": describe(cut_patches(grey, points))})
            )
        (points_of_photo, vectors_of_photo), (points_of_view, vectors_of_view) = sides
        pairs = match_keypoints(points_of_photo, points_of_view, matrix)
        truth = set(map(tuple, pairs.tolist()))
        assert len(pairs) >= 30
        for method in false_rates:
            a, b = vectors_of_photo[method][pairs[:, 0]], vectors_of_view[method][pairs[:, 1]]
            distances = 2 - 2 * a @ b.T
            spacing = np.linalg.norm(
                points_of_view[pairs[:, 1], None, :2] - points_of_view[None, pairs[:, 1], :2], axis=2
            )
            false_rates[method].append(false_positives(np.diagonal(distances), distances[spacing > 32]))
            matched = match(vectors_of_photo[method], vectors_of_view[method]).pairs
            correct_matches[method].append(len(truth & set(map(tuple, matched.tolist()))))
    ratios = np.array(false_rates["HardNet"]) / false_rates["RootSIFT"]
    assert (ratios < 1).all()  # also for coins and galaxies, whose patches resemble each other
    assert np.median(ratios) < 0.5
    assert sum(correct_matches["HardNet"]) > sum(correct_matches["RootSIFT"])
