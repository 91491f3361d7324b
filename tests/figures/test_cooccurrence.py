"""Figures of whitening: correlations and spectrum, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.explanations import correlated
from workbench.descriptors.whitening import Whitening


def test_matrices_are_those_before_and_after_whitening() -> None:
    result = correlated()
    figure = result.figure()
    before, after = figure.data
    order = result.dimensions.tolist()
    np.testing.assert_allclose(before.z, [[float(a == b or 2 not in (a, b)) for b in order] for a in order])
    np.testing.assert_allclose(after.z, np.eye(2), atol=1e-12)
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-1, 1)
    assert list(figure.layout.xaxis.ticktext) == [str(number) for number in order]
    assert before.hovertext[0][0] == f"dimension {order[0]} and {order[0]}: +1.000"
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [  # of three pairs, one is fully correlated
        "before: mean r² 0.3333 of 3 dimensions",
        "after: mean r² 0.0000 of 2 directions",
    ]
    said = figure.layout.title.subtitle.text
    assert said == "x/max/whole/pcaw:2 · n = 4 vectors, 3 dimensions whitened to 2"


def test_spectrum_is_the_share_of_variance() -> None:
    """Variances 4 + 4 of the equal dimensions, on one direction, and 1 of the other: 8/9 and 1/9."""
    figure = correlated(collection="posters").spectrum_figure()
    before, after = figure.data
    assert before.y == pytest.approx([800 / 9, 100 / 9]) and list(before.x) == [1, 2]
    assert after.y == pytest.approx([50, 50])
    assert figure.layout.yaxis.type == "log"
    assert before.hovertext[1] == "direction 2 before: 11.1 %<br>the first 2 hold 100.0 %"
    assert figure.layout.title.subtitle.text == (
        "x/max/whole/pcaw:2<br>n = 4 vectors · strength 1 · 2 directions hold 90 % before · "
        "2 directions hold 90 % after · semi-synthetic data"
    )


def test_vectors_without_variance_are_one_sentence() -> None:
    still = replace(correlated(), spectrum=(np.zeros(3), np.zeros(2)))
    assert "no variance" in still.spectrum_figure().layout.annotations[0].text
    empty = replace(correlated(), before=np.zeros((0, 0)))
    assert "no dimension" in empty.figure().layout.annotations[0].text


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_fitted_whitening_draws_the_variance_of_its_directions(strength: float) -> None:
    """Variances 9, 4 and 1 along the axes are shares 9/14, 4/14 and 1/14; after it, of their power 1 - t."""
    corners = np.array([[a, b, c] for a in (-3, 3) for b in (-2, 2) for c in (-1, 1)], np.float32)
    fitted = Whitening.fit(corners, 3, strength=strength, provenance={"collection": "<b>posters"})
    figure = fitted.figure()
    before, after = figure.data
    assert before.y == pytest.approx([900 / 14, 400 / 14, 100 / 14], rel=1e-4)
    expected = [100 / 3] * 3 if strength == 1 else [50, 100 / 3, 100 / 6]
    assert after.y == pytest.approx(expected, rel=1e-4)
    said = figure.layout.title.subtitle.text
    assert said.startswith(f"&lt;b&gt;posters · n = 8 vectors · strength {strength:g}")


@pytest.mark.parametrize(("kind", "strength"), [("pca", 1.0), ("pcaw", 0.0), ("lw", 1.0)])
def test_a_whitening_without_variances_is_one_sentence(kind: str, strength: float) -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 4))
    pairs = np.arange(20).reshape(10, 2)
    note = Whitening.fit(vectors, 3, kind, pairs, strength=strength).figure().layout.annotations[0].text
    assert "not the variance of its directions" in note


def test_summary_gives_the_mean_correlation() -> None:
    html = correlated("<b>pipeline").figure().layout.title.subtitle.text
    assert html.startswith("&lt;b&gt;pipeline")
    assert "0.3333 before whitening, 0.0000 after" in correlated()._repr_html_()
