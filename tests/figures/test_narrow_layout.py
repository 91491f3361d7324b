"""Layouts of narrow charts: plots below one another, and what the widget is told."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.figures.samples import SAMPLES
from tests.support.explanations import correlated
from tests.support.studies import measures_of, tradeoff_of
from workbench.figures.narrow_layout import narrow, stacked
from workbench.figures.style import new_figure


def test_stacked_plots_have_their_heights_and_gaps() -> None:
    """Heights of 30 and 50 pixels with a gap of 20: the upper plot ends at 70 of 100 from below."""
    np.testing.assert_allclose(stacked([30, 50], [20]), [[0.7, 1.0], [0.0, 0.5]])
    np.testing.assert_allclose(stacked([10], []), [[0, 1]])


def test_layouts_are_named_from_the_widest_and_other_notes_stay() -> None:
    figure = new_figure("title", meta={"scroll_zoom": True})
    narrow(figure, 600, height=300)
    narrow(figure, 400, {"0": {"text": ["a"]}}, height=200)
    assert figure.layout.meta["scroll_zoom"]
    assert figure.layout.meta["narrow"] == [
        {"below": 600, "layout": {"height": 300}, "data": {}},
        {"below": 400, "layout": {"height": 200}, "data": {"0": {"text": ["a"]}}},
    ]


@pytest.mark.parametrize("name", ["cooccurrence", "explanation", "embedding_comparison"])
def test_plots_side_by_side_are_stacked_where_the_chart_is_narrow(name: str) -> None:
    figure = SAMPLES[name]()
    layouts = [rule["layout"] for rule in figure.layout.meta["narrow"]]
    assert layouts
    for layout in layouts:
        numbers = [key.removeprefix("yaxis") for key in layout if key.startswith("yaxis")]
        domains = sorted((layout[f"yaxis{number}"]["domain"] for number in numbers), reverse=True)
        assert len(domains) >= 2 and domains[0][1] == 1
        assert all(lower[1] < upper[0] for upper, lower in pairwise(domains))
        assert all(layout[f"xaxis{number}"]["domain"][1] == 1 for number in numbers)
        names = [note["text"] for note in layout["annotations"]]
        assert names == [note.text for note in figure.layout.annotations]
        assert len(layout["meta"]["captions"]) == len(names)


def test_matrices_stay_square_in_a_stack() -> None:
    rules = correlated().figure().layout.meta["narrow"]
    assert [rule["below"] for rule in rules] == sorted((rule["below"] for rule in rules), reverse=True)
    for rule in rules:
        (low, high), (start, end) = (rule["layout"][axis]["domain"] for axis in ("yaxis", "yaxis2"))
        assert high - low == pytest.approx(end - start)


def test_fewer_labels_of_a_trade_off_are_shown_where_they_have_less_room() -> None:
    measured = [measures_of(f"ivf:{n},pq:4", 0.5 + n % 5 / 100, 4 * n) for n in range(8, 40)]
    figure = tradeoff_of(measured).figure()
    (drawn,) = [n for n, trace in enumerate(figure.data) if trace.mode == "markers+text"]
    counts = [sum(map(bool, figure.data[drawn].text))]
    for rule in figure.layout.meta["narrow"]:
        labels = rule["data"][str(drawn)]
        assert len(labels["text"]) == len(labels["textposition"]) == len(measured)
        counts.append(sum(map(bool, labels["text"])))
    assert counts[-1] < counts[0] and counts == sorted(counts, reverse=True)
