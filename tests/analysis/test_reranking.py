"""Re-rankers compared: the numbers of an evaluation, the classes of pairs, and what cannot be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.benches import opened
from tests.support.pictures import folder_of
from tests.support.studies import reranked
from tests.support.things import thing
from workbench.analysis.pair_classes import measure_pair, repeated_keypoints
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.evaluation.intervals import share_interval
from workbench.learning.hardnet.correspondence import transform_keypoints
from workbench.local.describers import describer
from workbench.local.feature_store import extract
from workbench.local.features import LocalFeatures
from workbench.local.nearest_neighbours import match

PIPELINE = "efficientnet_lite0/max/whole"
SIZE = (400, 300)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = folder_of(tmp_path_factory.mktemp("photos"), 8, kinds=2)
    return opened(folder, tmp_path_factory.mktemp("cache"), size=128)


def test_a_method_has_the_map_of_the_pipeline_that_it_makes(bench: Bench) -> None:
    methods = ["aqe:2", "sv:4", "sv-affine-single:4", "sv:4/aqe:2", "kreciprocal:3:2:0.3"]
    compared = bench.studies.reranking(PIPELINE, methods=methods, queries=None)
    assert [method.name for method in compared.methods] == ["none", *methods]
    for method in compared.methods:
        whole = PIPELINE if method.name == "none" else f"{PIPELINE}/{method.name}"
        assert method.mean_ap == pytest.approx(bench.evaluate(whole, localise=False).mean_ap, abs=1e-6)
    assert compared.verifying == ["sv:4", "sv-affine-single:4"]
    first, counts = compared.method("sv:4"), compared.method("sv:4")
    assert first.pair_milliseconds > 0 and counts.positives is not None and counts.negatives is not None
    # The query itself is the first of its four results, and neither positive nor negative.
    assert counts.positives.total + counts.negatives.total == 8 * 3


def test_pairs_are_the_positives_and_seeded(bench: Bench) -> None:
    one, other = (bench.studies.reranking(PIPELINE, methods=["sv:4"], queries=5, pairs=7) for _ in range(2))
    assert one.pairs.equals(other.pairs) and one.queries == other.queries and len(one.pairs) == 7
    collection = bench.collection
    for query, image in zip(one.pairs["query"], one.pairs["image"], strict=True):
        assert collection.relevance[query][image] == "positive" and query in one.queries
        assert (
            bench.match(query, image, pipeline=f"{PIPELINE}/sv:4").inliers
            == one.pairs.loc[(one.pairs["query"] == query) & (one.pairs["image"] == image), "sv:4"].item()
        )


def test_what_is_not_a_reranking_step_is_left_out_with_the_reason(bench: Bench) -> None:
    compared = bench.studies.reranking(PIPELINE, methods=["pq:4", "he:24", "dba:2", "sv-affin:2"], pairs=2)
    assert [method.name for method in compared.methods] == ["none"]
    assert "does not re-rank" in compared.left_out["pq:4"]
    assert "valid with bow" in compared.left_out["he:24"]
    assert "changes the database" in compared.left_out["dba:2"]
    assert "affin" in compared.left_out["sv-affin:2"]


def test_a_method_without_a_step_changes_nothing(bench: Bench) -> None:
    compared = bench.studies.reranking(PIPELINE, methods=["exact"], pairs=2)
    assert [method.name for method in compared.methods] == ["none", "exact"]
    assert np.array_equal(compared.methods[0].aps, compared.methods[1].aps)


def test_it_can_be_cancelled_and_needs_ground_truth(bench: Bench, tmp_path: Path) -> None:
    def stop(task: str, done: int, total: int) -> None:
        if task == "verifying" and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.studies.reranking(PIPELINE, methods=["sv:4"], progress=stop)
    unlabelled = opened(folder_of(tmp_path / "photos", 3), tmp_path / "cache", labels="none")
    with pytest.raises(WorkbenchError, match="ground truth"):
        unlabelled.studies.reranking(PIPELINE)


def test_shares_and_examples_are_counted_by_hand() -> None:
    compared = reranked(["sv:4", "sv-affine:4"])
    shares = compared.classes.set_index(["class", "method"])
    assert (
        shares.loc[("all", "sv:4"), "verified"] == 1 and shares.loc[("all", "sv-affine:4"), "verified"] == 2
    )
    assert shares.loc[("planar", "sv:4"), "share"] == 0.5
    assert shares["share"].isna()[("wide baseline", "sv:4")]
    planar = compared.examples[compared.examples["class"] == "planar"]
    assert planar["methods"].tolist() == [0, 2] and planar["query"].tolist() == ["c", "a"]
    assert compared.examples["class"].tolist().count("few keypoints") == 1  # there is one pair


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Of 10, 5: (0.5 + z²/20 ± z √(0.025 + z²/400)) / (1 + z²/10) with z = 1.96: 0.237 to 0.763."""
    assert share_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    ends = share_interval(0, 10)[0], share_interval(10, 10)[1]
    assert ends == pytest.approx((0, 1)) and ends[0] >= 0 and ends[1] <= 1
    assert np.isnan(share_interval(0, 0)).all()


def pair_of(model: np.ndarray, count: int = 80) -> tuple[LocalFeatures, LocalFeatures]:
    """Two pictures of ``count`` keypoints, the second moved by a homography; their matches are exact."""
    rng = np.random.default_rng(3)
    places = rng.uniform(20, 200, (count, 2))
    points = np.column_stack([places, np.full(count, 6), np.zeros(count)])
    vectors = rng.standard_normal((count, 128))
    stored = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    moved = transform_keypoints(points, model).astype(np.float32)
    return LocalFeatures(points.astype(np.float32), stored, SIZE), LocalFeatures(moved, stored, SIZE)


def measured(model: np.ndarray, count: int = 80, outline: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    pair = pair_of(model, count)
    return measure_pair(*pair, match(pair[0].descriptors, pair[1].descriptors), 0, outline)


def test_a_change_of_view_is_measured() -> None:
    """Turned by 90° and three times as large: the area changes 9 times; without tilt, and planar."""
    turned = measured(np.array([[0, -3.0, 700], [3, 0, 10], [0, 0, 1]]))
    assert (turned.area, turned.turn, turned.tilt) == pytest.approx((9, 90, 1), abs=0.01)
    assert turned.planarity > 0.95 and turned.classes == ("planar", "wide baseline")
    near = measured(np.array([[1.0, 0, 20], [0, 1, 5], [0, 0, 1]]))
    assert near.classes == ("planar",)


def test_few_keypoints_are_those_inside_the_outline() -> None:
    model = np.eye(3)
    assert measured(model, 40).classes == ("planar", "few keypoints")
    # The object covers the left half of the picture, squeezed to half its width: a tilt of 2.
    half = np.array([[0, 0], [200, 0], [200, 300], [0, 300]], float)
    squeezed = measured(model, 300, half)
    inside = int((pair_of(model, 300)[1].points[:, 0] <= 200).sum())
    assert squeezed.keypoints == inside and squeezed.tilt == pytest.approx(2)
    tiny = np.array([[0, 0], [30, 0], [30, 30], [0, 30]], float)
    assert "few keypoints" in measured(model, 300, tiny).classes


def test_repeated_structure_is_found_in_a_picture_with_itself_beside_it() -> None:
    photo = np.asarray(thing("chelsea"))
    single, twice = (
        repeated_keypoints(extract(np.ascontiguousarray(picture), describer("sift", None)))
        for picture in (photo, np.hstack([photo, photo]))
    )
    assert twice > 200 > 16 > single
