"""Scores by relevance: their AUC against pairs counted by hand, and their sets against rankings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.studies import scores_of
from workbench.analysis import score_distributions as module
from workbench.bench.bench import Bench
from workbench.report.summaries import summary

PIPELINE = "efficientnet_lite0/max/rmac:2"


def test_auc_is_the_share_of_pairs_in_order() -> None:
    # 0.9 is above all three negatives; 0.4 is above 0.1 and equal to 0.4: 3 + 1 + 1/2 of 6 pairs.
    assert scores_of([0.9, 0.4], [0.5, 0.4, 0.1]).auc == pytest.approx(4.5 / 6)
    assert np.isnan(scores_of([], [0.1]).auc) and np.isnan(scores_of([0.1], []).auc)


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_auc_of_exchanged_classes_adds_up_to_one(first: list[int], second: list[int]) -> None:
    assert scores_of(first, second).auc + scores_of(second, first).auc == pytest.approx(1)


def test_table_has_the_moments_of_each_class() -> None:
    table = scores_of([0.5, 0.7], [0.1, 0.2, 0.3, 0.4, 0.5]).table.set_index("relevance")
    assert table.loc["positive", "mean"] == pytest.approx(0.6)
    assert table.loc["positive", "deviation"] == pytest.approx(0.1)
    row = table.loc["negative", ["scores", "lower_quartile", "median", "upper_quartile"]]
    assert row.to_numpy().tolist() == pytest.approx([5, 0.2, 0.3, 0.4])
    assert table.loc["junk", "scores"] == 0 and table["mean"].isna()["junk"]
    assert "nan" not in summary(scores_of([0.5], [0.1]))


def test_scores_are_those_of_the_rankings_of_all_queries(bench24: Bench) -> None:
    scores = bench24.studies.scores(PIPELINE)
    expected: dict[str, list[float]] = {"positive": [], "negative": []}
    for query in bench24.collection.queries:
        ranking = bench24.search(query.id, pipeline=PIPELINE, k=None)
        for relevance, values in expected.items():
            values += ranking["score"][ranking["relevance"] == relevance].tolist()
    assert len(scores.positives) == 24 * 5 and scores.total == len(scores.negatives) == 24 * 18
    assert np.allclose(np.sort(scores.positives), sorted(expected["positive"]), atol=1e-6)
    assert np.allclose(np.sort(scores.negatives), sorted(expected["negative"]), atol=1e-6)
    assert len(scores.junk) == 0 and scores.unranked == 0 and scores.queries == 24


def test_of_many_negatives_an_even_selection_is_kept(bench24: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bench24.studies.scores(PIPELINE)
    monkeypatch.setattr(module, "LEAST", 3)
    monkeypatch.setattr(module, "MOST", 24 * 3)
    few = bench24.studies.scores(PIPELINE)
    assert few.total == whole.total and len(few.negatives) == 24 * 3
    assert few.negatives.min() == whole.negatives.min() and few.negatives.max() == whole.negatives.max()
    assert few.auc == pytest.approx(whole.auc, abs=0.1)
