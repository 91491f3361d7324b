"""ONE (online nearest-neighbour estimation) against a plain loop; classes, votes, and invalid requests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.support.benches import described
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, with_a_class_of_one
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.engine.one import Vote, describe_regions

PIPELINE = f"{NETWORK}/mean/grid:2x2/pca:6"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = with_a_class_of_one(tmp_path_factory.mktemp("pictures"))
    return wb.open(folder, "folders", cache=tmp_path_factory.mktemp("cache"), size=160)


def regions(bench: Bench, image: str, pipeline: str = PIPELINE) -> np.ndarray:
    """Region descriptors [R, D] of an image of the collection, by the pipeline."""
    prepared = described(bench, pipeline)
    return describe_regions(prepared, prepared.maps(prepared.image_rows()[image])[0]).vectors


def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None] - b[None]) ** 2).sum(-1)


def test_rank_scores_by_the_mean_similarity_of_nearest_regions(bench: Bench) -> None:
    query, images = bench.collection.images[2], bench.collection.images
    query_regions = regions(bench, query)
    expected = {
        image: 1 - squared(query_regions, regions(bench, image)).min(1).mean() / 2 for image in images
    }
    ranking = bench.regions.rank(query, pipeline=PIPELINE, k=None)
    assert ranking["image_id"].to_list() == sorted(images, key=lambda image: -expected[image])
    np.testing.assert_allclose(ranking["score"], sorted(expected.values(), reverse=True), atol=1e-5)
    assert list(ranking.columns) == ["rank", "image_id", "score", "relevance"]
    assert ranking["image_id"][0] == query and ranking["score"][0] == pytest.approx(1, abs=1e-5)


def test_class_scores_and_votes_equal_those_of_a_plain_loop(bench: Bench) -> None:
    query = next(image for image in bench.collection.images if image.startswith("kind1/"))
    query_regions, labels = regions(bench, query), bench.collection.labels
    classes = bench.classify(query, pipeline=PIPELINE)
    assert sorted(classes["label"]) == ["kind0", "kind1", "kind2", "kind3"] and classes["label"][0] == "kind1"
    for label, score, count, votes in classes.itertuples(index=False, name=None):
        members = [image for image in bench.collection.images if labels[image] == label and image != query]
        assert count == len(members)
        distances = np.stack(
            [squared(query_regions, regions(bench, image)) for image in members], 1
        )  # [Q, images, regions]
        assert score == pytest.approx(1 - distances.min((1, 2)).mean() / 2, abs=1e-5)
        assert [vote.region for vote in votes] == [0, 1, 2, 3]
        assert np.mean([vote.similarity for vote in votes]) == pytest.approx(score, abs=1e-5)
        for vote, to_images in zip(votes, distances, strict=True):
            assert isinstance(vote, Vote) and vote.image_id in members
            assert vote.similarity == pytest.approx(1 - to_images.min() / 2, abs=1e-5)
    assert votes[0].box == (0, 0, 0.5, 0.5) or votes[0].box[2] <= 0.75


def test_a_class_that_contains_only_the_query_is_last(bench: Bench) -> None:
    query = next(image for image in bench.collection.images if image.startswith("kind3/"))
    classes = bench.classify(query, pipeline=PIPELINE)
    last = classes.iloc[-1]
    assert (
        last["label"] == "kind3" and np.isnan(last["score"]) and last["images"] == 0 and last["votes"] == []
    )
    assert classes["score"][:3].notna().all()
    other = next(image for image in bench.collection.images if image.startswith("kind0/"))
    assert bench.classify(other, pipeline=PIPELINE).set_index("label").loc["kind3", "images"] == 1


def test_a_query_given_by_its_path_does_not_vote_for_itself(bench: Bench) -> None:
    query = bench.collection.images[0]
    by_path = bench.classify(bench.collection.path(query), pipeline=PIPELINE)
    assert by_path["label"].to_list() == bench.classify(query, pipeline=PIPELINE)["label"].to_list()
    assert all(vote.image_id != query for votes in by_path["votes"] for vote in votes)


def test_product_codes_online_and_offline(bench: Bench) -> None:
    coded, query = f"{PIPELINE}/pq:3", bench.collection.images[3]
    online, offline = (
        bench.regions.rank(query, pipeline=coded, k=None),
        bench.regions.rank(query, pipeline=coded, k=None, online=False),
    )
    assert offline["image_id"][0] == query and offline["score"][0] == pytest.approx(1, abs=1e-5)
    assert online["score"][0] < 1  # distances of the exact query to decoded database vectors
    uncoded = bench.regions.rank(query, pipeline=PIPELINE, k=None)
    assert np.abs(online.set_index("image_id")["score"] - uncoded.set_index("image_id")["score"]).max() < 0.3
    uncoded_offline = bench.regions.rank(query, pipeline=PIPELINE, k=None, online=False)
    np.testing.assert_allclose(uncoded_offline["score"], uncoded["score"], atol=1e-5)


def test_ranking_by_one_region_equals_search(bench: Bench) -> None:
    pipeline, query = f"{NETWORK}/mean/whole", bench.collection.images[5]
    searched, by_regions = (
        bench.search(query, pipeline=pipeline, k=None),
        bench.regions.rank(query, pipeline=pipeline, k=None),
    )
    assert searched["image_id"].to_list() == by_regions["image_id"].to_list()
    np.testing.assert_allclose(searched["score"], by_regions["score"], atol=1e-5)


def test_invalid_requests_are_refused(bench: Bench, tmp_path: Path) -> None:
    query = bench.collection.images[0]
    with pytest.raises(WorkbenchError, match="k is 0"):
        bench.regions.rank(query, pipeline=PIPELINE, k=0)
    with pytest.raises(WorkbenchError, match=r"index ivf:4.*valid: exact, pq:M, opq:M"):
        bench.regions.rank(query, pipeline=f"{PIPELINE}/ivf:4")
    with pytest.raises(WorkbenchError, match="can only be asked online"):
        bench.classify(query, pipeline=PIPELINE, box=(0, 0, 50, 50), online=False)
    unlabelled = wb.open(folder_of(tmp_path, 3), cache=bench.options.cache, size=160)
    with pytest.raises(WorkbenchError, match=r"has no labels, so there are no classes"):
        unlabelled.classify(unlabelled.collection.images[0], pipeline=f"{NETWORK}/mean/grid:2x2")
