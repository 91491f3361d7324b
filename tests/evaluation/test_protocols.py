"""Each protocol by hand, and against a plain loop over the ranking."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.collections.protocols import PROTOCOLS
from workbench.config.errors import WorkbenchError
from workbench.evaluation.protocols import evaluate


def letters(text: str) -> np.ndarray:
    return np.array(list(text))


def test_oxford_removes_junk_and_keeps_the_query() -> None:
    # Junk j k at the top and in between; the query q is its own first positive; z is not ranked.
    truth = {
        "good": ["q", "a"],
        "ok": ["b", "z"],
        "junk": ["j", "k"],
        "bbx": [1.0, 2.0, 3.0, 4.0],
        "self": "q",
    }
    scores = evaluate([letters("jqxkayb")], [truth], "oxford")
    # Without junk: q x a y b, so ranks 0, 2, 4 of four positives.
    by_hand = (1 + (1 / 2 + 2 / 3) / 2 + (2 / 4 + 3 / 5) / 2) / 4
    assert scores.mean_ap == pytest.approx(by_hand)
    assert scores.metrics == pytest.approx(
        {"mAP": by_hand, "mP@1": 1, "mP@5": 3 / 5, "mP@10": 3 / 5, "R@1": 1, "R@5": 1, "R@10": 1}
    )
    row = scores.per_query.iloc[0]
    assert (row["query"], row["positives"], row["first_positive"]) == (0, 4, 1)
    assert row["p_at_10"] == pytest.approx(3 / 5)


def test_revisited_has_three_settings_by_hand() -> None:
    truth = {"easy": ["e"], "hard": ["h"], "junk": ["j"], "bbx": [0, 0, 9, 9]}
    scores = evaluate([letters("jhxeyz")], [truth], "revisited")
    # easy: j and h removed → x e: rank 1. medium: j removed → h x e: ranks 0, 2. hard: h x y z: rank 0.
    medium = (1 + (1 / 2 + 2 / 3) / 2) / 2
    assert scores.metrics["mAP_easy"] == pytest.approx(1 / 4)
    assert scores.metrics["mAP_medium"] == pytest.approx(medium)
    assert scores.metrics["mAP_hard"] == 1
    assert scores.mean_ap == scores.metrics["mAP_medium"]
    assert scores.metrics["mP@10_medium"] == pytest.approx(2 / 3)
    assert (scores.metrics["mP@1_easy"], scores.metrics["R@1_easy"], scores.metrics["R@5_easy"]) == (0, 0, 1)
    assert scores.per_query.columns.tolist() == [
        "query", "ap", "ap_easy", "ap_medium", "ap_hard", "positives", "first_positive", "p_at_10",
    ]  # fmt: skip


def test_queries_without_positives_are_excluded_from_the_mean() -> None:
    truth = {
        "full": {"a": "easy", "b": "hard"},
        "only easy": {"a": "easy"},
        "only junk": {"a": "junk"},
        "none": {},
    }
    ranking = letters("xab")
    scores = evaluate(dict.fromkeys(truth, ranking), truth, "revisited")
    hard = scores.per_query.set_index("query")["ap_hard"]
    assert hard["full"] == pytest.approx(1 / 4)  # a is ignored: x b
    assert hard.drop("full").isna().all()
    assert scores.metrics["mAP_hard"] == pytest.approx(1 / 4)
    assert scores.metrics["mAP_easy"] == pytest.approx(1 / 4)
    assert scores.per_query["positives"].tolist() == [2, 1, 0, 0]
    assert scores.per_query["first_positive"].isna().tolist() == [False, False, True, True]
    empty = evaluate([ranking], [{}], "revisited")
    assert math.isnan(empty.mean_ap)
    assert evaluate([], [], "labels").per_query.empty


@pytest.mark.parametrize("name", ["labels", "holidays"])
def test_the_query_is_removed_from_its_ranking(name: str) -> None:
    for truth in (
        {"positives": ["q", "a", "b"], "self": "q"},
        {"a": "positive", "b": "positive", "self": "q"},
    ):
        scores = evaluate([letters("qxaqb".replace("q", "", 1)), letters("qxab")], [truth, truth], name)
        # x a b: ranks 1, 2 of two positives, by the sum variant; the rank of the query does not matter.
        assert scores.per_query["ap"].tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2] * 2)
        assert scores.per_query["positives"].tolist() == [2, 2]


def test_ukbench_counts_the_query_among_the_four() -> None:
    truth = {"positive": ["q", "a", "b", "c"], "self": "q"}
    scores = evaluate([letters("qabcx"), letters("qaxbc"), letters("xyzwq")], [truth] * 3, "ukbench")
    assert scores.metrics["N-S"] == pytest.approx((4 + 3 + 0) / 3)
    assert scores.mean_ap == pytest.approx((1 + (1 + 1 + 3 / 4 + 4 / 5) / 4 + (1 / 5) / 4) / 3)
    without = {"positive": ["a", "b", "c"], "self": "q"}
    assert evaluate([letters("qabcx")], [without], "ukbench").metrics["N-S"] == 4


def test_shapes() -> None:
    truth = [{"easy": [i], "hard": [], "junk": []} for i in range(3)]
    ranks = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]])
    aps = [1, (0 + 1 / 2) / 2, (0 + 1 / 3) / 2]
    assert evaluate(ranks, truth, "revisited").per_query["ap"].tolist() == pytest.approx(aps)
    assert evaluate(ranks.T, truth, "revisited").per_query["ap"].tolist() == pytest.approx(aps)
    square = np.array([[1, 0], [0, 1]])  # [queries, database] where both would fit
    aps = evaluate(square, [{"easy": [0]}, {"easy": [0]}], "revisited").per_query["ap"].tolist()
    assert aps == pytest.approx([1 / 4, 1])


def test_rankings_and_ground_truths_in_dictionaries_are_paired_by_name() -> None:
    truth = {"first": {"positive": ["a"]}, "second": {"positive": ["b"]}}
    scores = evaluate({"second": letters("ab"), "first": letters("ab")}, truth, "labels")
    assert dict(zip(scores.per_query["query"], scores.per_query["ap"], strict=True)) == {
        "first": 1,
        "second": 1 / 2,
    }


@pytest.mark.parametrize(
    ("ranks", "truth", "protocol", "message"),
    [
        ([letters("aa")], [{"positive": ["b"]}], "labels", "twice"),
        ([[1, 1]], [{"positive": [1]}], "labels", "twice"),
        ([[10**9, 10**9]], [{"positive": [1]}], "labels", "twice"),
        ([letters("ab")], [{"positive": ["a"]}] * 2, "labels", "1 rankings for 2 queries"),
        ([[0, 1]], [{"positive": ["a"]}], "labels", "differently"),
        ([letters("ab")], [{"positive": [0]}], "labels", "differently"),
        ([[[0]]], [{"positive": [0]}], "labels", "flat sequence"),
        ([letters("ab")], [{"easy": ["a"]}], "oxford", "'easy' has no meaning under the protocol 'oxford'"),
        ([letters("ab")], [{"a": "brilliant"}], "labels", "'brilliant'"),
        ([letters("ab")], [{"good": ["a"], "junk": ["a"]}], "oxford", "both good and junk"),
        ({"q": letters("ab")}, [{"good": ["a"]}], "oxford", "named by query"),
        ({"q": letters("ab")}, {"p": {"good": ["a"]}}, "oxford", "'p' has ground truth but no ranking"),
        ([letters("ab")], [{"good": ["a"]}], "trec", "valid: oxford, revisited, holidays, ukbench, labels"),
    ],
)
def test_inconsistent_input_is_reported(ranks: Any, truth: Any, protocol: str, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        evaluate(ranks, truth, protocol)


def evaluate_by_loop(
    ranking: list[Any], positive: set[Any], removed: set[Any], variant: str
) -> dict[str, float]:
    """All measures of one query, by a loop over its ranking."""
    kept = [image for image in ranking if image not in removed]
    hits = [image in positive for image in kept]
    if not positive:
        return dict.fromkeys(("mAP", "mP@1", "mP@5", "mP@10", "R@1", "R@5", "R@10", "N-S"), math.nan)
    total = 0.0
    for rank, hit in enumerate(hits, start=1):
        if hit:
            precision = sum(hits[:rank]) / rank
            before = sum(hits[: rank - 1]) / (rank - 1) if rank > 1 else 1.0
            total += precision if variant == "sum" else (before + precision) / 2
    last = max((rank for rank, hit in enumerate(hits, start=1) if hit), default=0)
    result = {"mAP": total / len(positive)}
    for k in (1, 5, 10):
        limit = min(k, last)
        result[f"mP@{k}"] = sum(hits[:limit]) / limit if limit else 0.0
        result[f"R@{k}"] = float(any(hits[:k]))
    result["N-S"] = float(sum(hits[:4]))
    return result


@given(st.data())
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_every_protocol_equals_a_plain_loop(name: str, data: st.DataObject) -> None:
    protocol = PROTOCOLS[name]
    grades = sorted({grade for p, i in protocol.settings.values() for grade in p | i})
    size = data.draw(st.integers(1, 25))
    names: list[Any] = list(range(size))
    form = data.draw(st.sampled_from(["rows", "sparse rows", "paths"]))
    if form == "paths":
        names = [f"folder/{i}.jpg" for i in names]
    if form == "sparse rows":
        names = [1000 * i - 3 for i in names]
    rankings, truths, expected_metrics = [], [], []
    for _ in range(data.draw(st.integers(1, 3))):
        ranking = data.draw(st.permutations(names))[: data.draw(st.integers(0, size))]
        drawn = {image: data.draw(st.sampled_from(["", *grades])) for image in names}
        graded = {image: grade for image, grade in drawn.items() if grade}
        query = data.draw(st.sampled_from([None, *names]))
        if data.draw(st.booleans()):
            truth: dict[Any, Any] = dict(graded)
        else:
            truth = {g: [i for i, grade in graded.items() if grade == g] for g in grades}
        if query is not None:
            truth["self"] = query
            graded.pop(query, None) if not protocol.query_in_database else None
            if name == "ukbench":
                graded[query] = "positive"
        dropped = {query} - {None} if not protocol.query_in_database else set()
        rankings.append(np.array(ranking))
        truths.append(truth)
        expected_metrics.append(
            {
                setting: evaluate_by_loop(
                    ranking,
                    {i for i, grade in graded.items() if grade in positive},
                    {i for i, grade in graded.items() if grade in ignored} | dropped,
                    protocol.variant,
                )
                for setting, (positive, ignored) in protocol.settings.items()
            }
        )
    scores = evaluate(rankings, truths, name)
    assert len(scores.metrics) == (7 + (name == "ukbench")) * len(protocol.settings)
    for metric, value in scores.metrics.items():
        measure, _, setting = metric.partition("_")
        expected = [metrics[setting][measure] for metrics in expected_metrics]
        expected = [measured for measured in expected if not math.isnan(measured)]
        mean = np.mean(expected) if expected else math.nan
        assert value == pytest.approx(mean, abs=1e-12, nan_ok=True), metric
    aps = [metrics[protocol.headline]["mAP"] for metrics in expected_metrics]
    assert scores.per_query["ap"].tolist() == pytest.approx(aps, abs=1e-12, nan_ok=True)
    assert scores.mean_ap == pytest.approx(
        np.nanmean(aps) if not np.isnan(aps).all() else math.nan, abs=1e-12, nan_ok=True
    )


def test_random_rankings_have_the_expected_map() -> None:
    """The mAP of random rankings of row numbers is near its expectation (Bestgen 2015)."""
    rng = np.random.default_rng(0)
    n, r, queries = 200, 20, 3000
    ranks = np.stack([rng.permutation(n) for _ in range(queries)])
    truth = [{"positive": rng.choice(n, r, replace=False)} for _ in range(queries)]
    harmonic = (1 / np.arange(1, n + 1)).sum()
    expected = ((r - 1) / (n - 1) * (n - harmonic) + harmonic) / n
    scores = evaluate(ranks, truth, "labels")
    error = scores.per_query["ap"].std() / math.sqrt(queries)
    assert abs(scores.mean_ap - expected) < 4 * error
