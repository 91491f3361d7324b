"""The figure of re-rankers: differences with intervals, and the share of each class of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.studies import reranked


def test_differences_and_shares_are_those_of_the_methods() -> None:
    figure = reranked(["sv:4", "sv-affine:4"], aps=[0.5, 0.75]).figure()
    gains, shares, words = figure.data
    assert list(gains.ids) == ["sv:4", "sv-affine:4"] and list(gains.x) == [37.5, 37.5]
    # Of four pairs one and two are verified; of two planar ones one and one, of the others none and one.
    assert [row[:3].tolist() for row in shares.z] == [[25, 50, 0], [50, 50, 50]]
    assert np.isnan(shares.z[0][3])  # no pair has a wide baseline
    assert figure.layout.xaxis2.ticktext[1] == "planar<br>n = 2"
    assert "1 of 4 pairs" in words.hovertext[0] and list(words.text[:3]) == ["25", "50", "50"]


def test_one_query_has_no_interval_and_no_method_is_a_notice() -> None:
    gains, *_ = reranked(["sv:4"], aps=[0.5]).figure().data
    assert gains.error_x.array == pytest.approx([0])
    assert reranked([]).figure().layout.annotations[0].text == "No re-ranker is compared."
