"""The votes and the heat of ONE add up to its scores, for images and classes, exact and coded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import with_a_class_of_one
from tests.support.proposals import keep
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options

PIPELINES = [
    f"{NETWORK}/mean/grid:2x2/pca:6",
    f"{NETWORK}/max/rmac:3/pcaw:5",
    f"{NETWORK}/gem:3/rmac+:2",
    f"{NETWORK}/mean/rmac:2/power:0.5/pca:6",
    f"{NETWORK}/mean/whole",
    f"{NETWORK}/max/proposals:6:mine/pca:6",
    f"{NETWORK}/mean/grid:2x2/pca:6/pq:3",
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = with_a_class_of_one(tmp_path_factory.mktemp("pictures"))
    cache = tmp_path_factory.mktemp("cache")
    keep(Options(size=160, cache=cache), NETWORK, "mine", 1.0)
    return wb.open(folder, "folders", cache=cache, size=160)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_all_parts_add_up_to_the_score(bench: Bench, pipeline: str) -> None:
    query, other = bench.collection.images[2], bench.collection.images[7]
    ranked = bench.regions.rank(query, pipeline=pipeline, k=None).set_index("image_id")["score"]
    classes = bench.classify(query, pipeline=pipeline).set_index("label")
    cases: list[tuple[dict[str, Any], float]] = [
        ({"image_id": other}, ranked[other]),
        ({"label": "kind1"}, classes["score"]["kind1"]),
    ]
    for asked, score in cases:
        why = bench.regions.evidence(query, **asked, pipeline=pipeline)
        assert why.score == pytest.approx(score, abs=1e-4)
        heat = sum(float(one.sum(dtype=np.float64)) for one in why.image_heatmaps.values())
        for total in (why.votes["contribution"].sum(), float(why.query_heatmap.sum(dtype=np.float64)), heat):
            assert total + why.constant == pytest.approx(why.score, abs=1e-4)
        assert "pq" in pipeline or why.constant == 0
        assert sorted(why.votes["query_region"]) == list(range(len(why.query_regions)))
        assert set(why.votes["image_id"]) == set(why.image_heatmaps) == set(why.image_regions)


def test_votes_are_those_that_classified(bench: Bench) -> None:
    query = bench.collection.images[2]
    first = bench.classify(query, pipeline=PIPELINES[1]).iloc[0]
    why = bench.regions.evidence(query, label=first["label"], pipeline=PIPELINES[1])
    assert query not in why.image_heatmaps
    for region, image, place, contribution in why.votes.itertuples(index=False, name=None):
        vote = first["votes"][region]
        assert vote.image_id == image
        np.testing.assert_allclose(why.query_regions[region], vote.box, atol=1e-6)
        np.testing.assert_allclose(why.image_regions[image][place], vote.image_box, atol=1e-6)
        assert contribution == pytest.approx(vote.similarity / len(first["votes"]), abs=1e-5)


def test_with_one_region_it_is_the_explanation_of_retrieval(bench: Bench) -> None:
    query, other = bench.collection.images[2], bench.collection.images[7]
    why = bench.regions.evidence(query, image_id=other, pipeline=f"{NETWORK}/max/whole/pcaw:6")
    plain = bench.explain(query, other, pipeline=f"{NETWORK}/max/whole/pcaw:6")
    assert why.score == pytest.approx(plain.score, abs=1e-5)
    np.testing.assert_allclose(why.query_heatmap, plain.query_heatmap, atol=1e-5)
    np.testing.assert_allclose(why.image_heatmaps[other], plain.image_heatmap, atol=1e-5)


def test_a_picture_that_is_not_of_the_collection(bench: Bench, tmp_path: Path) -> None:
    picture = bench.picture(bench.collection.images[4])
    why = bench.regions.evidence(picture, image_id=bench.collection.images[4], pipeline=PIPELINES[0])
    assert why.score == pytest.approx(1, abs=2e-2)  # the file is a JPEG's decoding, the same pixels


def test_what_cannot_be(bench: Bench) -> None:
    query = bench.collection.images[0]
    alone = next(one for one in bench.collection.images if one.startswith("kind3/"))
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "of an image_id or of a label"),
        ({"image_id": "nowhere.jpg"}, "'nowhere.jpg' is not an image of"),
        ({"label": "nothing"}, "'nothing' is not a label; valid: kind0, kind1, kind2, kind3"),
    ]
    for asked, said in cases:
        with pytest.raises(WorkbenchError, match=said):
            bench.regions.evidence(query, **asked, pipeline=PIPELINES[0])
    with pytest.raises(WorkbenchError, match="'kind3' has no image but the query itself"):
        bench.regions.evidence(alone, label="kind3", pipeline=PIPELINES[0])
