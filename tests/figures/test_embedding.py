"""Embedding maps as figures: the points, their colours, titles, and what a legend or a scale says."""

from __future__ import annotations

import html
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.maps import comparison_of, map_of
from workbench.common.palette import PALETTE
from workbench.config.errors import WorkbenchError
from workbench.figures.embedding import embedding
from workbench.figures.map_marks import mark_traces
from workbench.figures.map_points import LOOKS, MOST_DRAWN, SYMBOLS_3D, WEBGL_FROM

ATTACK = "<img src=x onerror=alert(1)><a href='x'>$x$"


def images_of(figure: Any) -> list[str]:
    return [image for trace in figure.data for image in trace.ids]


def test_points_are_at_their_positions_and_titles_say_how_they_were_made() -> None:
    frame = map_of(7)
    figure = frame.figure()
    assert sorted(images_of(figure)) == sorted(frame["image_id"])
    for trace in figure.data:
        number = [int(image[1:]) for image in trace.ids]
        assert list(trace.x) == number and list(trace.y) == [-n for n in number]
        assert trace.type == "scatter" and list(trace.hovertext) == list(trace.ids)
    assert [trace.name for trace in figure.data] == ["1 (3)", "2 (2)", "3 (2)"]
    assert figure.layout.title.text == "Embedding map by UMAP"
    assert figure.layout.title.subtitle.text == (
        "photos · resnet50/max/whole · 15 neighbours, minimum distance 0.1 · n = 7 images"
    )
    assert figure.layout.xaxis.title.text == "UMAP 1 (no unit)"
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.legend.itemclick == "toggleothers"
    assert "click: only this" in figure.layout.legend.title.text


def test_figure_in_space_has_equal_scales() -> None:
    figure = embedding(map_of(5, 3, method="tsne", parameters={"perplexity": 4 / 3}))
    assert {trace.type for trace in figure.data} == {"scatter3d"}
    assert [list(trace.z) for trace in figure.data] == [[0, 6], [2, 8], [4]]
    assert figure.layout.scene.aspectmode == "data"
    assert figure.layout.title.text == "Embedding map by t-SNE"
    assert "perplexity 1.33 · n = 5 images" in figure.layout.title.subtitle.text


def test_axes_of_pca_state_the_variance_and_a_map_what_its_data_are() -> None:
    frame = map_of(
        3,
        method="pca",
        parameters={},
        explained_variance=[0.5, 0.125],
        collection="posters",
        pipeline="resnet50@random/max/whole",
    )
    figure = embedding(frame)
    assert figure.layout.xaxis.title.text == "principal axis 1 (50.0 % of the variance)"
    assert figure.layout.yaxis.title.text == "principal axis 2 (12.5 % of the variance)"
    assert figure.layout.title.subtitle.text.endswith("n = 3 images · semi-synthetic data · random weights")


def test_large_maps_are_drawn_by_webgl() -> None:
    figure = embedding(map_of(WEBGL_FROM + 1), named=False)
    assert {trace.type for trace in figure.data} == {"scattergl"}
    assert all(trace.hovertext is None and trace.hoverinfo == "none" for trace in figure.data)
    assert all(trace.x.dtype == np.float32 for trace in figure.data)


@pytest.mark.parametrize(("dimensions", "symbols"), [(2, 8), (3, len(SYMBOLS_3D))])
def test_sixty_labels_have_sixty_pairs_of_colour_and_symbol(dimensions: int, symbols: int) -> None:
    labels = [f"kind {n % 60:02}" for n in range(180)]
    figure = embedding(map_of(180, dimensions), labels)
    looks = [(trace.marker.color, trace.marker.symbol) for trace in figure.data]
    assert len(set(looks)) == len(looks) == 60
    assert {colour for colour, _ in looks} == set(PALETTE)
    assert len({symbol for _, symbol in looks}) == symbols
    for first, second in itertools.pairwise(looks):
        assert first[0] != second[0] and first[1] != second[1]
    assert [trace.name for trace in figure.data] == [f"kind {n:02} (3)" for n in range(60)]


def test_labels_beyond_the_looks_are_coloured_and_counted() -> None:
    labels = [f"{n}" for n in range(100) for _ in range(100 - n)]
    figure = embedding(map_of(len(labels)), labels, first="99")
    names = [trace.name for trace in figure.data]
    assert len(names) == LOOKS
    assert "99 (1)" in names and "61 (39)" in names and "62 (38)" not in names
    others = figure.data[names.index(f"37 other labels ({sum(100 - n for n in range(62, 99))})")]
    assert len(set(others.marker.color)) == len(PALETTE)
    assert {colour for _, colour in others.marker.colorscale} == set(PALETTE)


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh"), st.text(max_size=2)), max_size=40))
def test_each_image_is_drawn_once_under_its_label(labels: list[str | None]) -> None:
    frame = map_of(len(labels))
    figure = embedding(frame, pd.Series(labels, index=frame["image_id"], dtype=object))
    if not labels:
        assert "no image" in figure.layout.annotations[0].text
        return
    assert sorted(images_of(figure)) == sorted(frame["image_id"])
    for trace in figure.data:
        own = {labels[int(image[1:])] for image in trace.ids}
        assert len(own) == 1
        if None in own:
            assert trace.name == f"none ({len(trace.ids)})"


