"""The data of a figure as CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
import plotly.graph_objects as go

from workbench.figures.data_csv import figure_csv
from workbench.figures.style import new_figure, text


def rows(figure: go.Figure) -> list[list[str]]:
    return list(csv.reader(io.StringIO(figure_csv(figure), newline="")))


def test_points_have_trace_id_coordinates_and_text() -> None:
    figure = new_figure("Points")
    figure.add_scatter(x=[1, 2], y=np.array([0.5, np.nan]), name=text("a, <b>"), ids=["p", "q"])
    figure.add_scatter(x=[3], y=[4.25], name="second", hovertext=['said "x"<br>twice'])
    assert rows(figure) == [
        ["trace", "id", "x", "y", "text"],
        ["a, <b>", "p", "1", "0.5", ""],
        ["a, <b>", "q", "2", "", ""],
        ["second", "", "3", "4.25", 'said "x" · twice'],
    ]


def test_positions_are_given_by_the_labels_of_the_axis() -> None:
    figure = go.Figure(go.Bar(x=[0.1, 0.9], y=[0, 1], orientation="h"))
    figure.update_yaxes(tickvals=[0, 1], ticktext=[text("$x$"), text("<i>")])
    assert rows(figure) == [["x", "y"], ["0.1", "$x$"], ["0.9", "<i>"]]


def test_cells_of_a_heatmap_are_rows() -> None:
    figure = go.Figure(go.Heatmap(x=[64, 128], y=[1, 3], z=[[1, 2], [3, 4]], ids=[["a", "b"], ["c", "d"]]))
    assert rows(figure)[1:] == [
        ["a", "64", "1", "1"],
        ["b", "128", "1", "2"],
        ["c", "64", "3", "3"],
        ["d", "128", "3", "4"],
    ]


def test_text_is_no_formula_in_a_spreadsheet() -> None:
    names = ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1"]
    figure = go.Figure(go.Scatter(x=[-1.0] * 5, y=[2] * 5, ids=names))
    table = rows(figure)[1:]
    assert [row[0] for row in table] == [f"'{name}" for name in names]
    assert {row[1] for row in table} == {"-1.0"}  # a number stays one


def test_figure_without_points_has_only_a_header() -> None:
    assert rows(new_figure("Nothing")) == [[]]
