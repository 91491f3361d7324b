"""Figures of index trade-offs, sizes of cells and recall of regions."""

from __future__ import annotations

import math

import pytest

from tests.support.studies import cells_of, measures_of, recall_of, tradeoff_of
from workbench.analysis.index_tradeoff import IndexMeasures
from workbench.config.errors import WorkbenchError
from workbench.figures.cell_sizes import cell_sizes
from workbench.figures.index_measures import AXES, in_words, points, seconds
from workbench.figures.label_places import label_sides
from workbench.figures.tradeoff import front, tradeoff

EXACT, PQ, WORSE = measures_of("exact", 1.0, 1024), measures_of("pq:4", 0.6, 4), measures_of("lsh:64", 0.5, 8)


def test_indexes_are_points_and_the_front_is_marked() -> None:
    figure = tradeoff_of([EXACT, PQ, WORSE]).figure()
    stairs, labels, drawn = figure.data
    assert list(labels.text) == ["exact", "pq:4", "lsh:64"]
    assert list(drawn.ids) == ["exact", "pq:4", "lsh:64"]
    assert (list(drawn.x), list(drawn.y)) == ([1024, 4, 8], [100, 60, 50])
    assert (list(stairs.x), list(stairs.y)) == ([4, 1024], [60, 100])
    assert list(drawn.marker.symbol) == ["circle", "circle", "circle-open"]
    assert drawn.hovertext[1] == "pq:4: recall@10 60.0 %, 4 bytes an image; on the Pareto front"
    assert drawn.hovertext[2].endswith("another beats it")
    assert figure.layout.xaxis.type == "log" and figure.layout.yaxis.type == "linear"
    assert figure.layout.xaxis.title.text == "← less is better, bytes an image"
    assert figure.layout.yaxis.title.text == "recall@10, %, more is better →"
    assert "40 images, n = 8 queries" in figure.layout.title.subtitle.text
    assert front({"a": EXACT, "b": PQ, "c": WORSE}, "bytes", "recall@10") == ["pq:4", "exact"]


def test_probes_of_one_index_are_connected() -> None:
    probes = [measures_of("ivf:8:1", 0.5, 100), measures_of("ivf:8:4", 0.9, 100)]
    trail, _, _, drawn = tradeoff_of([EXACT, *probes]).figure(x="queries_per_second").data
    assert list(trail.y) == [50, 90] and len(drawn.ids) == 3
    shown = tradeoff(tradeoff_of([EXACT, *probes]), indexes={"ivf:8": probes[1]}, trail=probes)
    assert [len(trace.x) for trace in shown.data] == [2, 1, 1, 1]
    assert list(shown.data[3].ids) == ["ivf:8"] and list(shown.data[2].text) == ["ivf:8:4"]


def test_indexes_without_measures_are_named() -> None:
    failed = IndexMeasures("pq:7", error="1024 dimensions do not divide by 7")
    figure = tradeoff_of([EXACT, failed]).figure()
    assert "not measured: pq:7" in figure.layout.title.subtitle.text.replace("not drawn, as ", "")
    assert list(figure.data[-1].ids) == ["exact"]
    lost = tradeoff_of([EXACT]).figure(y="lost")  # without ground truth
    assert not lost.data and "No index has both measures" in lost.layout.annotations[0].text
    assert "No index is measured yet" in tradeoff_of([]).figure().layout.annotations[0].text
    with pytest.raises(WorkbenchError, match="axis 'speed' is not known; valid: recall@1"):
        tradeoff_of([EXACT]).figure(x="speed")


def test_measures_in_words() -> None:
    measures = IndexMeasures("pq:16", {1: 0.5, 10: 0.25, 100: 1.0}, 0.6, -0.0123, 16.0, 2048.0, 1234.5, 0.004)
    words = [in_words(measures, axis) for axis in AXES]
    assert words == [
        "recall@1 50.0 %",
        "recall@10 25.0 %",
        "recall@100 100.0 %",
        "mAP 60.0 %",
        "−1.2 points of mAP lost",
        "16 bytes an image",
        "2,048 bytes shared by all images",
        "1,234 queries a second",
        "built in < 0.01 s",
    ]
    assert (seconds(0.004), seconds(1.234), seconds(75.2), seconds(math.nan)) == ("< 0.01", "1.23", "75", "–")
    assert (points(-0.0001), points(-0.0123), points(0.02), points(math.nan)) == ("0.0", "−1.2", "2.0", "–")


def test_labels_cover_no_point_and_no_label() -> None:
    same = [(0.5, 0.5)] * 12
    sides = label_sides(same, ["ivf:64,pq:16"] * 12, range(12))
    assert len(set(filter(None, sides))) == len(list(filter(None, sides)))
    assert "" in sides  # those without room have none
    assert label_sides([(0.0, 0.5), (1.0, 0.5)], ["exact", "exact"], [0, 1]) == [
        "middle right",
        "middle left",
    ]


def test_cells_are_bars_with_their_mean() -> None:
    figure = cell_sizes(cells_of([5, 0, 4, 3], probed=2), "posters")
    (bars,) = figure.data
    assert (list(bars.x), list(bars.y)) == ([1, 2, 3, 4], [5, 0, 4, 3])
    assert list(bars.ids) == ["0", "1", "2", "3"]
    assert [text.rpartition(", ")[2] for text in bars.hovertext] == [*["searched"] * 2, *["not searched"] * 2]
    assert len(set(bars.marker.color[:2])) == 1 and bars.marker.color[2] != bars.marker.color[0]
    assert figure.layout.shapes[0].y0 == 3
    title = figure.layout.title.subtitle.text
    assert "n = 12 images in 4 cells" in title and "semi-synthetic data" in title
    many = cell_sizes(cells_of([1] * 4096, probed=8))
    assert [len(trace.x) for trace in many.data] == [256]
    assert "the nearest 256 drawn" in many.layout.title.subtitle.text
    assert not cell_sizes(cells_of([], probed=0)).data


def test_recall_is_drawn_over_the_number_of_regions() -> None:
    table = recall_of()
    figure = table.figure()
    assert [trace.name for trace in figure.data] == [
        "proposals",
        "moved by the head",
        "R-MAC's grid",
        "sliding windows",
    ]
    assert list(figure.data[1].y) == [50, 95] and list(figure.data[1].x) == [1, 20]
    assert figure.layout.xaxis.type == "log" and figure.layout.yaxis.title.text == "recall, %"
    title = figure.layout.title.subtitle.text
    assert "n = 7 targets in 5 images" in title and "IoU of at least 0.5" in title
    assert type(table.head()).__name__ == "Table"  # a selection is a plain table
    table["proposals"] = table["moved"] = table["rmac"] = table["sliding"] = math.nan
    assert "no target" in table.figure().layout.annotations[0].text
