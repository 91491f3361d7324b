"""Measures of indexes against values computed by hand, and properties that hold for any index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from tests.support.pictures import folder_of
from workbench.analysis.index_tradeoff import DEPTHS, Tradeoff, pareto_front, valid_index_steps
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
def measured(bench: Bench) -> Tradeoff:
    return bench.tradeoff(
        ["exact", "ivf:8", "ivf:8:1", "ivf:8:8", "pq:4", "lsh:64", "hnsw:8"], pipeline=PIPELINE
    )


def test_exact_search_loses_nothing_and_an_index_that_looks_at_all_cells_neither(measured: Tradeoff) -> None:
    for name in ("exact", "ivf:8:8"):
        one = measured.measured[name]
        assert one.recall == dict.fromkeys(DEPTHS, 1.0)
        assert (one.lost, one.error) == (0.0, "")
    assert measured.measured["exact"].bytes == 4 * 16
    assert measured.measured["pq:4"].bytes == 3  # four of 5 bits: 48 images allow no more than 32 centroids
    assert measured.measured["lsh:64"].bytes == 8


def test_map_is_that_of_the_evaluation_without_index(measured: Tradeoff, bench: Bench) -> None:
    exact = measured.measured["exact"].mean_ap
    assert exact == pytest.approx(bench.evaluate(PIPELINE).mean_ap)
    for one in measured.measured.values():
        assert one.lost == pytest.approx(exact - one.mean_ap)


def test_more_probes_find_more_and_train_nothing_again(measured: Tradeoff) -> None:
    one, some, every = (measured.measured[name] for name in ("ivf:8:1", "ivf:8", "ivf:8:8"))
    for k in DEPTHS:
        assert one.recall[k] <= some.recall[k] <= every.recall[k]
    assert one.build_seconds == some.build_seconds == every.build_seconds


def test_recall_is_the_share_of_the_exact_first_that_are_found(measured: Tradeoff) -> None:
    collection = measured.described.collection
    rows = [collection.images.index(query.image) for query in collection.queries]
    expected = recall_at_10(measured, "ivf:8:1", rows)
    assert measured.measured["ivf:8:1"].recall[10] == pytest.approx(expected)


def recall_at_10(measured: Tradeoff, name: str, rows: list[int]) -> float:
    """The mean share of the ten exact results in those of an index, for queries by the images at ``rows``."""
    index, _ = measured.index(name)
    shares = []
    for query, own in zip(measured.queries, rows, strict=True):
        exact = np.argsort(-measured.database @ query, kind="stable")
        first = [row for row in exact if row != own][:10]
        found = [row for row in index.search(query[None])[0].rows if row != own][:10]
        shares.append(len(set(first) & set(found)) / 10)
    return float(np.mean(shares))


def test_the_table_has_a_row_each(measured: Tradeoff) -> None:
    table = measured.table.set_index("index")
    assert list(table.index) == ["exact", "ivf:8", "ivf:8:1", "ivf:8:8", "pq:4", "lsh:64", "hnsw:8"]
    assert [table.loc["exact", f"recall@{k}"] for k in DEPTHS] == [1, 1, 1]
    assert table["queries_per_second"].min() > 0
    assert table["build_seconds"].min() >= 0


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ("ivf:5000", "5000"),
        ("pq:7", "do not divide"),
        ("aqe:5", "is not an index"),
        ("nonsense", "is not an index"),
        ("pq:4,lsh:64", "keep one"),
        ("itq:256", "256"),
    ],
)
def test_what_is_impossible_says_why_and_the_others_go_on(bench: Bench, index: str, said: str) -> None:
    made = bench.tradeoff([index, "exact"], pipeline=PIPELINE)
    first, second = made.measured.values()
    assert said in first.error
    assert np.isnan(first.mean_ap)
    assert second.recall[1] == 1.0
    assert list(made.table["error"] == "") == [False, True]


def test_without_ground_truth_recall_is_measured_and_map_is_not(tmp_path: Path) -> None:
    bench = workbench.open(folder_of(tmp_path / "photos", 12), cache=tmp_path / "cache")
    made = bench.tradeoff(["exact", "pq:4", "lsh:32"], pipeline="efficientnet_lite0/mean/whole/pca:8")
    assert made.measured["exact"].recall[10] == 1.0
    every = list(range(12))
    assert made.measured["lsh:32"].recall[10] == pytest.approx(recall_at_10(made, "lsh:32", every))
    assert made.measured["pq:4"].recall[10] == pytest.approx(recall_at_10(made, "pq:4", every))
    assert made.table["mean_ap"].isna().all() and made.table["lost"].isna().all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tiny_collections_give_numbers_or_a_sentence(tmp_path: Path, count: int) -> None:
    bench = workbench.open(folder_of(tmp_path / "photos", count), cache=tmp_path / "cache")
    made = bench.tradeoff(
        ["exact", "ivf:64", "hnsw:32", "lsh:64", "sh:64"], pipeline="efficientnet_lite0/mean/whole"
    )
    for one in made.measured.values():
        assert one.error or one.queries_per_second > 0
    assert "64" in made.measured["ivf:64"].error


def test_equal_images_found_in_another_order_are_found(measured: Tradeoff) -> None:
    """With equal images, the first result of any index is as good as that of exact search."""
    same = Tradeoff(measured.described, np.tile(measured.database[:1], (len(measured.database), 1)))
    assert same.measure("exact").recall[1] == same.measure("lsh:64").recall[1] == 1.0


def test_measuring_can_be_stopped(bench: Bench, measured: Tradeoff) -> None:
    def stop(what: str, done: int, total: int) -> None:
        raise Cancelled

    made = bench.tradeoff((), pipeline=PIPELINE)
    with pytest.raises(Cancelled):
        made.measure("ivf:8", stop)
    assert made.measured == {}
    assert made.measure("ivf:8").recall == measured.measured["ivf:8"].recall


def test_an_index_string_holds_index_steps_alone() -> None:
    assert [str(step) for step in valid_index_steps("pq:16,ivf:64")] == ["ivf:64", "pq:16"]
    assert valid_index_steps("exact") == ()
    with pytest.raises(WorkbenchError, match="'ivf:64/aqe:5'"):
        valid_index_steps("ivf:64/aqe:5")


# The Pareto front.


def test_the_front_by_hand() -> None:
    # Bytes (less is better) and recall (more is better); the last is beaten by its equal in bytes.
    points = [(16, 0.8), (32, 0.7), (64, 0.9), (1024, 1.0), (1024, 0.95), (float("nan"), 1.0)]
    assert pareto_front(points, (False, True)) == [True, False, True, True, False, False]
    assert pareto_front([(1, 1), (1, 1)], (True, True)) == [True, True]
    assert pareto_front([], (True, True)) == []


numbers = st.floats(-10, 10, allow_nan=False)


@given(st.lists(st.tuples(numbers, numbers), min_size=1), st.booleans(), st.booleans())
def test_none_on_the_front_beats_another_and_all_others_are_beaten(
    points: list[tuple[float, float]], more_x: bool, more_y: bool
) -> None:
    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        x, y = ((a[0] - b[0]) * (1 if more_x else -1)), ((a[1] - b[1]) * (1 if more_y else -1))
        return x >= 0 and y >= 0 and (x > 0 or y > 0)

    on = pareto_front(points, (more_x, more_y))
    assert any(on)
    for point, best in zip(points, on, strict=True):
        assert best == (not any(beats(other, point) for other in points))


# What is inside.


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(3).normal(size=(200, 32)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["ivf:8:2", "ivf:8:2,pq:4", "ivf:8:2,opq:4", "imi:2:3", "ivf:8:2,lsh:64"])
def test_cells_hold_every_image_once_and_those_probed_are_what_is_found(
    vectors: np.ndarray, name: str
) -> None:
    index = faiss_index.build(valid_index_steps(name), vectors)
    query = vectors[7:8]
    found = cell_statistics(index, query)
    assert found is not None
    held = [found.rows(int(cell)) for cell in found.order]
    assert [len(rows) for rows in held] == found.sizes.tolist()
    assert sorted(np.concatenate(held).tolist()) == list(range(200))
    assert 7 in held[0] or name.startswith("imi")  # an image lies in the cell that is nearest to it
    probed = np.concatenate(held[: found.probed])
    assert sorted(probed.tolist()) == sorted(index.search(query)[0].rows.tolist())


def test_imbalance_by_hand(vectors: np.ndarray) -> None:
    found = cell_statistics(faiss_index.build(valid_index_steps("ivf:4"), vectors), vectors[:1])
    assert found is not None
    even = found._replace(sizes=np.array([5, 5, 5, 5]))
    assert even.imbalance == pytest.approx(1)
    assert even._replace(sizes=np.array([10, 0, 0, 0])).imbalance == pytest.approx(4)  # all in one of four


@pytest.mark.parametrize("name", ["lsh:64", "itq:32", "sh:64", "ivf:8,lsh:64"])
def test_bits_are_those_of_the_query_and_its_results(vectors: np.ndarray, name: str) -> None:
    index = faiss_index.build(valid_index_steps(name), vectors)
    codes = binary_codes(index, vectors[7:8], 20)
    assert codes is not None
    own, *others = np.unpackbits(codes.codes, axis=1).astype(bool)
    assert isinstance(codes.found, Ranking) and codes.found.rows[0] == 7
    assert (others[0] == own).all()  # the image itself
    for code, score in zip(others, codes.found.scores, strict=True):
        differ, both = (code != own).sum(), (code & own).sum()
        distance = -differ / (both + 0.1) if name == "sh:64" else 1 - differ / len(own)
        assert score == pytest.approx(distance, rel=1e-5)


def test_an_index_without_cells_or_bits_has_none(vectors: np.ndarray) -> None:
    for name, cells, coded in (("exact", 0, 0), ("pq:4", 0, 0), ("hnsw:4", 0, 0), ("lsh:64", 0, 1)):
        index = faiss_index.build(valid_index_steps(name), vectors)
        assert (cell_statistics(index, vectors[:1]) is not None) == bool(cells)
        assert (binary_codes(index, vectors[:1], 3) is not None) == bool(coded)
