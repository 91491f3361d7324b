"""The proposals shipped with the package, on posters that were held out of their training."""

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
SCENE = "scenes/319.jpg"  # a scene that shows the query p04


@pytest.fixture(scope="module")
def unseen(posters: Bench) -> Bench:
    """The scenes that show a poster held out of the training, and ``SCENE``."""
    collection = posters.collection
    shown = {
        image
        for query, grades in collection.relevance.items()
        for image in grades
        if int(query[1:]) // MEMBERS in HELD_OUT
    }
    images = tuple(image for image in collection.images if image in shown or image == SCENE)
    return Bench(replace(collection, images=images), posters.options)


def test_shipped_proposals_cover_posters_held_out_of_training(unseen: Bench) -> None:
    collection = described(unseen, PIPELINE)
    recall = proposal_recall(collection, (5, 20), 0.7, lambda image: image != SCENE).set_index("regions")
    assert recall["proposals"][20] > 0.75 and recall["rmac"][20] < 0.25
    assert recall["moved"][5] > recall["proposals"][5]


def test_the_located_box_matches_the_outline_of_the_query_poster(unseen: Bench) -> None:
    corners = unseen.collection.quadrilaterals["p04", SCENE]
    location = unseen.locate("p04", SCENE, pipeline=PIPELINE)
    outline = np.concatenate([np.min(corners, 0), np.max(corners, 0)])
    sides = np.tile(location.size, 2)
    assert np.abs(np.array(location.box) / sides - outline.clip(0, sides) / sides).max() < 0.1


def test_the_card_records_the_training() -> None:
    shipped = rpn.load(SHIPPED_WEIGHTS / "proposals_efficientnet_lite0.safetensors")
    assert shipped.about["command"].startswith("workbench train proposals posters")
    assert [figure["number"] for figure in shipped.about["figures"]] == list(
        range(shipped.about["epochs"] + 1)
    )
    assert len(shipped.pictures) == 3
    assert (SHIPPED_WEIGHTS / "proposals_efficientnet_lite0.safetensors").stat().st_size < 20_000_000
