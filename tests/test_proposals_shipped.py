"""The proposals that come with the package, on posters that were held out of their training."""

from __future__ import annotations

import numpy as np

from tests.benches import described
from workbench.collections.poster_art import MEMBERS
from workbench.descriptors import detector
from workbench.descriptors.attention import SHIPPED
from workbench.learning.scenes import HELD_OUT
from workbench.pipeline import Workbench
from workbench.recalling import proposal_recall

PIPELINE = "efficientnet_lite0/max/proposals:20"


def test_they_find_posters_that_training_did_not_show(posters: Workbench) -> None:
    unseen = {
        image
        for query, grades in posters.collection.relevance.items()
        for image in grades
        if int(query[1:]) // MEMBERS in HELD_OUT
    }
    ready = described(posters, PIPELINE)
    found = proposal_recall(ready, (5, 20), 0.7, unseen.__contains__).set_index("regions")
    assert found["proposals"][20] > 0.75 and found["rmac"][20] < 0.25
    assert found["moved"][5] > found["proposals"][5]


def test_boxes_lie_on_what_was_asked_for(posters: Workbench) -> None:
    corners = posters.collection.quadrilaterals["p04", "scenes/319.jpg"]
    found = posters.locate("p04", "scenes/319.jpg", PIPELINE)
    outline = np.concatenate([np.min(corners, 0), np.max(corners, 0)])
    sides = np.tile(found.size, 2)
    assert np.abs(np.array(found.box) / sides - outline.clip(0, sides) / sides).max() < 0.1


def test_the_card_says_how_they_were_made() -> None:
    shipped = detector.load(SHIPPED / "proposals_efficientnet_lite0.safetensors")
    assert shipped.about["command"].startswith("workbench train proposals posters")
    assert [one["number"] for one in shipped.about["figures"]] == list(range(shipped.about["epochs"] + 1))
    assert len(shipped.pictures) == 3
    assert (SHIPPED / "proposals_efficientnet_lite0.safetensors").stat().st_size < 20_000_000