def test_numbers_are_on_a_scale_and_images_without_one_are_grey() -> None:
    frame = map_of(4)
    scores = pd.Series({"a2": 0.5, "a0": 0.25, "a3": 1.0}, name="score")
    figure = embedding(frame, scores)
    grey, valued = figure.data
    assert list(grey.ids) == ["a1"] and grey.name == "no value (1)"
    assert list(valued.ids) == ["a0", "a2", "a3"] and list(valued.marker.color) == [0.25, 0.5, 1]
    scale = figure.layout.coloraxis
    assert (scale.cmin, scale.cmax, scale.colorbar.title.text) == (0.25, 1, "score")
    assert embedding(frame, scores, limits=(0, 2)).layout.coloraxis.cmax == 2
    same = embedding(frame, np.full(4, 0.5)).layout.coloraxis
    assert same.cmin < 0.5 < same.cmax
    assert len(embedding(frame, np.full(4, np.nan)).data) == 1


def test_columns_and_sequences_that_do_not_fit_are_refused() -> None:
    frame = map_of(3)
    with pytest.raises(WorkbenchError, match="the map has no column 'label'; its columns are 'image_id'"):
        embedding(frame, "label")
    with pytest.raises(WorkbenchError, match="2 values for 3 images"):
        embedding(frame, [1.0, 2.0])
    with pytest.raises(WorkbenchError, match="more than one value for an image"):
        embedding(frame, pd.Series([1.0, 2.0], index=["a0", "a0"]))
    with pytest.raises(WorkbenchError, match="the table has no column 'y'"):
        embedding(frame[["image_id", "x"]])


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("count", [1, 2])
def test_few_and_identical_points_are_drawn(count: int, dimensions: int) -> None:
    frame = map_of(count, dimensions)
    frame[list("xyz"[:dimensions])] = 1.0
    assert sorted(images_of(embedding(frame))) == sorted(frame["image_id"])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_names_are_text(dimensions: int) -> None:
    frame = map_of(3, dimensions, collection=ATTACK)
    frame["image_id"] = [ATTACK, "b", "c" * 300]
    figure = embedding(frame, pd.Series([ATTACK, "x", "y"], name=ATTACK))
    sent = figure.data[0]
    for shown in (sent.name, sent.hovertext[0], figure.layout.title.subtitle.text):
        assert "<img" not in shown and "<a" not in shown and "$" not in shown
        assert "<img src=x" in html.unescape(shown)
    assert "<img" not in figure.layout.legend.title.text
    assert all(len(html.unescape(name)) <= 60 for trace in figure.data for name in trace.hovertext)


def test_marks_surround_their_images_in_the_order_of_the_map() -> None:
    frame = map_of(5)
    marked = {"query": ["a3"], "matching": ["a1", "a4", "gone"], "selected": ["a2"]}
    traces = {trace.name: trace for trace in mark_traces(frame, marked)}
    assert set(traces) == {"query", "matching"}
    assert list(traces["matching"].x) == [1, 4]
    assert mark_traces(frame, {"query": ["gone"]}) == []
    assert traces["query"].marker.symbol == "square-open" and list(traces["query"].y) == [-3]
    assert all(trace.hoverinfo == "skip" and trace.showlegend is False for trace in traces.values())
    assert {trace.type for trace in mark_traces(map_of(5, 3), marked)} == {"scatter3d"}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_two_maps_share_the_order_and_the_scale_of_agreement(dimensions: int) -> None:
    first, second = map_of(4, dimensions), map_of(4, dimensions, pipeline="resnet50@random/max/whole")
    figure = comparison_of(first, second, [0, 0.5, 1, 0.5]).figure()
    a, b = figure.data
    assert list(a.ids) == list(b.ids) == ["a0", "a1", "a2", "a3"]
    assert (a.meta["linked"], b.meta["linked"]) == (1, 0)
    assert list(a.marker.color) == list(b.marker.color) == [0, 50, 100, 50]
    scale = figure.layout.coloraxis
    assert (scale.cmin, scale.cmax) == (0, 100) and scale.colorbar.title.text.endswith(", %")
    subtitle = figure.layout.title.subtitle.text
    assert "agreement of the 2 nearest neighbours: mean 50.0 %" in subtitle
    assert subtitle.endswith("n = 4 images · random weights")
    assert [note.text for note in figure.layout.annotations] == [
        f"{letter}: {frame.attrs['pipeline']}" for letter, frame in (("A", first), ("B", second))
    ]
    if dimensions == 2:
        assert (b.xaxis, b.yaxis, figure.layout.yaxis2.scaleanchor) == ("x2", "y2", "x2")
    else:
        assert (a.scene, b.scene) == ("scene", "scene2")


def test_of_a_large_map_a_sample_is_drawn_which_is_said() -> None:
    count = 2 * MOST_DRAWN
    frame = pd.DataFrame({"image_id": np.arange(count).astype(str), "x": np.arange(count), "y": 0.0})
    colours = pd.Series(np.arange(count, dtype=float), index=frame["image_id"])
    figure = embedding(frame, colours)
    assert (
        f"n = {count:,} images, {MOST_DRAWN:,} of them drawn, at random" in figure.layout.title.subtitle.text
    )
    (trace,) = figure.data
    assert len(trace.x) == MOST_DRAWN and np.unique(trace.x).size == MOST_DRAWN
    np.testing.assert_array_equal(trace.x, trace.marker.color)
    np.testing.assert_array_equal(trace.x, np.array(trace.ids, float))
    labels = np.where(np.arange(count) < 10, "few", "many")
    names = [trace.name for trace in embedding(frame, list(labels)).data]
    assert names == ["few (10)", f"many ({count - 10:,})"]  # all images are counted
