"""Query expansion and database augmentation, by hand and on random vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rankings import drawn, search, searched, unit
from workbench.common.progress import Cancelled
from workbench.search.query_expansion import augment_database, expand_queries
from workbench.search.ranking import Ranking

QUERY = np.array([[1, 0]], np.float32)
DATABASE = np.array([[0.8, 0.6], [0.6, -0.8], [0, 1], [-0.6, 0.8]], np.float32)


def test_average_expansion_matches_values_by_hand() -> None:
    rankings = search(QUERY, DATABASE)
    assert rankings[0].rows.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(expand_queries(QUERY, DATABASE, rankings, 1), unit([[1.8, 0.6]]), atol=1e-6)
    np.testing.assert_allclose(expand_queries(QUERY, DATABASE, rankings, 3), unit([[2.4, 0.8]]), atol=1e-6)
    everything = expand_queries(
        QUERY, DATABASE, rankings, 4
    )  # AQE also adds vectors with negative similarity
    np.testing.assert_allclose(everything, unit([[1.8, 1.6]]), atol=1e-6)
    np.testing.assert_array_equal(expand_queries(QUERY, DATABASE, rankings, 99), everything)


def test_alpha_expansion_matches_values_by_hand() -> None:
    rankings = search(QUERY, DATABASE)
    # The weights are 0.8³ = 0.512 and 0.6³ = 0.216; the cosines 0 and -0.6 have weight zero.
    expected = unit([[1 + 0.512 * 0.8 + 0.216 * 0.6, 0.512 * 0.6 - 0.216 * 0.8]])
    for n in (2, 3, 4):
        np.testing.assert_allclose(expand_queries(QUERY, DATABASE, rankings, n, 3), expected, atol=1e-6)


def test_expansion_ignores_approximate_scores() -> None:
    rankings = [Ranking(np.array([1, 0]), np.array([9, 7], np.float32))]
    expected = expand_queries(QUERY, DATABASE, search(QUERY, DATABASE), 2, 3)
    np.testing.assert_allclose(expand_queries(QUERY, DATABASE, rankings, 2, 3), expected, atol=1e-6)


def test_query_cancelled_out_by_its_results_is_unchanged() -> None:
    opposite = np.array([[-1, 0]], np.float32)
    np.testing.assert_array_equal(expand_queries(QUERY, opposite, search(QUERY, opposite), 1), QUERY)


def test_augmentation_matches_values_by_hand() -> None:
    # The nearest neighbours of 37°, -53°, 90° and 127° are 90°, 37°, 127° and 90°.
    nearest = DATABASE[[2, 0, 3, 2]]
    np.testing.assert_allclose(augment_database(DATABASE, 1), unit(DATABASE + nearest), atol=1e-6)
    everything = np.repeat(unit([DATABASE.sum(0)]), 4, axis=0)
    np.testing.assert_allclose(augment_database(DATABASE, 3), everything, atol=1e-6)
    np.testing.assert_allclose(augment_database(DATABASE, 99), everything, atol=1e-6)


def test_augmentation_keeps_a_single_vector_and_two_opposite_vectors() -> None:
    np.testing.assert_array_equal(augment_database(QUERY, 5), QUERY)
    opposite = np.concatenate([QUERY, -QUERY])
    np.testing.assert_array_equal(augment_database(opposite, 5), opposite)


@settings(max_examples=60, deadline=None)
@given(searched(), st.integers(1, 20), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_expanded_vectors_have_unit_length(case: Any, n: int, alpha: float) -> None:
    queries, database, rankings = case
    for vectors in (expand_queries(queries, database, rankings, n, alpha), augment_database(database, n)):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not np.isnan(
        search(expand_queries(queries, database, rankings, n, alpha), database)[0].scores
    ).any()


def test_augmentation_can_be_stopped() -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "augmenting the database":
            raise Cancelled

    with pytest.raises(Cancelled):
        augment_database(drawn(6, 0), 2, stop)
