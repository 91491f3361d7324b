"""A plotly figure as the browser gets it: JSON, and the numbers of its arrays as binary buffers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.io.json import to_json_plotly

_NOT_SENT = ("ids", "selectedpoints", "uid")  # of a trace: the widget keeps ids, and sends numbers of points
_INT32 = np.iinfo(np.int32)


def figure_spec(figure: go.Figure) -> dict[str, Any]:
    """``json`` with the ``data`` and ``layout`` of a figure, and its ``arrays``.

    An array in the JSON is {dtype, bdata, shape}, as in plotly's own JSON, but ``bdata`` is a number in
    ``arrays``. The template is not sent: the widget has one for each theme.
    """
    layout = figure.layout.to_plotly_json()
    layout.pop("template", None)
    return _spec({"data": _traces(figure.data), "layout": layout, "named": _named(figure)})


def traces_spec(traces: Iterable[Any]) -> dict[str, Any]:
    """``json`` with the ``data`` of traces (of plotly, or dicts), and their ``arrays``."""
    return _spec({"data": _traces(go.Figure(list(traces)).data)})


def _traces(traces: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in trace.to_plotly_json().items() if name not in _NOT_SENT}
        for trace in traces
    ]


def _named(figure: go.Figure) -> list[bool]:
    """Whether the points of each trace have ids."""
    return [getattr(trace, "ids", None) is not None for trace in figure.data]


def _spec(content: Any) -> dict[str, Any]:
    arrays: list[bytes] = []
    return {"json": to_json_plotly(_without_arrays(content, arrays)).encode(), "arrays": arrays}


def _without_arrays(value: Any, arrays: list[bytes]) -> Any:
    if isinstance(value, dict):
        return {name: _without_arrays(part, arrays) for name, part in value.items()}
    if isinstance(value, (list, tuple)) and any(isinstance(part, (dict, np.ndarray)) for part in value):
        return [_without_arrays(part, arrays) for part in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.ndim in (1, 2) and value.size:
        array = _supported(value)
        arrays.append(array.tobytes())
        shape = ",".join(map(str, array.shape))
        return {"dtype": array.dtype.str[1:], "bdata": len(arrays) - 1, "shape": shape}
    return value


def _supported(array: NDArray[Any]) -> NDArray[Any]:
    """The array in a type that browsers have: little-endian, integers of at most 32 bits."""
    if array.dtype.kind == "f":
        wanted = "<f8" if array.dtype.itemsize > 4 else "<f4"
    elif array.dtype.itemsize == 8:
        fits = _INT32.min <= array.min() and array.max() <= _INT32.max
        wanted = "<i4" if fits else "<f8"
    else:
        wanted = f"<{array.dtype.kind}{array.dtype.itemsize}"
    return np.ascontiguousarray(array, wanted)
