"""ONE against a plain loop; classes, votes, and invalid requests."""

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
    """Region descriptors of an image, by the pipeline on crops of nothing but themselves."""
    ready = described(bench, pipeline)
    return describe_regions(ready, ready.maps(ready.image_rows()[image])[0]).vectors


def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None] - b[None]) ** 2).sum(-1)


def test_ranked_by_the_mean_of_nearest_regions(bench: Bench) -> None:
    query, images = bench.collection.images[2], bench.collection.images
    asked = regions(bench, query)
    expected = {one: 1 - squared(asked, regions(bench, one)).min(1).mean() / 2 for one in images}
    found = bench.regions.rank(query, pipeline=PIPELINE, k=None)
    assert found["image_id"].to_list() == sorted(images, key=lambda one: -expected[one])
    np.testing.assert_allclose(found["score"], sorted(expected.values(), reverse=True), atol=1e-5)
    assert list(found.columns) == ["rank", "image_id", "score", "relevance"]
    assert found["image_id"][0] == query and found["score"][0] == pytest.approx(1, abs=1e-5)


def test_classes_by_the_same_distances_and_their_votes(bench: Bench) -> None:
    query = next(one for one in bench.collection.images if one.startswith("kind1/"))
    asked, labels = regions(bench, query), bench.collection.labels
    found = bench.classify(query, pipeline=PIPELINE)
    assert sorted(found["label"]) == ["kind0", "kind1", "kind2", "kind3"] and found["label"][0] == "kind1"
    for label, score, images, votes in found.itertuples(index=False, name=None):
        members = [one for one in bench.collection.images if labels[one] == label and one != query]
        assert images == len(members)
        apart = np.stack([squared(asked, regions(bench, one)) for one in members], 1)  # [Q, images, regions]
        assert score == pytest.approx(1 - apart.min((1, 2)).mean() / 2, abs=1e-5)
        assert [vote.region for vote in votes] == [0, 1, 2, 3]
        assert np.mean([vote.similarity for vote in votes]) == pytest.approx(score, abs=1e-5)
        for vote, distances in zip(votes, apart, strict=True):
            assert isinstance(vote, Vote) and vote.image_id in members
            assert vote.similarity == pytest.approx(1 - distances.min() / 2, abs=1e-5)
    assert votes[0].box == (0, 0, 0.5, 0.5) or votes[0].box[2] <= 0.75


def test_a_class_of_the_query_alone_stands_last(bench: Bench) -> None:
    query = next(one for one in bench.collection.images if one.startswith("kind3/"))
    found = bench.classify(query, pipeline=PIPELINE)
    last = found.iloc[-1]
    assert (
        last["label"] == "kind3" and np.isnan(last["score"]) and last["images"] == 0 and last["votes"] == []
    )
    assert found["score"][:3].notna().all()
    other = next(one for one in bench.collection.images if one.startswith("kind0/"))
    assert bench.classify(other, pipeline=PIPELINE).set_index("label").loc["kind3", "images"] == 1


def test_a_file_of_the_collection_has_no_vote_itself(bench: Bench) -> None:
    query = bench.collection.images[0]
    by_path = bench.classify(bench.collection.path(query), pipeline=PIPELINE)
    assert by_path["label"].to_list() == bench.classify(query, pipeline=PIPELINE)["label"].to_list()
    assert all(vote.image_id != query for votes in by_path["votes"] for vote in votes)


def test_codes_and_asking_offline(bench: Bench) -> None:
    coded, query = f"{PIPELINE}/pq:3", bench.collection.images[3]
    online, offline = (
        bench.regions.rank(query, pipeline=coded, k=None),
        bench.regions.rank(query, pipeline=coded, k=None, online=False),
    )
    assert offline["image_id"][0] == query and offline["score"][0] == pytest.approx(1, abs=1e-5)
    assert online["score"][0] < 1  # from what it is to what its codes stand for
    exactly = bench.regions.rank(query, pipeline=PIPELINE, k=None)
    assert np.abs(online.set_index("image_id")["score"] - exactly.set_index("image_id")["score"]).max() < 0.3
    alike = bench.regions.rank(query, pipeline=PIPELINE, k=None, online=False)
    np.testing.assert_allclose(alike["score"], exactly["score"], atol=1e-5)


def test_with_one_region_it_is_plain_search(bench: Bench) -> None:
    pipeline, query = f"{NETWORK}/mean/whole", bench.collection.images[5]
    plain, found = (
        bench.search(query, pipeline=pipeline, k=None),
        bench.regions.rank(query, pipeline=pipeline, k=None),
    )
    assert plain["image_id"].to_list() == found["image_id"].to_list()
    np.testing.assert_allclose(plain["score"], found["score"], atol=1e-5)


def test_what_cannot_be(bench: Bench, tmp_path: Path) -> None:
    query = bench.collection.images[0]
    with pytest.raises(WorkbenchError, match="k is 0"):
        bench.regions.rank(query, pipeline=PIPELINE, k=0)
    with pytest.raises(WorkbenchError, match=r"index ivf:4.*valid: exact, pq:M, opq:M"):
        bench.regions.rank(query, pipeline=f"{PIPELINE}/ivf:4")
    with pytest.raises(WorkbenchError, match="can only be asked online"):
        bench.classify(query, pipeline=PIPELINE, box=(0, 0, 50, 50), online=False)
    bare = wb.open(folder_of(tmp_path, 3), cache=bench.options.cache, size=160)
    with pytest.raises(WorkbenchError, match=r"has no labels, so there are no classes"):
        bare.classify(bare.collection.images[0], pipeline=f"{NETWORK}/mean/grid:2x2")
