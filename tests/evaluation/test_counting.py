"""Ranks counted from unsorted scores are those of the sorted ranking, with ties and ignored images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.collections.protocols import PROTOCOLS
from workbench.evaluation.grades import Graded
from workbench.evaluation.positives import count_positives, rank_positives, ranks_by_counting
from workbench.evaluation.scores import mean_scores
from workbench.search.exact import rank

GRADES = {
    "oxford": ["good", "ok", "junk"],
    "revisited": ["easy", "hard", "junk"],
    "holidays": ["positive", "self"],
    "ukbench": ["positive"],
    "labels": ["positive", "self", "junk"],
}


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([*GRADES]), st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([2, 8, 2**20])
)
def test_counted_ranks_are_those_of_the_sorted_scores(name: str, seed: int, size: int, values: int) -> None:
    rng, protocol = np.random.default_rng(seed), PROTOCOLS[name]
    scores = (rng.integers(0, values, (4, size)) - values // 2).astype(np.float32) / values
    graded = []
    for _ in scores:
        rows = rng.permutation(size)[: rng.integers(0, size + 1)]
        graded.append(Graded.of({int(row): str(rng.choice(GRADES[name])) for row in rows}))
    queries = list(zip(scores, graded, strict=True))
    by_sorting = [
        rank_positives(order, grades, protocol, "query", row[order])
        for (row, grades), order in zip(queries, rank(scores), strict=True)
    ]
    by_counting = [count_positives(row, grades, protocol) for row, grades in queries]
    names = list(range(len(queries)))
    expected, counted = (mean_scores(ranked, names, protocol) for ranked in (by_sorting, by_counting))
    assert counted.per_query.equals(expected.per_query)
    np.testing.assert_equal(counted.metrics, expected.metrics)
    np.testing.assert_equal((counted.curves, counted.bounds), (expected.curves, expected.bounds))
    assert (counted.tied, counted.missed) == (expected.tied, expected.missed)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 40))
def test_counted_ranks_of_rows_are_their_places_in_the_ranking(seed: int, size: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, values, size).astype(np.float32)
    first, last = np.sort(rng.integers(0, size + 1, 2))
    rows, removed = rng.permutation(size)[:last][first:], rng.permutation(size)
    removed = removed[~np.isin(removed, rows)][: size // 3]
    (ranking,) = rank(scores[None])
    kept = ranking[~np.isin(ranking, removed)]
    expected = np.flatnonzero(np.isin(kept, rows))
    ordered, ranks = ranks_by_counting(scores, rows, removed)
    assert ranks.tolist() == expected.tolist() and ordered.tolist() == kept[expected].tolist()


def test_counted_ranks_by_hand() -> None:
    # Best first: row 3 is junk, row 0 positive, row 1 negative; then rows 2 (positive) and 4 tie.
    scores = np.array([0.8, 0.7, 0.5, 0.9, 0.5], np.float32)
    graded = Graded.of({0: "good", 2: "ok", 3: "junk"})
    (ranked,) = count_positives(scores, graded, PROTOCOLS["oxford"]).values()
    assert (ranked.ranks.tolist(), ranked.positives) == ([0, 2], 2)
    assert ranked.groups is not None
    assert [part.tolist() for part in ranked.groups] == [[0, 2], [1, 2], [1, 1]]


@pytest.mark.parametrize("count", [300, 4000])
def test_equal_and_negative_zero_scores_keep_the_order_of_the_database(count: int) -> None:
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=(3, count)), 1).astype(np.float32)
    scores[:, ::7] = -0.0
    assert rank(scores).tolist() == np.argsort(-scores, axis=1, kind="stable").tolist()
