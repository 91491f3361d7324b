"""The chart widget without a browser: what is sent, what is heard, and what is closed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.support.benches import live_widgets
from workbench.figures.style import new_figure, text
from workbench.panels.widgets import plot as plots
from workbench.panels.widgets.plot import Plot


def cloud(*names: str) -> go.Figure:
    figure = new_figure("Cloud")
    count = np.arange(len(names))
    figure.add_scatter(x=count, y=count / 2, mode="lines")
    figure.add_scatter(x=count, y=count / 2, mode="markers", ids=names)
    return figure


def hear(plot: Plot, **content: Any) -> None:
    """A message of the browser."""
    plot._handle_custom_msg({"version": plot.spec.get("version"), **content}, [])


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], list[bytes]]]:
    messages: list[tuple[dict[str, Any], list[bytes]]] = []
    monkeypatch.setattr(
        Plot, "send", lambda _, content, buffers=(): messages.append((content, list(buffers)))
    )
    return messages


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([1, 2], np.int64), "i4"),
        (np.array([1, 2**40], np.int64), "f8"),
        (np.array([1.5, np.nan], np.float64), "f8"),
        (np.array([1.5], np.float16), "f4"),
        (np.array([[1.5, 2], [3, 4]], ">f4"), "f4"),
        (np.array([7, 8], np.uint8), "u1"),
    ],
)
def test_arrays_are_sent_as_bytes_with_their_values(array: Any, dtype: str) -> None:
    figure = go.Figure(go.Heatmap(z=array) if array.ndim == 2 else go.Scatter(x=array))
    spec = Plot(figure).spec
    sent = json.loads(spec["json"])["data"][0]["z" if array.ndim == 2 else "x"]
    assert sent["dtype"] == dtype
    shape = [int(side) for side in sent["shape"].split(",")]
    received = np.frombuffer(spec["arrays"][sent["bdata"]], f"<{dtype}").reshape(shape)
    np.testing.assert_array_equal(received, array.astype(f"<{dtype}"))


def test_ids_and_templates_are_not_sent() -> None:
    plot = Plot(cloud("secret a", "secret b"))
    assert b"secret" not in plot.spec["json"] and b"template" not in plot.spec["json"]
    assert json.loads(plot.spec["json"])["named"] == [False, True]


def test_picks_and_selections_are_heard_by_id() -> None:
    plot, heard = Plot(cloud("a", "b", "c")), list[object]()
    plot.on_pick(lambda name: heard.append(name))
    plot.on_select(lambda names: heard.append(names))
    hear(plot, pick=[1, 2])
    hear(plot, pick=[0, 2])  # a trace without ids
    hear(plot, select=[[1, 0], [1, 2], [0, 1]])
    assert heard == ["c", ["a", "c"]]
    assert plot.selected == ["a", "c"] and plot.chosen == {"1": [0, 2]}
    hear(plot, select=[])
    assert heard[-1] == [] == plot.selected


def test_message_about_an_older_figure_is_dropped() -> None:
    plot, heard = Plot(cloud("a", "b")), list[str]()
    plot.on_pick(heard.append)
    before = plot.version
    plot.show(cloud("c", "d"))
    hear(plot, pick=[1, 1], version=before)
    hear(plot, pick=[1, 1])
    assert heard == ["d"]


def test_equal_figure_is_not_sent_again_and_its_points_are_still_heard() -> None:
    plot, heard = Plot(cloud("a", "b")), list[str]()
    plot.on_pick(heard.append)
    spec = plot.spec
    plot.show(cloud("a", "b"))
    assert plot.spec is spec
    hear(plot, pick=[1, 1], version=spec["version"])
    plot.show(cloud("a", "other"))  # the same picture of other points
    assert plot.spec["version"] > spec["version"]
    hear(plot, pick=[1, 1], version=spec["version"])
    hear(plot, pick=[1, 1], version=plot.spec["version"])
    assert heard == ["b", "other"]


def test_figure_that_was_changed_in_place_is_sent() -> None:
    figure = cloud("a", "b")
    plot = Plot(figure)
    before = plot.spec
    figure.data[1].y = [3.0, 4.0]
    plot.show(figure)
    assert plot.spec["json"] != before["json"] or plot.spec["arrays"] != before["arrays"]
    assert plot.spec["version"] > before["version"]


def test_current_and_selected_follow_the_figure() -> None:
    plot = Plot(cloud("a", "b"), current="b", selected=["a", "missing"])
    assert plot.rings == [[1, 1]] and plot.chosen == {"1": [0]}
    plot.show(cloud("b", "c", "a"))
    assert plot.rings == [[1, 0]] and plot.chosen == {"1": [2]}
    plot.show(None)
    assert plot.spec == {} and plot.rings == [] and plot.chosen == {}


def test_cell_of_a_heatmap_has_an_id() -> None:
    plot, heard = Plot(go.Figure(go.Heatmap(z=[[1, 2], [3, 4]], ids=[["a", "b"], ["c", "d"]]))), list[str]()
    plot.on_pick(heard.append)
    hear(plot, pick=[0, [1, 0]])
    plot.current = "b"
    assert heard == ["c"] and plot.rings == [[0, [0, 1]]]


def test_point_is_described_by_caption_and_picture(sent: list[Any]) -> None:
    plot = Plot(cloud("a", "b"), describe=lambda name: (f"caption of {name}", b"jpeg"))
    hear(plot, show=[1, 1])
    assert plot.runner.wait(5)
    assert sent == [({"show": [1, 1], "caption": "caption of b", "opens": "b"}, [b"jpeg"])]


def test_page_gets_the_script_once_for_requests_that_waited(sent: list[Any]) -> None:
    plot = Plot()
    for page in ("first", "first", "second"):
        hear(plot, need="script", page=page)
    assert len(sent) == 2
    content, buffers = sent[0]
    assert set(content["templates"]) == {"light", "dark"} and buffers == [plots.plotly_script()]


def test_marks_are_sent_without_the_figure() -> None:
    plot = Plot(cloud(text("a")))
    spec = plot.spec
    plot.mark([go.Scatter(x=np.arange(3), y=np.arange(3))])
    assert plot.spec is spec and json.loads(plot.marks["json"])["data"][0]["x"]["dtype"] == "i4"
    plot.mark([])
    assert plot.marks == {}


def test_closed_widgets_are_forgotten() -> None:
    before = live_widgets()
    plot = Plot(cloud("a"))
    plot.layout.close()
    plot.close()
    assert live_widgets() == before
