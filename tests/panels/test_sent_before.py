"""Messages that the kernel reads late or in another order act on what was on screen when they were sent."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
import pytest

from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.grid import Grid
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.keypoint_pairs import KeyPairs
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.sliders import Numbers


def test_click_brings_the_contents_of_fields() -> None:
    """The click is read before the texts, whose messages follow."""
    text, number, select = W.Text(), W.BoundedIntText(value=3, max=9), W.Dropdown(options=["a", "b"])
    read: list[tuple[Any, ...]] = []
    button = FieldButton(description="Save", fields=[text, number, select])
    button.on_click(lambda _: read.append((text.value, number.value, select.value)))
    button._handle_custom_msg({"click": [[0, "mine.json"], [1, 4], [2, 1]]}, [])
    assert read == [("mine.json", 4, "b")]
    text.value = "mine.json"  # its own message changes nothing
    button.click()
    assert read == [("mine.json", 4, "b")] * 2
    button._handle_custom_msg({"other": 1}, [])
    assert len(read) == 2


def test_strip_sends_the_image_that_was_clicked() -> None:
    strip, picked = Grid(look="strip", pick=True), list[str]()
    strip.on_pick(picked.append)
    strip.figures = [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}]
    strip._handle_custom_msg({"pick": "b"}, [])
    strip.figures = [{"id": "c", "name": "C"}]
    strip._handle_custom_msg({"pick": "b"}, [])
    assert picked == ["b", "b"]


def test_region_of_an_earlier_picture_is_not_picked() -> None:
    view, picked = HeatView(), list[int]()
    view.on_pick(picked.append)
    view.show(np.zeros((2, 2)), name="a", regions=[{"box": [0, 0, 0.5, 1.0], "text": ""}])
    click = {"pick": 0, "name": "a", "box": [0, 0, 0.5, 1.0]}
    view._handle_custom_msg(click, [])
    view.show(name="b")
    view._handle_custom_msg(click, [])  # the same box in another picture
    view.show(name="a", regions=[{"box": [0, 0, 1.0, 1.0], "text": ""}])
    view._handle_custom_msg(click, [])  # another box
    view.show(regions=[])
    view._handle_custom_msg(click, [])
    assert picked == [0]


def test_points_of_an_earlier_map_are_not_chosen() -> None:
    chosen: list[str] = []
    selected: list[list[str]] = []
    plot = Plot()
    plot.on_pick(chosen.append)
    plot.on_select(selected.append)
    plot.show(go.Figure(go.Scatter(x=[0, 1, 2], y=[0, 0, 0], ids=["a", "b", "c"])))
    sent = [{"pick": [0, 2], "version": plot.version}, {"select": [[0, 1]], "version": plot.version}]
    for message in sent:
        plot._handle_custom_msg(message, [])
    plot.show(go.Figure(go.Scatter(x=[0, 1, 2], y=[0, 0, 0], ids=["d", "e", "f"])))
    for message in sent:
        plot._handle_custom_msg(message, [])
    assert (chosen, selected) == (["c"], [["b"]])


def test_keypoints_of_an_earlier_pair_are_not_held() -> None:
    view, held = KeyPairs(), list[list[int]]()
    view.on_pick(held.append)
    view.points = np.zeros((3, 4), "<f4").tobytes()
    sent = {"pick": [1, 2], "version": view.version}
    view._handle_custom_msg(sent, [])
    view.points = np.ones((3, 4), "<f4").tobytes()
    view._handle_custom_msg(sent, [])
    assert held == [[1, 2]]


@pytest.mark.parametrize(
    "changed",
    [
        [],
        [{"label": "Regions: levels", "name": "levels", "values": ["1", "2"], "at": 0}],  # another slider
        [{"label": "Pooling: p", "name": "p", "values": ["1", "4"], "at": 0}],  # other values
        [{"label": "Pooling: p", "name": "p", "values": ["1"], "at": 0}],
    ],
)
def test_slider_that_changed_is_not_set(changed: list[dict[str, Any]]) -> None:
    numbers, moved = Numbers(), list[tuple[int, int]]()
    numbers.on_change(lambda number, at: moved.append((number, at)))
    numbers.sliders = [{"label": "Pooling: p", "name": "p", "values": ["1", "3"], "at": 0}]
    sent = {"slider": 0, "at": 1, "label": "Pooling: p", "value": "3"}
    numbers._handle_custom_msg(sent, [])
    numbers.sliders = changed
    numbers._handle_custom_msg(sent, [])
    assert moved == [(0, 1)]
