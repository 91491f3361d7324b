"""Contributions to a score and to a difference of scores, compared with values by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.explanations import explained
from workbench.collections.collection import Collection
from workbench.collections.protocols import PROTOCOLS
from workbench.common.rounding import rounded, signed
from workbench.explain.sums import extent
from workbench.panels.contributions import columns, difference, links, regions, rows, score
from workbench.panels.score_explanation import rival


def test_regions_are_sorted_by_absolute_contribution_with_the_best_match() -> None:
    listing = score(explained([[0.1, -0.4], [0.3, 0.05]]))
    assert [part.value for part in listing.parts] == pytest.approx([0.35, -0.3])
    assert listing.total.whole == pytest.approx(0.05)
    assert listing.parts[1].boxes[0].tolist() == [0, 0, 0.5, 1]
    assert listing.parts[0].boxes[1].tolist() == [0, 0, 0.5, 1]  # its pair of 0.3, not that of 0.05
    assert [row["cells"]["share"] for row in rows(listing)] == ["700.0", "-600.0"]  # type: ignore[index]
    assert [region["strength"] for region in regions(listing, 0)] == pytest.approx([1, 6 / 7])
    assert links(listing)[0]["start"] == [0.35, 0.5] and links(listing)[0]["end"] == [0.25, 0.5]
    assert listing.part_at("1") == 1 and listing.part_at("whole 3") == -1
    assert listing.point_of(1) == "1" and listing.point_of(-1) == ""


def test_difference_is_computed_by_query_region_with_its_best_match() -> None:
    listing = difference(explained([[0.1, 0.3], [0.2, 0.0]]), explained([[0.2, 0.1], [0.4, 0.1]]))
    assert [part.value for part in listing.parts] == pytest.approx([-0.3, 0.1])
    assert listing.parts[0].sides == pytest.approx((0.2, 0.5))
    assert listing.total.whole == pytest.approx(-0.2)
    # The second query region matches the first region of both images best.
    assert [box.tolist() for box in listing.parts[0].boxes] == [
        [0.1, 0, 0.6, 1],
        [0, 0, 0.5, 1],
        [0, 0, 0.5, 1],
    ]
    assert listing.parts[1].boxes[1].tolist() == [0.1, 0, 0.6, 1]


def test_a_picture_without_regions_is_split_into_thirds_without_partners() -> None:
    why = explained([[0.5]])
    heat = np.arange(1.0, 37).reshape(6, 6)
    listing = score(replace(why, query_heatmap=heat / heat.sum() / 2))
    assert len(rows(listing)) == 9 and regions(listing, 1) == [] and links(listing) == []
    assert sum(part.value for part in listing.parts) == pytest.approx(0.5)
    assert [column["title"] for column in columns(listing)] == [
        "#",
        "Part",
        "Query region",
        "Adds",
        "Share %",
    ]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12))
def test_rounded_values_add_up_to_the_rounded_sum(values: list[float]) -> None:
    shown = rounded(values, 3)
    assert sum(shown) == pytest.approx(round(sum(np.array(values) * 1000)) / 1000, abs=1e-9)
    assert np.abs(np.array(shown) - values).max() <= 0.001 + 1e-9


def test_signs_and_positions_are_formatted() -> None:
    assert [signed(value, 3) for value in (0.0123, -0.5, 0.0004)] == ["+0.012", "−0.500", "0.000"]
    assert extent(np.array([0, 0, 1, 1])) == "whole"
    assert extent(np.array([0, 0.25, 0.5, 1])) == "0–50 × 25–100"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("wrong1", ("right1", "the first true positive")),
        ("right2", ("wrong1", "the strongest negative above it")),
        ("right1", ("", "the strongest negative above it")),
        ("spoilt", ("", "")),
        ("not there", ("", "")),
    ],
)
def test_rival_is_the_first_positive_for_a_negative_and_the_reverse(
    image: str, expected: tuple[str, str]
) -> None:
    ranking = pd.DataFrame(
        {
            "image_id": ["right1", "wrong1", "spoilt", "wrong2", "right2"],
            "relevance": ["easy", "negative", "junk", "negative", "hard"],
        }
    )
    collection = Collection("some", Path(), (), protocol=PROTOCOLS["revisited"])
    assert rival(ranking, image, collection) == expected
    assert rival(ranking, image, Collection("others", Path(), ())) == ("", "")
