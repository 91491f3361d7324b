"""The figure of the ways of querying: bytes, mAP with intervals, and notices."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.studies import budget_of
from workbench.figures.budget import in_units


def test_bytes_and_map_are_those_of_the_ways() -> None:
    ways = [
        ("JPEG", "512 px, q 90", 2e4, 0),
        ("JPEG", "512 px, q 20", 5e3, 0),
        ("JPEG", "128 px, q 50", 2e3, 0),
    ]
    ways += [("vector", "fp32", 1024, 0), ("code", "pq:8", 8, 0), ("on the phone", "pq:8", 0, 8)]
    budget = budget_of(ways, aps=[0.25, 0.75])
    lines = {trace.name: trace for trace in budget.figure().data}
    assert lines["JPEG, 512 px"].x == (5e3, 2e4) and lines["JPEG, 128 px"].x == (2e3,)
    assert lines["vector sent"].y == (50,) and lines["pq sent"].x == (8,)
    assert lines["pq:8"].x == (81_000, 801_000, 8_001_000) and lines["pq:8"].xaxis == "x2"
    assert tuple(lines["pq sent"].error_y.array) == (25,) and tuple(lines["pq sent"].error_y.arrayminus) == (
        25,
    )
    assert "n = 2 queries" in budget.figure().layout.title.subtitle.text
    assert list(budget.table["phone_10000"]) == [0, 0, 0, 1000, 1000, 81_000]


def test_one_query_has_no_interval_and_no_way_is_a_notice() -> None:
    figure = budget_of([("vector", "fp32", 1024, 0)], aps=[0.5]).figure()
    assert np.array_equal(figure.data[0].error_y.array, [0])
    assert budget_of([]).figure().layout.annotations[0].text == "No way of querying is measured."


@pytest.mark.parametrize(
    ("count", "words"), [(8, "8 B"), (1536, "1.54 KB"), (7.36e6, "7.36 MB"), (2e9, "2 GB")]
)
def test_bytes_are_shown_in_units(count: float, words: str) -> None:
    assert in_units(count) == words
