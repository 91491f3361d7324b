"""Indexes and re-ranking in pipelines, end to end on a small real collection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.support.benches import described, mean_ap_of
from tests.support.extraction import NETWORK
from workbench.bench.bench import Bench
from workbench.collections.protocols import PROTOCOLS, Protocol
from workbench.common.progress import Cancelled
from workbench.config.config import Config
from workbench.engine.searcher_cache import SearcherCache
from workbench.evaluation import protocols

COUNT, KINDS = 48, 6
BASE = f"{NETWORK}/mean/whole/pcaw:16"
INDEXES = [
    "ivf:4",
    "imi:2",
    "hnsw:4",
    "pq:4",
    "ivf:4,pq:4",
    "opq:4",
    "lsh:32",
    "itq:16",
    "sh:16",
    "ivf:4,sh:16",
]
RERANKERS = ["aqe:3", "alphaqe:3:2", "dba:2", "diffusion:5", "kreciprocal:4:2:0.3", "dba:2/aqe:2"]


@pytest.fixture(scope="module")
def bench(bench48: Bench) -> Bench:
    return bench48


@pytest.mark.parametrize(
    "steps", [*INDEXES, *RERANKERS, "ivf:4/aqe:2", "sh:16/kreciprocal:4:2:0.3", "pq:4/diffusion:5"]
)
def test_every_index_and_reranker_gives_finite_sorted_rankings_and_costs(bench: Bench, steps: str) -> None:
    pipeline = f"{BASE}/{steps}"
    evaluation = bench.evaluate(pipeline)
    assert evaluation.mean_ap == pytest.approx(mean_ap_of(evaluation, bench.collection))
    assert evaluation.pipeline == pipeline
    assert set(evaluation.costs) == {"bytes", "milliseconds"}
    assert all(value > 0 for value in evaluation.costs.values())
    for query in bench.collection.queries[:3]:
        ranking = bench.search(query.id, pipeline=pipeline, k=None)
        assert 0 < len(ranking) <= COUNT
        assert ranking["image_id"].is_unique
        assert np.isfinite(ranking["score"]).all()
        assert ranking["score"].is_monotonic_decreasing
        # The evaluated rankings equal those of search.
        evaluated = evaluation.rankings[evaluation.rankings["query"] == query.id]
        # (Scores that differ in their last digit may be swapped: products with one row round differently.)
        assert set(evaluated["image_id"]) == set(ranking["image_id"])
        np.testing.assert_allclose(evaluated["score"], ranking["score"][:100], rtol=1e-5, atol=1e-6)


def test_approximate_indexes_are_noted_in_the_warnings(bench: Bench) -> None:
    assert not any("approximate" in warning for warning in bench.evaluate(BASE).warnings)
    warnings = bench.evaluate(f"{BASE}/ivf:4:1,pq:4").warnings
    assert (
        "approximate index: ivf:4:1 searches 1 of 4 cells, and images in other cells count as not found"
        in warnings
    )
    assert any(
        warning.startswith("approximate index: scores are of codes by pq:4, 11 bytes") for warning in warnings
    )
    # 48 images allow 2^5 centroids: 4 · 5 bits take 3 bytes, and the id of the image 8.
    assert any("32 centroids, not 256" in warning for warning in warnings)


def test_images_that_the_index_does_not_reach_count_as_not_found(bench: Bench) -> None:
    whole, part = bench.evaluate(BASE), bench.evaluate(f"{BASE}/ivf:6:1")
    truth = {q: set(grades) for q, grades in bench.collection.relevance.items()}
    for query in bench.collection.queries:
        reached = bench.search(query.id, pipeline=f"{BASE}/ivf:6:1", k=None)["image_id"].tolist()
        exact = bench.search(query.id, pipeline=BASE, k=None)["image_id"].tolist()
        assert reached == [image for image in exact if image in set(reached)]
        rank, precisions = 0, list[float]()
        for image in reached:
            if image != query.image:
                rank += 1
                if image in truth[query.id]:
                    precisions.append((len(precisions) + 1) / rank)
        ap = part.per_query.set_index("query")["ap"][query.id]
        assert ap == pytest.approx(sum(precisions) / len(truth[query.id]))
    assert part.mean_ap < whole.mean_ap


def test_explanations_sum_to_the_score_of_a_product_code(bench: Bench) -> None:
    query = bench.collection.queries[0].id
    for steps in ("pq:4", "ivf:4,pq:4", "opq:4"):
        ranking = bench.search(query, pipeline=f"{BASE}/{steps}", k=5)
        for image, score in zip(ranking["image_id"], ranking["score"], strict=True):
            explanation = bench.explain(query, image, pipeline=f"{BASE}/{steps}")
            assert explanation.score == pytest.approx(score, abs=1e-5)
            assert explanation.constant != 0
            for heat in (
                explanation.query_heatmap.sum(),
                explanation.image_heatmap.sum(),
                explanation.region_pairs["contribution"].sum(),
            ):
                assert heat + explanation.constant == pytest.approx(score, abs=1e-4)


def test_an_image_that_the_index_does_not_reach_is_explained(bench: Bench) -> None:
    query = bench.collection.queries[0].id
    pipeline = f"{BASE}/ivf:6:1"
    reached = set(bench.search(query, pipeline=pipeline, k=None)["image_id"])
    missed = next(image for image in bench.collection.images if image not in reached)
    exact = bench.search(query, pipeline=BASE, k=None).set_index("image_id")["score"]
    assert bench.explain(query, missed, pipeline=pipeline).score == pytest.approx(exact[missed], abs=1e-4)


def test_equal_distances_are_bounded_from_both_sides(bench: Bench) -> None:
    evaluation = bench.evaluate(f"{BASE}/lsh:8")
    low, mid, high = (evaluation.metrics[name] for name in ("mAP_pessimistic", "mAP", "mAP_optimistic"))
    assert low < mid < high
    assert any(
        f"would be {100 * low:.1f} or {100 * high:.1f} %" in warning for warning in evaluation.warnings
    )
    assert "mAP_optimistic" not in bench.evaluate(BASE).metrics


def test_ties_by_hand() -> None:
    # Rows 0 … 4 with scores 9, 5, 5, 5, 1; rows 2 and 4 are positive. The precision at the positive among the
    # tied rows is 1/2, 1/3 or 1/4 if it is ranked first, second or last of them; at the other it is 2/5.
    grades = {2: "positive", 4: "positive"}
    scores = protocols.evaluate([range(5)], [grades], "labels", [[9, 5, 5, 5, 1]])
    assert scores.mean_ap == pytest.approx(((1 / 2 + 1 / 3 + 1 / 4) / 3 + 2 / 5) / 2)
    assert scores.bounds == pytest.approx(((1 / 4 + 2 / 5) / 2, (1 / 2 + 2 / 5) / 2))


def test_synthetic_distractors_lower_map_and_are_not_listed_by_search(bench: Bench) -> None:
    options = {"cache": bench.options.cache, "size": 128, "device": "cpu", "precision": "float32"}
    with_distractors = wb.open(bench.collection.root, "folders", distractors="synthetic:2000", **options)
    for steps in ("", "/ivf:4", "/pq:4", "/sh:16", "/aqe:3"):
        alone, crowded = bench.evaluate(BASE + steps), with_distractors.evaluate(BASE + steps)
        if not steps:
            assert crowded.mean_ap < alone.mean_ap
        assert crowded.provenance["distractors"] == "synthetic:2000"
        ranking = with_distractors.search(
            with_distractors.collection.queries[0].id, pipeline=BASE + steps, k=None
        )
        assert set(ranking["image_id"]) <= set(bench.collection.images)
    assert crowded.rankings["image_id"].str.startswith("synthetic distractor").any()
    assert any("2,000 synthetic distractors" in warning for warning in crowded.warnings)
    assert not any("distractors" in warning for warning in alone.warnings)


def test_junk_is_removed_before_reranking_only_by_the_nojunk_step(bench: Bench) -> None:
    collection = bench.collection
    query = collection.queries[0]
    prepared = described(bench, BASE)
    vector = prepared.descriptors.vectors[[prepared.image_rows()[query.image]]]
    nearest = [i for i in bench.search(query.id, pipeline=BASE, k=4)["image_id"] if i != query.image]
    # Mark the three nearest images as junk, under a protocol with junk.
    grades = {query.id: {**dict.fromkeys(nearest, "junk"), collection.images[-1]: "good"}}
    protocol: Protocol = PROTOCOLS["oxford"]
    regraded = replace(prepared, collection=replace(collection, relevance=grades, protocol=protocol))
    with_junk = SearcherCache().of(regraded, Config.parse(f"{BASE}/aqe:3"))
    without = SearcherCache().of(regraded, Config.parse(f"{BASE}/nojunk/aqe:3"))
    rows = prepared.image_rows()
    junk = without.junk_of(query)
    assert junk == [rows[image] for image in nearest]
    exact = SearcherCache().of(regraded, Config.parse(BASE)).search(vector)[0]
    for searcher, expected_rows in (
        (with_junk, exact.rows[:3]),
        (without, [r for r in exact.rows if r not in junk][:3]),
    ):
        expected = vector[0] + prepared.database[np.array(expected_rows)].sum(0)
        expected = expected / expected.norm()
        ranking = searcher.search(vector, [junk])[0]
        np.testing.assert_allclose(
            ranking.scores, np.sort((prepared.database @ expected).numpy())[::-1], atol=1e-5
        )
    assert any("junk was removed by the ground truth" in note for note in without.notes)
    assert not with_junk.notes


def test_searchers_are_cached_per_described_collection(bench: Bench) -> None:
    prepared = described(bench, BASE)
    searchers, config = SearcherCache(), Config.parse(f"{BASE}/ivf:4")
    first = searchers.of(prepared, config)
    assert searchers.of(prepared, config) is first
    assert searchers.of(replace(prepared, seconds=0.0), config) is not first


def test_building_an_index_can_be_cancelled(bench: Bench) -> None:
    prepared = described(bench, BASE)

    def stop(label: str, _done: int, _total: int) -> None:
        if "training" in label or "filling" in label:
            raise Cancelled

    searchers = SearcherCache()
    for steps in ("ivf:4", "pq:4", "ivf:4,sh:16"):
        with pytest.raises(Cancelled):
            searchers.of(prepared, Config.parse(f"{BASE}/{steps}"), stop)
        assert len(
            searchers.of(prepared, Config.parse(f"{BASE}/{steps}")).search(prepared.database[:1])[0].rows
        )


def test_a_slow_index_is_cached_on_disk_and_rebuilt_if_damaged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.engine.index_cache.MIN_SECONDS", 0.0)
    prepared = described(bench, BASE)
    config = Config.parse(f"{BASE}/ivf:5,pq:8")
    folder: Path = bench.options.cache / "indexes"
    before = set(folder.glob("*"))
    built = SearcherCache().of(prepared, config)
    (file,) = set(folder.glob("*")) - before
    with monkeypatch.context() as patch:
        patch.setattr("workbench.search.faiss_index.build", lambda *_: pytest.fail("the index is on disk"))
        loaded = SearcherCache().of(prepared, config)
    expected = built.search(prepared.database)
    for a, b in zip(loaded.search(prepared.database), expected, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
    file.write_bytes(file.read_bytes()[:-9])
    rebuilt = SearcherCache().of(prepared, config)
    assert any("built again" in note and "checksum" in note for note in rebuilt.notes)
    np.testing.assert_array_equal(rebuilt.search(prepared.database)[0].rows, expected[0].rows)
    assert not any("built again" in note for note in SearcherCache().of(prepared, config).notes)
