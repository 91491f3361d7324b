"""Figures of a sweep: their values, axes, intervals and titles."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.studies import sweep_of
from workbench.analysis.combinations import Value
from workbench.config.errors import WorkbenchError
from workbench.evaluation.intervals import mean_interval
from workbench.figures.parameter_axis import numbers_of, parameter_axis_of

APS = {1: [0.2, 0.4, 0.6], 2: [0.5, 0.7, 0.9], 3: [0.1, 0.3, 0.5]}
ONE = sweep_of(
    {f"net/gem:{p}/whole": {"p": p} for p in APS}, {f"net/gem:{p}/whole": a for p, a in APS.items()}
)


def two(ps: list, ds: list, best: tuple) -> dict:
    """The points and APs of two parameters; the pipeline ``best`` has the highest."""
    points = {f"net/gem:{p}/whole/pcaw:{d}": {"p": p, "d": d} for p in ps for d in ds}
    aps = {name: [0.5, 0.9 if (v["p"], v["d"]) == best else 0.1] for name, v in points.items()}
    return {"points": points, "aps": aps, "template": "net/gem:{p}/whole/pcaw:{d}"}


def test_one_parameter_is_a_line_with_its_interval() -> None:
    figure = ONE.figure()
    band, line = figure.data
    assert list(line.x) == [1, 2, 3]
    assert list(line.y) == pytest.approx([40, 70, 30])
    assert list(line.ids) == [f"net/gem:{p}/whole" for p in APS]
    highs, lows = band.y[:3], band.y[3:][::-1]
    ends = [[100 * end for end in mean_interval(APS[p])] for p in APS]
    assert list(zip(lows, highs, strict=True)) == [pytest.approx(pair) for pair in ends]
    assert figure.layout.title.text == "mAP by p"
    title = figure.layout.title.subtitle.text
    assert (
        "n = 3 queries" in title
        and "95 % interval" in title
        and "best: 70.0 %, p = 2" in title
        and "net/gem:{p}/whole" in title
    )
    assert figure.layout.yaxis.title.text == "mAP, %" and figure.layout.xaxis.type == "linear"


def test_numbers_even_by_ratio_have_a_logarithmic_scale() -> None:
    dimensions = (16, 32, 64, 128, 256, 512)
    axis = parameter_axis_of("d", dimensions)
    assert axis.log and axis.layout()["ticktext"] == ["16", "32", "64", "128", "256", "512"]
    assert parameter_axis_of("k", (1, 2, 5, 10, 20, 50)).log
    for even in ((1, 2, 3, 5), (64, 128, 256), (0, 0.25, 0.5, 1), (10, 20, 30, 40, 50), (512,), (-4, 1, 16)):
        assert not parameter_axis_of("d", even).log


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (("pcaw:64", "pcaw:128"), ([64, 128], "pcaw:…")),
        (("pcaw:256:0.5", "pcaw:256:1"), ([0.5, 1], "pcaw:256:…")),
        (("16", "32"), ([16, 32], "")),
        (
            ("file:a/photos_100.safetensors", "file:a/photos_300.safetensors"),
            ([100, 300], "file:a/photos_….safetensors"),
        ),
        (("", "pcaw:64"), (None, "")),
        (("resnet18", "resnet50"), (None, "")),
        (("max", "mean"), (None, "")),
        (("grid:2x2", "grid:3x3"), (None, "")),
        (("alphaqe:10:3", "alphaqe:5:2"), (None, "")),
        (("2020-01-01", "2021-01-01"), (None, "")),
        ((1, "max"), (None, "")),
    ],
)
def test_numbers_in_a_text_are_recognised(values: tuple, numbers: tuple) -> None:
    assert numbers_of(values) == numbers


def test_values_that_are_no_numbers_have_a_row_each() -> None:
    points = {"net/max/whole": {"pooling": "max"}, "net/mean/whole": {"pooling": ""}}
    aps = {"net/max/whole": [0.2, 0.4], "net/mean/whole": [0.5, 0.7]}
    figure = sweep_of(points, aps, "net/{pooling}/whole").figure()
    (rows,) = figure.data
    assert list(rows.x) == pytest.approx([30, 60]) and list(rows.y) == [0, 1]
    assert list(figure.layout.yaxis.ticktext) == ["max", "none"]
    low, high = mean_interval([0.2, 0.4])
    assert rows.error_x.array[0] == pytest.approx(100 * high - 30)
    assert rows.error_x.arrayminus[0] == pytest.approx(30 - 100 * low)


def test_two_parameters_of_three_numbers_are_a_heatmap_with_the_best_marked() -> None:
    swept = sweep_of(**two([1, 2, 3], [16, 64, 256], best=(2, 64)))
    (cells,) = swept.figure().data
    assert (cells.type, np.shape(cells.z)) == ("heatmap", (3, 3))
    assert cells.z[1][1] == pytest.approx(70) and cells.z[0][0] == pytest.approx(30)
    assert cells.text[1][1] == "★ 70.0" and cells.text[0][2] == "30.0"
    assert cells.ids[1][0] == "net/gem:1/whole/pcaw:64"
    assert set(np.ravel(cells.ids)) == set(swept.combinations.pipelines)
    lines = swept.figure(kind="lines", x="d")
    drawn = [trace for trace in lines.data if trace.ids is not None]
    assert [trace.name for trace in drawn] == ["1", "2", "3"]
    assert list(drawn[1].y) == pytest.approx([30, 70, 30])


def test_a_missing_combination_is_an_empty_cell() -> None:
    values = two([1, 2, 3], [16, 64, 256], best=(2, 64))
    del values["aps"]["net/gem:1/whole/pcaw:16"]
    figure = sweep_of(**values).figure()
    assert np.isnan(figure.data[0].z[0][0]) and figure.data[0].text[0][0] == ""
    assert "8 of 9 pipelines evaluated" in figure.layout.title.subtitle.text
    failed = sweep_of(**values, left_out={"net/gem:1/whole/pcaw:16": "no weights"}).figure()
    assert "1 combination left out" in failed.layout.title.subtitle.text
    assert "pipelines evaluated" not in failed.layout.title.subtitle.text


def test_the_best_of_further_parameters_is_drawn() -> None:
    points = {
        f"net/gem:{p}/rmac:{r}/pcaw:{d}": {"p": p, "r": r, "d": d}
        for p in (1, 2)
        for r in (1, 2)
        for d in (8, 16)
    }
    aps = {name: [0.1 * v["p"] + 0.1 * v["r"] + 0.01 * v["d"]] * 2 for name, v in points.items()}
    figure = sweep_of(points, aps, "net/gem:{p}/rmac:{r}/pcaw:{d}").figure()
    drawn = [trace for trace in figure.data if trace.ids is not None]
    assert list(drawn[0].ids) == ["net/gem:1/rmac:1/pcaw:16", "net/gem:2/rmac:1/pcaw:16"]
    assert "each point the best of d" in figure.layout.title.subtitle.text


def test_other_measures_have_their_unit_and_wrong_ones_are_named() -> None:
    figure = ONE.figure(measure="bytes")
    assert figure.layout.yaxis.title.text == "bytes an image"
    assert [trace.mode for trace in figure.data] == ["lines+markers"]  # no interval
    assert ONE.figure(measure="mP@10").data[1].y[0] == pytest.approx(20)
    for options, reason in (
        ({"measure": "F1"}, "measure 'F1' was not measured here; valid: mAP, mP@10"),
        ({"x": "q"}, "x='q' is not a parameter of the sweep; valid: p"),
        ({"kind": "pie"}, "valid: lines, heatmap"),
        ({"kind": "heatmap"}, "needs two parameters"),
    ):
        with pytest.raises(WorkbenchError, match=reason):
            ONE.figure(**options)


def test_one_query_has_no_interval_and_no_positives_a_sentence() -> None:
    names = {f"net/gem:{p}/whole": {"p": p} for p in (1, 2)}
    (line,) = sweep_of(names, {name: [0.5] for name in names}).figure().data
    assert list(line.y) == [50, 50]
    empty = sweep_of(names, {name: [np.nan, np.nan] for name in names}).figure()
    assert not empty.data and "No query has a positive" in empty.layout.annotations[0].text


def test_long_names_that_are_cut_to_the_same_text_stay_apart() -> None:
    values = [f"{'x' * 200}{number}{'y' * 200}" for number in range(3)]
    points: dict[str, dict[str, Value]]
    points = {f"net/{value}/whole": {"pooling": value, "p": p} for p, value in enumerate(values)}
    figure = sweep_of(points, {name: [0.1, 0.2] for name in points}, "net/{pooling}{p}").figure(x="p")
    assert sum(trace.ids is not None for trace in figure.data) == 3
