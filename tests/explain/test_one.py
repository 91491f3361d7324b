"""Votes and heatmaps of ONE sum to its scores, for images and classes, with exact and coded vectors."""

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
def test_votes_and_heatmaps_sum_to_the_score(bench: Bench, pipeline: str) -> None:
    query, other = bench.collection.images[2], bench.collection.images[7]
    scores = bench.regions.rank(query, pipeline=pipeline, k=None).set_index("image_id")["score"]
    classes = bench.classify(query, pipeline=pipeline).set_index("label")
    cases: list[tuple[dict[str, Any], float]] = [
        ({"image_id": other}, scores[other]),
        ({"label": "kind1"}, classes["score"]["kind1"]),
    ]
    for target, score in cases:
        evidence = bench.regions.evidence(query, **target, pipeline=pipeline)
        assert evidence.score == pytest.approx(score, abs=1e-4)
        heat = sum(float(heatmap.sum(dtype=np.float64)) for heatmap in evidence.image_heatmaps.values())
        for total in (
            evidence.votes["contribution"].sum(),
            float(evidence.query_heatmap.sum(dtype=np.float64)),
            heat,
        ):
            assert total + evidence.constant == pytest.approx(evidence.score, abs=1e-4)
        assert "pq" in pipeline or evidence.constant == 0
        assert sorted(evidence.votes["query_region"]) == list(range(len(evidence.query_regions)))
        assert set(evidence.votes["image_id"]) == set(evidence.image_heatmaps) == set(evidence.image_regions)


def test_votes_equal_those_of_the_classification(bench: Bench) -> None:
    query = bench.collection.images[2]
    first = bench.classify(query, pipeline=PIPELINES[1]).iloc[0]
    evidence = bench.regions.evidence(query, label=first["label"], pipeline=PIPELINES[1])
    assert query not in evidence.image_heatmaps
    for region, image, image_region, contribution in evidence.votes.itertuples(index=False, name=None):
        vote = first["votes"][region]
        assert vote.image_id == image
        np.testing.assert_allclose(evidence.query_regions[region], vote.box, atol=1e-6)
        np.testing.assert_allclose(evidence.image_regions[image][image_region], vote.image_box, atol=1e-6)
        assert contribution == pytest.approx(vote.similarity / len(first["votes"]), abs=1e-5)


def test_evidence_by_one_region_equals_the_explanation_of_the_search(bench: Bench) -> None:
    query, other = bench.collection.images[2], bench.collection.images[7]
    evidence = bench.regions.evidence(query, image_id=other, pipeline=f"{NETWORK}/max/whole/pcaw:6")
    explanation = bench.explain(query, other, pipeline=f"{NETWORK}/max/whole/pcaw:6")
    assert evidence.score == pytest.approx(explanation.score, abs=1e-5)
    np.testing.assert_allclose(evidence.query_heatmap, explanation.query_heatmap, atol=1e-5)
    np.testing.assert_allclose(evidence.image_heatmaps[other], explanation.image_heatmap, atol=1e-5)


def test_a_decoded_picture_is_a_valid_query(bench: Bench, tmp_path: Path) -> None:
    picture = bench.picture(bench.collection.images[4])
    evidence = bench.regions.evidence(picture, image_id=bench.collection.images[4], pipeline=PIPELINES[0])
    assert evidence.score == pytest.approx(1, abs=2e-2)  # the picture has the pixels of the decoded file


def test_invalid_requests_are_refused(bench: Bench) -> None:
    query = bench.collection.images[0]
    single = next(image for image in bench.collection.images if image.startswith("kind3/"))
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "of an image_id or of a label"),
        ({"image_id": "nowhere.jpg"}, "'nowhere.jpg' is not an image of"),
        ({"label": "nothing"}, "'nothing' is not a label; valid: kind0, kind1, kind2, kind3"),
    ]
    for target, message in cases:
        with pytest.raises(WorkbenchError, match=message):
            bench.regions.evidence(query, **target, pipeline=PIPELINES[0])
    with pytest.raises(WorkbenchError, match="'kind3' has no image but the query itself"):
        bench.regions.evidence(single, label="kind3", pipeline=PIPELINES[0])
