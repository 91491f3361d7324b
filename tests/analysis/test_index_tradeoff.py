"""Measures of indexes against values computed by hand, and properties that hold for any index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from tests.support.pictures import folder_of
from workbench.analysis.index_steps import valid_index_steps
from workbench.analysis.index_tradeoff import DEPTHS, Tradeoff
from workbench.analysis.pareto import pareto_front
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.search import faiss_index
from workbench.search.inspection import binary_codes, cell_statistics
from workbench.search.ranking import Ranking

PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"


@pytest.fixture(scope="module")
def bench(bench48: Bench) -> Bench:
    return bench48


@pytest.fixture(scope="module")
def tradeoff(bench: Bench) -> Tradeoff:
    return bench.tradeoff(
        ["exact", "ivf:8", "ivf:8:1", "ivf:8:8", "pq:4", "lsh:64", "hnsw:8"], pipeline=PIPELINE
    )


def test_exact_search_and_an_index_that_probes_all_cells_have_full_recall(tradeoff: Tradeoff) -> None:
    for name in ("exact", "ivf:8:8"):
        measurement = tradeoff.measured[name]
        assert measurement.recall == dict.fromkeys(DEPTHS, 1.0)
        assert (measurement.lost, measurement.error) == (0.0, "")
    assert tradeoff.measured["exact"].bytes == 4 * 16
    assert tradeoff.measured["pq:4"].bytes == 3  # four of 5 bits: 48 images allow no more than 32 centroids
    assert tradeoff.measured["lsh:64"].bytes == 8


def test_the_map_of_exact_search_is_that_of_the_evaluation(tradeoff: Tradeoff, bench: Bench) -> None:
    exact = tradeoff.measured["exact"].mean_ap
    assert exact == pytest.approx(bench.evaluate(PIPELINE).mean_ap)
    for measurement in tradeoff.measured.values():
        assert measurement.lost == pytest.approx(exact - measurement.mean_ap)


def test_more_probes_raise_recall_and_reuse_the_trained_index(tradeoff: Tradeoff) -> None:
    one_probe, default_probes, all_probes = (
        tradeoff.measured[name] for name in ("ivf:8:1", "ivf:8", "ivf:8:8")
    )
    for k in DEPTHS:
        assert one_probe.recall[k] <= default_probes.recall[k] <= all_probes.recall[k]
    assert one_probe.build_seconds == default_probes.build_seconds == all_probes.build_seconds


def test_recall_is_the_share_of_exact_results_that_are_retrieved(tradeoff: Tradeoff) -> None:
    collection = tradeoff.described.collection
    rows = [collection.images.index(query.image) for query in collection.queries]
    expected = recall_at_10(tradeoff, "ivf:8:1", rows)
    assert tradeoff.measured["ivf:8:1"].recall[10] == pytest.approx(expected)


def recall_at_10(tradeoff: Tradeoff, name: str, rows: list[int]) -> float:
    """Recall@10 of an index against exact search, averaged over the queries (the images at ``rows``)."""
    index, _ = tradeoff.index(name)
    shares = []
    for query, query_row in zip(tradeoff.queries, rows, strict=True):
        exact = np.argsort(-tradeoff.database @ query, kind="stable")
        expected = [row for row in exact if row != query_row][:10]
        retrieved = [row for row in index.search(query[None])[0].rows if row != query_row][:10]
        shares.append(len(set(expected) & set(retrieved)) / 10)
    return float(np.mean(shares))


def test_the_table_has_one_row_per_index(tradeoff: Tradeoff) -> None:
    table = tradeoff.table.set_index("index")
    assert list(table.index) == ["exact", "ivf:8", "ivf:8:1", "ivf:8:8", "pq:4", "lsh:64", "hnsw:8"]
    assert [table.loc["exact", f"recall@{k}"] for k in DEPTHS] == [1, 1, 1]
    assert table["queries_per_second"].min() > 0
    assert table["build_seconds"].min() >= 0


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("ivf:5000", "5000"),
        ("pq:7", "do not divide"),
        ("aqe:5", "is not an index"),
        ("nonsense", "is not an index"),
        ("pq:4,lsh:64", "keep one"),
        ("itq:256", "256"),
    ],
)
def test_an_invalid_index_reports_its_error_and_the_others_are_measured(
    bench: Bench, index: str, message: str
) -> None:
    tradeoff = bench.tradeoff([index, "exact"], pipeline=PIPELINE)
    first, second = tradeoff.measured.values()
    assert message in first.error
    assert np.isnan(first.mean_ap)
    assert second.recall[1] == 1.0
    assert list(tradeoff.table["error"] == "") == [False, True]


def test_recall_is_measured_without_ground_truth_and_map_is_nan(tmp_path: Path) -> None:
    bench = workbench.open(folder_of(tmp_path / "photos", 12), cache=tmp_path / "cache")
    tradeoff = bench.tradeoff(["exact", "pq:4", "lsh:32"], pipeline="efficientnet_lite0/mean/whole/pca:8")
    assert tradeoff.measured["exact"].recall[10] == 1.0
    rows = list(range(12))
    assert tradeoff.measured["lsh:32"].recall[10] == pytest.approx(recall_at_10(tradeoff, "lsh:32", rows))
    assert tradeoff.measured["pq:4"].recall[10] == pytest.approx(recall_at_10(tradeoff, "pq:4", rows))
    assert tradeoff.table["mean_ap"].isna().all() and tradeoff.table["lost"].isna().all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tiny_collections_give_a_measurement_or_an_error_message(tmp_path: Path, count: int) -> None:
    bench = workbench.open(folder_of(tmp_path / "photos", count), cache=tmp_path / "cache")
    tradeoff = bench.tradeoff(
        ["exact", "ivf:64", "hnsw:32", "lsh:64", "sh:64"], pipeline="efficientnet_lite0/mean/whole"
    )
    for measurement in tradeoff.measured.values():
        assert measurement.error or measurement.queries_per_second > 0
    assert "64" in tradeoff.measured["ivf:64"].error


def test_equal_images_in_another_order_count_as_retrieved(tradeoff: Tradeoff) -> None:
    """If all images are equal, the first result of any index scores as high as that of exact search."""
    same = Tradeoff(tradeoff.described, np.tile(tradeoff.database[:1], (len(tradeoff.database), 1)))
    assert same.measure("exact").recall[1] == same.measure("lsh:64").recall[1] == 1.0


def test_a_measurement_can_be_cancelled(bench: Bench, tradeoff: Tradeoff) -> None:
    def stop(label: str, done: int, total: int) -> None:
        raise Cancelled

    fresh = bench.tradeoff((), pipeline=PIPELINE)
    with pytest.raises(Cancelled):
        fresh.measure("ivf:8", stop)
    assert fresh.measured == {}
    assert fresh.measure("ivf:8").recall == tradeoff.measured["ivf:8"].recall


def test_an_index_string_contains_index_steps_only() -> None:
    assert [str(step) for step in valid_index_steps("pq:16,ivf:64")] == ["ivf:64", "pq:16"]
    assert valid_index_steps("exact") == ()
    with pytest.raises(WorkbenchError, match="'ivf:64/aqe:5'"):
        valid_index_steps("ivf:64/aqe:5")


# The Pareto front.


def test_the_pareto_front_equals_values_computed_by_hand() -> None:
    # Bytes (less is better) and recall (more is better); (1024, 0.95) is dominated by (1024, 1.0).
    points = [(16, 0.8), (32, 0.7), (64, 0.9), (1024, 1.0), (1024, 0.95), (float("nan"), 1.0)]
    assert pareto_front(points, (False, True)) == [True, False, True, True, False, False]
    assert pareto_front([(1, 1), (1, 1)], (True, True)) == [True, True]
    assert pareto_front([], (True, True)) == []


numbers = st.floats(-10, 10, allow_nan=False)


@given(st.lists(st.tuples(numbers, numbers), min_size=1), st.booleans(), st.booleans())
def test_a_point_is_on_the_front_if_and_only_if_no_point_dominates_it(
    points: list[tuple[float, float]], more_x: bool, more_y: bool
) -> None:
    def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
        x, y = ((a[0] - b[0]) * (1 if more_x else -1)), ((a[1] - b[1]) * (1 if more_y else -1))
        return x >= 0 and y >= 0 and (x > 0 or y > 0)

    front = pareto_front(points, (more_x, more_y))
    assert any(front)
    for point, on_front in zip(points, front, strict=True):
        assert on_front == (not any(dominates(other, point) for other in points))


# Cells and binary codes of an index.


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    samples = np.random.default_rng(3).normal(size=(200, 32)).astype(np.float32)
    return samples / np.linalg.norm(samples, axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["ivf:8:2", "ivf:8:2,pq:4", "ivf:8:2,opq:4", "imi:2:3", "ivf:8:2,lsh:64"])
def test_cells_partition_the_images_and_the_probed_cells_contain_the_results(
    vectors: np.ndarray, name: str
) -> None:
    index = faiss_index.build(valid_index_steps(name), vectors)
    query = vectors[7:8]
    statistics = cell_statistics(index, query)
    assert statistics is not None
    cell_rows = [statistics.rows(int(cell)) for cell in statistics.order]
    assert [len(rows) for rows in cell_rows] == statistics.sizes.tolist()
    assert sorted(np.concatenate(cell_rows).tolist()) == list(range(200))
    assert 7 in cell_rows[0] or name.startswith("imi")  # an image is in the cell of its nearest centroid
    probed = np.concatenate(cell_rows[: statistics.probed])
    assert sorted(probed.tolist()) == sorted(index.search(query)[0].rows.tolist())


def test_imbalance_equals_values_computed_by_hand(vectors: np.ndarray) -> None:
    statistics = cell_statistics(faiss_index.build(valid_index_steps("ivf:4"), vectors), vectors[:1])
    assert statistics is not None
    balanced = statistics._replace(sizes=np.array([5, 5, 5, 5]))
    assert balanced.imbalance == pytest.approx(1)
    assert balanced._replace(sizes=np.array([10, 0, 0, 0])).imbalance == pytest.approx(
        4
    )  # all vectors in one of four cells


@pytest.mark.parametrize("name", ["lsh:64", "itq:32", "sh:64", "ivf:8,lsh:64"])
def test_binary_codes_reproduce_the_scores_of_the_results(vectors: np.ndarray, name: str) -> None:
    index = faiss_index.build(valid_index_steps(name), vectors)
    codes = binary_codes(index, vectors[7:8], 20)
    assert codes is not None
    query_code, *result_codes = np.unpackbits(codes.codes, axis=1).astype(bool)
    assert isinstance(codes.ranking, Ranking) and codes.ranking.rows[0] == 7
    assert (result_codes[0] == query_code).all()  # the image itself
    for code, score in zip(result_codes, codes.ranking.scores, strict=True):
        differ, common = (code != query_code).sum(), (code & query_code).sum()
        distance = -differ / (common + 0.1) if name == "sh:64" else 1 - differ / len(query_code)
        assert score == pytest.approx(distance, rel=1e-5)


def test_indexes_without_cells_or_binary_codes_return_none(vectors: np.ndarray) -> None:
    for name, cells, coded in (("exact", 0, 0), ("pq:4", 0, 0), ("hnsw:4", 0, 0), ("lsh:64", 0, 1)):
        index = faiss_index.build(valid_index_steps(name), vectors)
        assert (cell_statistics(index, vectors[:1]) is not None) == bool(cells)
        assert (binary_codes(index, vectors[:1], 3) is not None) == bool(coded)


def test_the_cell_table_counts_the_images_that_a_query_is_compared_with(tradeoff: Tradeoff) -> None:
    names = ["ivf:8:1", "ivf:8:8", "ivf:8:3,pq:4", "imi:2:3", "ivf:8:2,lsh:64"]
    table = tradeoff.cells(*names).set_index("index")
    for name in names:
        index, _ = tradeoff.index(name)
        reached = [len(ranking.rows) / index.size for ranking in index.search(tradeoff.queries)]
        assert table.loc[name, "compared"] == pytest.approx(np.mean(reached))
    cells = cell_statistics(tradeoff.index("ivf:8:1")[0], tradeoff.queries[:1])
    assert cells is not None
    counted = table.loc["ivf:8:1"]
    assert (counted["cells"], counted["empty"]) == (8, (cells.sizes == 0).sum())
    assert counted["fullest"] == cells.sizes.max()
    assert table.loc["ivf:8:8", "compared"] == 1
    with pytest.raises(WorkbenchError, match="'exact' has no cells"):
        tradeoff.cells("exact")
    assert tradeoff.bits("lsh:64").bits == 64
