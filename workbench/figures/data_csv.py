"""The data of a figure as CSV: a row for each point of each trace."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.common.csv_cell import csv_cell
from workbench.figures.style import plain

COLUMNS = ("trace", "id", "x", "y", "z", "text")


def figure_csv(figure: go.Figure) -> str:
    """The points of all traces: name of the trace, id, x, y, z and text; columns without values are left out.

    Positions that an axis labels with names are given by these names. Text that a spreadsheet would take for
    a formula begins with an apostrophe.
    """
    rows = [row for trace in figure.data for row in _rows(figure, trace)]
    used = [number for number, _ in enumerate(COLUMNS) if any(row[number] != "" for row in rows)]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")  # RFC 4180
    writer.writerow([COLUMNS[number] for number in used])
    writer.writerows([row[number] for number in used] for row in rows)
    return file.getvalue()


def _rows(figure: go.Figure, trace: Any) -> Iterator[list[Any]]:
    name = csv_cell(plain(trace.name or ""))
    x, y, z = (_values(trace, key) for key in ("x", "y", "z"))
    if x is None and y is None:
        x, y = _values(trace, "labels"), _values(trace, "values")
    texts = _values(trace, "hovertext")
    texts = _values(trace, "text") if texts is None else texts
    ids = _values(trace, "ids")
    x, y = _labelled(figure, trace, "x", x), _labelled(figure, trace, "y", y)
    if z is not None and z.ndim == 2:
        height, width = z.shape
        x = np.tile(np.arange(width) if x is None else x, height)
        y = np.repeat(np.arange(height) if y is None else y, width)
    columns = [None if part is None else part.ravel() for part in (ids, x, y, z, texts)]
    length = max((len(column) for column in columns if column is not None), default=0)
    for number in range(length):
        cells = ["" if c is None or number >= len(c) else c[number] for c in columns]
        yield [name, *map(csv_cell, cells[:-1]), csv_cell(plain(cells[-1]))]


def _values(trace: Any, key: str) -> Any:
    values = getattr(trace, key, None)
    if values is None or isinstance(values, str):
        return None
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind in "US" else array


def _labelled(figure: go.Figure, trace: Any, letter: str, values: Any) -> Any:
    """The labels of an axis in place of the positions, where each of them has a label."""
    axis_id = getattr(trace, f"{letter}axis", None) or letter
    axis = figure.layout[f"{letter}axis{axis_id[1:]}"]
    if values is None or axis is None or axis.tickvals is None or axis.ticktext is None:
        return values
    labels = dict(zip(np.asarray(axis.tickvals).tolist(), axis.ticktext, strict=False))
    if any(value not in labels for value in values.tolist()):
        return values
    return np.array([plain(labels[value]) for value in values.tolist()], object)
