"""What is known of positives beside their precision, against evaluations and numbers computed by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.analysis.ap_factors import FACTS, _rows
from workbench.bench.bench import Bench
from workbench.collections.collection import Collection, Query
from workbench.collections.posters.collection import open_posters
from workbench.collections.posters.views import View
from workbench.collections.protocols import PROTOCOLS
from workbench.engine.query_rankings import Judged
from workbench.evaluation.precision import precision_terms

PIPELINE = "efficientnet_lite0/max/rmac:2"


def test_terms_of_ap_by_both_variants() -> None:
    ranks = np.array([0, 3])
    assert precision_terms(ranks, "sum").tolist() == [1, 2 / 4]
    # The mean of the precision before and at the positive; before the first result it is 1.
    assert precision_terms(ranks, "trapezoid").tolist() == pytest.approx([1, (1 / 3 + 2 / 4) / 2])


def test_rows_of_a_query_by_hand() -> None:
    collection = Collection(
        "hand",
        Path("."),
        tuple("abcdef"),
        (Query("q", "f"),),
        protocol=PROTOCOLS["labels"],
        target_facts={("q", "b"): {"visible": 0.5, "size": 0.1, "tilt": 30.0}},
    )
    # Ranked: the query's own image, junk, b (positive), a, c (positive); e (positive) is not reached.
    judged = Judged(collection.queries[0], np.array([2, 1, 4]), np.array([3]), np.array([5]))
    table = pd.DataFrame(_rows(judged, np.array([1, 2]), np.array([0, 2]), collection, "sum"))
    assert table["image_id"].tolist() == ["b", "c", "e"]
    assert table["rank"].tolist()[:2] == [1, 3] and table["rank"].isna()[2]
    assert table["precision"].tolist() == pytest.approx([1, 2 / 3, 0])
    assert table["ap"].tolist() == pytest.approx([5 / 9] * 3)
    assert table["positives"].tolist() == [3, 3, 3]
    assert table.loc[0, ["visible", "size", "tilt"]].to_numpy().tolist() == [0.5, 0.1, 30]
    assert table.loc[1, ["visible", "size", "tilt", "box"]].isna().all()


@pytest.mark.parametrize("pipeline", [PIPELINE, "efficientnet_lite0/mean/whole"])
def test_precisions_of_a_query_add_up_to_its_ap(bench24: Bench, pipeline: str) -> None:
    factors = bench24.studies.ap_factors(pipeline)
    evaluation = bench24.evaluate(pipeline)
    ap = evaluation.per_query.set_index("query")["ap"]
    assert not any("same score" in warning for warning in evaluation.warnings)
    means = factors.table.groupby("query")["precision"].mean()
    assert len(factors.table) == 24 * 5
    assert np.allclose(means[ap.index], ap) and np.allclose(factors.table["ap"], ap[factors.table["query"]])
    assert factors.facts == ["positives"]
    assert "120 positives of 24 queries" in repr(factors)
    assert "does not tell the tilt" in factors.figure("tilt").layout.annotations[0].text


def test_facts_of_the_posters_are_those_that_their_grades_follow_from(posters_cache: Path) -> None:
    posters = open_posters(posters_cache / "posters")
    grades = [(query, image, g) for query, of in posters.relevance.items() for image, g in of.items()]
    assert len(grades) > 400
    for query, image, grade in grades:
        facts = posters.target_facts[query, image]
        assert set(facts) == set(FACTS[:3])
        assert View(0, np.empty((4, 2)), facts["visible"], facts["tilt"], facts["size"]).grade == grade
