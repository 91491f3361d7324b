"""The figure of a text's score: the bars of its sum, the heat of a concept, and names as text."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.explanations import text_explained
from workbench.config.errors import WorkbenchError


def test_bars_are_the_concepts_the_others_and_the_score() -> None:
    why = text_explained(["espresso", "cup", "table", "spoon"], probabilities=(0.5, 0.25, 0.0009, 0.0))
    figure = why.figure()
    bars = next(trace for trace in figure.data if trace.type == "bar")
    # weight · probability: 0.5, 0.125; table has 0.0003, too little for a bar.
    assert list(bars.x) == pytest.approx([0.5, 0.125, 0.0003, 0.6253])
    assert list(figure.layout.yaxis2.ticktext) == ["espresso", "cup", "2 others", "<b>score</b>"]
    assert list(bars.text) == ["0.500", "0.125", "0.000", "0.625"]
    assert figure.layout.title.text == "coffee 0.625 in cup.jpg"
    assert figure.layout.xaxis2.title.text == "weight × probability"
    assert figure.layout.title.subtitle.text == "n = 4 concepts · cells sum to 0.625 · semi-synthetic data"
    assert why.sentence == "coffee 0.625 = espresso 0.500 + cup 0.125"


def test_the_heat_is_that_of_all_concepts_or_of_one() -> None:
    why = text_explained(["espresso", "cup"], constant=0.1)
    heat = next(trace for trace in why.figure().data if trace.type == "heatmap")
    np.testing.assert_allclose(heat.z, np.array([[0.45, 0.075, 0], [0, 0, 0]]))
    figure = why.figure("cup")
    heat = next(trace for trace in figure.data if trace.type == "heatmap")
    np.testing.assert_allclose(heat.z, np.array([[0, 0.075, 0], [0, 0, 0]]))
    assert "heat of cup" in figure.layout.title.subtitle.text
    assert figure.layout.coloraxis.cmax == -figure.layout.coloraxis.cmin == pytest.approx(0.075)
    with pytest.raises(WorkbenchError, match="not a concept"):
        why.figure("tea")


def test_a_score_without_concepts_and_many_concepts_stay_readable() -> None:
    figure = text_explained(["a", "b"], probabilities=(0.0, 0.0)).figure()
    assert list(figure.layout.yaxis2.ticktext) == ["2 others", "<b>score</b>"]
    names = [f"concept {n} {'long ' * 30}" for n in range(40)]
    figure = text_explained(names, probabilities=[0.02] * 40).figure()
    shown = figure.layout.yaxis2.ticktext
    assert len(shown) == 10 and shown[8] == "32 others"
    assert all(len(name) <= 40 for name in shown)
    html = text_explained(["<b>bold"], "<i>a</i>")._repr_html_()
    assert "<i>a" not in html and "<b>bold" not in html and "&lt;b&gt;bold" in html
