"""The proposals that come with the package, on posters that were held out of their training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.benches import described
from workbench.analysis.proposal_recall import proposal_recall
from workbench.bench.bench import Bench
from workbench.collections.posters.art import MEMBERS
from workbench.descriptors import rpn
from workbench.features.cards import SHIPPED_WEIGHTS
from workbench.learning.proposals.scenes import HELD_OUT

PIPELINE = "efficientnet_lite0/max/proposals:20"
SCENE = "scenes/319.jpg"  # of the query p04


@pytest.fixture(scope="module")
def unseen(posters: Bench) -> Bench:
    """The scenes that show a poster held out of the training, and one scene more."""
    collection = posters.collection
    shown = {
        image
        for query, grades in collection.relevance.items()
        for image in grades
        if int(query[1:]) // MEMBERS in HELD_OUT
    }
    images = tuple(image for image in collection.images if image in shown or image == SCENE)
    return Bench(replace(collection, images=images), posters.options)


def test_they_find_posters_that_training_did_not_show(unseen: Bench) -> None:
    ready = described(unseen, PIPELINE)
    found = proposal_recall(ready, (5, 20), 0.7, lambda image: image != SCENE).set_index("regions")
    assert found["proposals"][20] > 0.75 and found["rmac"][20] < 0.25
    assert found["moved"][5] > found["proposals"][5]


def test_boxes_lie_on_what_was_asked_for(unseen: Bench) -> None:
    corners = unseen.collection.quadrilaterals["p04", SCENE]
    found = unseen.locate("p04", SCENE, pipeline=PIPELINE)
    outline = np.concatenate([np.min(corners, 0), np.max(corners, 0)])
    sides = np.tile(found.size, 2)
    assert np.abs(np.array(found.box) / sides - outline.clip(0, sides) / sides).max() < 0.1


def test_the_card_says_how_they_were_made() -> None:
    shipped = rpn.load(SHIPPED_WEIGHTS / "proposals_efficientnet_lite0.safetensors")
    assert shipped.about["command"].startswith("workbench train proposals posters")
    assert [one["number"] for one in shipped.about["figures"]] == list(range(shipped.about["epochs"] + 1))
    assert len(shipped.pictures) == 3
    assert (SHIPPED_WEIGHTS / "proposals_efficientnet_lite0.safetensors").stat().st_size < 20_000_000
