"""Expected measures over ties against the mean over all orders, and the bounds against their extremes."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.evaluation.precision import (
    average_precision,
    interpolated_precision,
    precision_at,
    recall_at,
)
from workbench.evaluation.protocols import evaluate
from workbench.evaluation.ties import (
    TieGroups,
    expected_average_precision,
    expected_count_at,
    expected_curve,
    expected_precision_at,
    expected_ranks,
    expected_recall_at,
)

# Groups of equal scores, best first: for each result whether it is positive.
rankings = st.lists(st.lists(st.booleans(), min_size=1, max_size=4), max_size=4).filter(
    lambda groups: sum(map(len, groups)) <= 9
)


def flattened(groups: list[list[bool]]) -> tuple[np.ndarray, np.ndarray]:
    """The ranks of the positives in the order given, and the scores of all results."""
    hits = np.array([hit for group in groups for hit in group], bool)
    scores = np.array([-number for number, group in enumerate(groups) for _ in group], float)
    return np.flatnonzero(hits), scores


def orders(groups: list[list[bool]]) -> list[np.ndarray]:
    """The ranks of the positives in every order of the results within their groups."""
    return [
        np.flatnonzero([hit for group in order for hit in group])
        for order in product(*(permutations(group) for group in groups))
    ]


@settings(deadline=None, max_examples=150)
@given(rankings, st.integers(0, 2), st.integers(1, 6))
def test_expectations_are_the_mean_over_all_orders(groups: list[list[bool]], missing: int, k: int) -> None:
    ties, every_order = TieGroups.of(*flattened(groups)), orders(groups)
    count = int(ties.positives.sum()) + missing
    for variant in ("trapezoid", "sum"):
        values = [average_precision(ranks, count, variant) for ranks in every_order]
        expected = expected_average_precision(ties, count, variant)
        assert expected == pytest.approx(np.mean(values), abs=1e-12, nan_ok=True)
        if count:
            bounds = [
                average_precision(ties.ranks(favourable), count, variant) for favourable in (False, True)
            ]
            assert bounds == pytest.approx([min(values), max(values)], abs=1e-12)
    for cap in (True, False):
        mean = np.mean([precision_at(ranks, k, cap) for ranks in every_order])
        assert expected_precision_at(ties, k, cap) == pytest.approx(mean, abs=1e-12)
    assert expected_recall_at(ties, k) == pytest.approx(np.mean([recall_at(r, k) for r in every_order]))
    assert expected_count_at(ties, k) == pytest.approx(np.mean([(r < k).sum() for r in every_order]))
    assert expected_ranks(ties) == pytest.approx(1 + np.mean(every_order, axis=0))


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 5))
def test_without_ties_the_expectations_are_the_measures(hits: list[bool], missing: int) -> None:
    ranks = np.flatnonzero(hits)
    ties, count = TieGroups.of(ranks, np.arange(len(hits))[::-1]), len(ranks) + missing
    assert not ties.mixed
    for variant in ("trapezoid", "sum"):
        expected = average_precision(ranks, count, variant)
        assert expected_average_precision(ties, count, variant) == pytest.approx(expected, nan_ok=True)
    np.testing.assert_allclose(expected_curve(ties, count), interpolated_precision(ranks, count))


def test_all_results_tied_by_hand() -> None:
    # One positive among three: its rank is 1, 2 or 3. Two among three: the negative is last, second or first.
    one, two = TieGroups.of([0], [0.5] * 3), TieGroups.of([0, 1], [0.5] * 3)
    assert expected_average_precision(one, 1, "sum") == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    trapezoid = (1 + (0 + 1 / 2) / 2 + (0 + 1 / 3) / 2) / 3
    assert expected_average_precision(one, 1, "trapezoid") == pytest.approx(trapezoid)
    by_hand = ((1 + 1) / 2 + (1 + 2 / 3) / 2 + (1 / 2 + 2 / 3) / 2) / 3
    assert expected_average_precision(two, 2, "sum") == pytest.approx(by_hand)


def test_a_large_group_has_the_expectation_of_chance() -> None:
    """((r-1)/(n-1) (n-H) + H)/n with H = 1+…+1/n (Bestgen 2015), where all of n results tie."""
    n, r = 100_000, 700
    harmonic = (1 / np.arange(1, n + 1)).sum()
    expected = ((r - 1) / (n - 1) * (n - harmonic) + harmonic) / n
    ties = TieGroups.of(np.arange(r), np.zeros(n))
    assert expected_average_precision(ties, r, "sum") == pytest.approx(expected, rel=1e-9)


@given(
    st.randoms(use_true_random=False), st.integers(1, 12), st.sampled_from(["oxford", "revisited", "labels"])
)
def test_the_order_of_tied_results_changes_no_measure(random: object, size: int, protocol: str) -> None:
    rng = np.random.default_rng(random.randint(0, 2**32))  # type: ignore[attr-defined]
    grades = {
        "oxford": ["good", "junk", "negative"],
        "revisited": ["easy", "hard", "junk", "negative"],
        "labels": ["positive", "negative"],
    }[protocol]
    drawn = rng.choice(grades, size)
    truth = {row: str(grade) for row, grade in enumerate(drawn) if grade != "negative"} | {"self": 0}
    scores = -np.sort(-rng.integers(0, 3, size)).astype(np.float32)
    first, *others = (
        evaluate([np.lexsort((rng.permutation(size), -scores))], [truth], protocol, [scores])
        for _ in range(3)
    )
    for other in others:
        assert other.metrics == pytest.approx(first.metrics, nan_ok=True)
        assert other.bounds == pytest.approx(first.bounds, nan_ok=True)
        assert (
            other.per_query.drop(columns="query")
            .astype(float)
            .equals(first.per_query.drop(columns="query").astype(float))
        )


def test_ukbench_counts_the_expected_number_among_four() -> None:
    # The query, then two of its views among four results of one score, of which three are in the first four.
    truth = {"positive": [0, 1, 2], "self": 0}
    scores = evaluate([[0, 9, 1, 8, 2]], [truth], "ukbench", [[1, 0.5, 0.5, 0.5, 0.5]])
    assert scores.metrics["N-S"] == pytest.approx(1 + 3 * 2 / 4)
    assert scores.tied == 1


def test_ignored_images_are_no_members_of_a_tie() -> None:
    # Positive and junk tie, and so do positive and query: nothing depends on their order.
    truth = {"good": [1, 2], "junk": [3], "self": 0}
    scores = evaluate([[3, 1, 2, 9]], [truth], "oxford", [[1, 1, 0.5, 0.1]])
    assert (scores.tied, scores.mean_ap, scores.bounds) == (0, 1, (1, 1))
    scores = evaluate([[0, 1, 9]], [{"positive": [1], "self": 0}], "labels", [[1, 1, 0.5]])
    assert (scores.tied, scores.mean_ap) == (0, 1)


def test_measures_without_ties_do_not_depend_on_the_scores() -> None:
    rng = np.random.default_rng(3)
    ranks = [rng.permutation(300) for _ in range(9)]
    scores = [-np.sort(-rng.random(300, np.float32)) for _ in ranks]
    truth = [{"easy": rng.choice(300, 9, replace=False)} for _ in ranks]
    with_scores, without = evaluate(ranks, truth, "revisited", scores), evaluate(ranks, truth, "revisited")
    assert with_scores.metrics == without.metrics or with_scores.metrics == pytest.approx(
        without.metrics, abs=0, nan_ok=True
    )
    assert with_scores.per_query.equals(without.per_query)


def test_missed_positives_are_counted() -> None:
    truth = {"positive": [1, 2, 3], "self": 0}
    assert evaluate([[1, 9], [3, 2, 1]], [truth, truth], "labels").missed == 2


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([[0.1, 0.5]], "increase"),
        ([[0.5]], "1 scores for 2 results"),
        ([[0.5, 0.1]] * 2, "scores: 2 rankings"),
    ],
)
def test_scores_that_do_not_fit_are_reported(scores: list[list[float]], message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        evaluate([[1, 2]], [{"positive": [1]}], "labels", scores)
    with pytest.raises(WorkbenchError, match="not a rank"):
        TieGroups.of([3], [0.5, 0.5])
