"""Figures of evaluations: their values against given APs and curves, their titles, and bad input."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from tests.support.evaluations import evaluation_of
from workbench.config.errors import WorkbenchError
from workbench.evaluation.comparison import Comparison
from workbench.evaluation.intervals import mean_interval
from workbench.figures.ap_differences import EXTREMES, MOST, ap_differences
from workbench.figures.mean_aps import mean_aps
from workbench.figures.pipeline_labels import distinct_labels, shared_backbone
from workbench.figures.precision_recall import precision_recall
from workbench.figures.style import Figure

MAX, MEAN = "efficientnet_lite0/max/rmac:2", "efficientnet_lite0/mean/whole"
HOSTILE = "<img src=x onerror=alert(1)>"


def titles(figure: Figure) -> str:
    return f"{figure.layout.title.text} {figure.layout.title.subtitle.text}"


def sentence(figure: Figure) -> str:
    """The sentence that stands in place of a figure."""
    assert not figure.data
    return str(figure.layout.annotations[0].text)


# Precision over recall


def test_curves_are_drawn_in_percent_in_order_of_map() -> None:
    low, high = evaluation_of(MAX, [0.2, 0.4]), evaluation_of(MEAN, [0.6, 0.8])
    figure = precision_recall([low, high])
    named = {trace.name: trace for trace in figure.data}
    assert list(named[MAX].x) == list(range(101))
    assert np.allclose(named[MAX].y, 30) and np.allclose(named[MEAN].y, 70)
    assert named[MEAN].legendrank < named[MAX].legendrank
    assert "photos" in titles(figure) and "n = 2 queries" in titles(figure)
    assert "%" in figure.layout.xaxis.title.text and "%" in figure.layout.yaxis.title.text


def test_curves_of_a_setting_have_its_number_of_queries() -> None:
    evaluation = evaluation_of(MAX, [0.2, 0.4, nan], protocol="revisited", collection="posters")
    evaluation.per_query.loc[0, "ap_hard"] = nan
    medium, hard = precision_recall([evaluation]), evaluation.figure("hard")
    assert "posters, medium" in titles(medium) and "n = 2 queries" in titles(medium)
    assert "posters, hard" in titles(hard) and "n = 1 query ·" in titles(hard)
    assert "semi-synthetic" in titles(hard)
    assert np.allclose(hard.data[0].y, 15)
    with pytest.raises(WorkbenchError, match=r"'harder' is not a setting.*easy, medium, hard"):
        evaluation.figure("harder")
    with pytest.raises(WorkbenchError, match="only one"):
        evaluation_of(MAX, [0.2]).figure("hard")


def test_of_forty_pipelines_the_best_eight_are_named() -> None:
    evaluations = [evaluation_of(f"vgg16/gem:{n}/whole", [n / 100]) for n in range(1, 41)]
    figure = precision_recall(evaluations, emphasised=["vgg16/gem:5/whole"])
    entries = [trace.name for trace in figure.data if trace.showlegend]
    best = [f"vgg16/gem:{n}/whole" for n in (5, 40, 39, 38, 37, 36, 35, 34)]
    assert sorted(entries) == sorted([*best, "32 others"])
    others = [trace for trace in figure.data if trace.legendgroup == "others"]
    assert len(others) == 32 and {trace.line.color for trace in others} == {"#808080"}
    assert len({(t.line.color, t.line.dash) for t in figure.data if t.name in best}) == 8


def test_missing_curves_and_positives_are_sentences() -> None:
    assert "no pipeline" in sentence(precision_recall([]))
    assert "no curves" in sentence(precision_recall([replace(evaluation_of(MAX, [0.5]), curves={})]))
    assert "No query has a positive" in sentence(precision_recall([evaluation_of(MAX, [nan, nan])]))
    drawn = precision_recall([replace(evaluation_of(MAX, [0.5]), curves={}), evaluation_of(MEAN, [0.5])])
    assert [trace.name for trace in drawn.data] == [MEAN]


# AP by query


def test_dumbbells_are_sorted_by_difference_and_named_by_query() -> None:
    a = evaluation_of(MAX, {"x": 0.5, "y": 0.2, "z": 0.4, "w": nan})
    b = evaluation_of(MEAN, {"z": 0.4, "w": 0.9, "y": 0.8, "x": 0.3})
    figure = Comparison([a, b]).figure()
    stems, second, first = figure.data
    assert list(first.ids) == list(second.ids) == ["x", "z", "y"]
    assert list(first.x) == [0, 1, 2]
    assert list(first.y) == pytest.approx([50, 40, 20]) and list(second.y) == pytest.approx([30, 40, 80])
    assert list(stems.y)[:2] == pytest.approx([50, 30]) and np.isnan(stems.y[2])
    low, high = mean_interval([-20, 0, 60])
    interval = f"95 % interval {low:.1f} to {high:.1f}".replace("-", "−")
    assert f"B − A = +13.3 points ({interval})" in titles(figure)
    assert "n = 3 queries: B higher on 1, lower on 1" in titles(figure)
    assert (first.name, second.name) == (f"A: {MAX}", f"B: {MEAN}")
    assert second.hovertext[2] == "y<br>A 20.0 %, B 80.0 %, B − A +60.0"
    assert list(figure.layout.xaxis.ticktext) == ["x", "z", "y"]
    turned = ap_differences(Comparison([a, b]), MEAN, MAX)
    assert list(turned.data[1].ids) == ["y", "z", "x"]


def test_dumbbells_of_a_setting() -> None:
    pair = [evaluation_of(p, [0.4, ap], protocol="revisited") for p, ap in ((MAX, 0.2), (MEAN, 0.6))]
    figure = Comparison(pair).figure(setting="hard")
    assert list(figure.data[1].y) == pytest.approx([20, 30])
    assert "photos, hard" in titles(figure) and "photos, medium" in titles(Comparison(pair).figure())
    with pytest.raises(WorkbenchError, match=r"'tiny' is not a setting.*hard"):
        Comparison(pair).figure(setting="tiny")


@pytest.mark.parametrize("count", [MOST, MOST + 1, 10_000])
def test_of_many_queries_both_ends_are_drawn(count: int) -> None:
    gains = np.random.default_rng(3).permutation(count) / count
    figure = Comparison([evaluation_of(MAX, np.zeros(count)), evaluation_of(MEAN, gains)]).figure()
    drawn = [int(query[1:]) for query in figure.data[1].ids]
    assert len(drawn) == len(set(drawn)) == MOST
    order = np.argsort(gains)
    assert drawn[:EXTREMES] == order[:EXTREMES].tolist()
    assert drawn[-EXTREMES:] == order[-EXTREMES:].tolist()
    assert (np.diff(gains[drawn]) > 0).all()
    assert f"n = {count:,} queries" in titles(figure)
    assert ("200 drawn" in titles(figure)) == (count > MOST)


def test_single_query_has_no_interval() -> None:
    pair = Comparison([evaluation_of(MAX, [0.25]), evaluation_of(MEAN, [0.5])])
    assert "+25.0 points (one query: no interval)" in titles(pair.figure())
    assert "n = 1 query" in titles(pair.mean_aps()) and "no interval" in titles(pair.mean_aps())
    assert list(pair.mean_aps().data[0].error_x.array) == [0, 0]


def test_aps_of_a_single_pipeline_are_drawn_in_their_order() -> None:
    single = evaluation_of(MAX, {"x": 0.5, HOSTILE: 0.2, "z": nan, "y": 0.8}, collection="posters")
    figure = Comparison([single]).figure()
    (aps,) = figure.data
    assert list(aps.ids) == [HOSTILE, "x", "y"] and list(aps.x) == [0, 1, 2]
    assert list(aps.y) == pytest.approx([20, 50, 80])
    assert "<img" not in "".join([*aps.hovertext, *figure.layout.xaxis.ticktext])
    low, high = mean_interval([20, 50, 80])
    assert f"mean 50.0 % (95 % interval {low:.1f} to {high:.1f})" in titles(figure)
    assert f"n = 3 queries · {MAX}" in titles(figure) and "semi-synthetic" in titles(figure)
    many = Comparison([evaluation_of(MAX, np.linspace(1, 0, MOST + 1))]).figure()
    assert len(many.data[0].ids) == MOST and f"{MOST} drawn" in titles(many)
    assert "one query: no interval" in titles(Comparison([evaluation_of(MAX, [0.5])]).figure())
    assert "No query has a positive" in sentence(Comparison([evaluation_of(MAX, [nan])]).figure())


def test_comparisons_without_a_difference_are_sentences() -> None:
    assert "no pipeline" in sentence(Comparison([]).figure())
    never = [evaluation_of(MAX, [nan, 0.1]), evaluation_of(MEAN, [0.2, nan])]
    assert "No query has an AP under both" in sentence(Comparison(never).figure())
    same = Comparison([evaluation_of(MAX, [0.5, 0.1]), evaluation_of(MEAN, [0.2, 0.1])]).figure(0, 0)
    assert "+0.0 points" in titles(same)


# mAP of pipelines


def test_maps_are_sorted_with_their_intervals() -> None:
    aps = {MAX: [0.1, 0.5, 0.3, nan], MEAN: [0.6, 0.8, 0.4, nan]}
    figure = Comparison([evaluation_of(p, values) for p, values in aps.items()]).mean_aps()
    (dots,) = figure.data
    assert list(dots.ids) == [MAX, MEAN] and list(dots.y) == [0, 1]  # the best at the top
    assert list(dots.x) == pytest.approx([30, 60])
    low, high = mean_interval([0.6, 0.8, 0.4])
    assert dots.x[1] - dots.error_x.arrayminus[1] == pytest.approx(100 * low)
    assert dots.x[1] + dots.error_x.array[1] == pytest.approx(100 * high)
    assert list(figure.layout.yaxis.ticktext) == ["max/rmac:2", "mean/whole"]
    assert figure.layout.xaxis.title.text == "mAP, % (of efficientnet_lite0/…)"
    assert "n = 3 queries" in titles(figure) and "95 % interval" in titles(figure)


def test_figure_of_forty_pipelines_has_a_row_for_each() -> None:
    pipelines = [f"file:/{'long ' * 60}/{n}.pth/max/whole" for n in range(40)]
    figure = mean_aps([evaluation_of(p, [n / 40, n / 50]) for n, p in enumerate(pipelines)])
    assert len(set(figure.layout.yaxis.ticktext)) == 40 and figure.layout.height > 40 * 20
    assert "no pipeline" in sentence(mean_aps([]))
    assert "no mAP" in sentence(mean_aps([evaluation_of(MAX, [nan])]))


def test_random_weights_are_said() -> None:
    pair = Comparison([evaluation_of(f"vgg16@random/{p}/whole", [0.1, 0.2]) for p in ("max", "mean")])
    for figure in (pair.figure(), pair.precision_recall(), pair.mean_aps()):
        assert "random weights" in titles(figure)


def test_names_stay_text() -> None:
    pipelines = [f"file:/{HOSTILE}/{n}.pth/max/whole" for n in "ab"]
    pair = Comparison([evaluation_of(p, {HOSTILE: 0.1, "$x$": 0.4}, collection=HOSTILE) for p in pipelines])
    for figure in (pair.figure(), pair.precision_recall(), pair.mean_aps()):
        for trace in figure.data:
            trace.ids = None  # not shown
        assert "<img" not in figure.to_json() and "u003cimg" not in figure.to_json()
        assert "&lt;img" in figure.to_json()


def test_labels_that_are_cut_stay_distinct() -> None:
    assert distinct_labels(["a", "b"]) == ["a", "b"]
    assert distinct_labels(["x" * 30 + "1" + "y" * 30, "x" * 30 + "2" + "y" * 30], 11) == [
        "xxxxx…yyyyy (1)",
        "xxxxx…yyyyy (2)",
    ]


def test_backbone_is_shared_if_all_pipelines_have_it() -> None:
    assert shared_backbone([MAX, MEAN]) == "efficientnet_lite0/"
    assert shared_backbone([MAX, "file:/weights/vgg16.pth/max/whole"]) == ""
    both = [f"file:/weights/vgg16.pth/{pooling}/whole" for pooling in ("max", "mean")]
    assert shared_backbone(both) == "file:/weights/vgg16.pth/"
    assert shared_backbone([MAX]) == ""
