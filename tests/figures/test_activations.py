"""The figures of activations: heat over the picture, and regions as outlines with their weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.activations import ramp_activations
from workbench.collections.named_picture import NamedPicture
from workbench.config.errors import WorkbenchError
from workbench.figures.regions import regions


def outlines(figure: Any, level: str) -> list[Any]:
    """The traces of the outlines of a level that can be hovered."""
    return [trace for trace in figure.data if trace.name == level and trace.ids is not None]


@pytest.mark.parametrize(("kind", "factor"), [("norm", 5.0), ("mean", 3.5), (0, 3.0), (np.int64(1), 4.0)])
def test_heat_is_that_kind_of_response(kind: Any, factor: float) -> None:
    figure = ramp_activations().figure(kind)
    heat = figure.data[0]
    np.testing.assert_allclose(heat.z, factor * np.tile(np.arange(4.0), (3, 1)))
    assert (heat.zmin, heat.zmax) == (0, 3 * factor)
    # The picture is 1 wide and 3/4 high; the centres of four columns are at eighths.
    np.testing.assert_allclose(heat.x, [1 / 8, 3 / 8, 5 / 8, 7 / 8])
    np.testing.assert_allclose(np.diff(heat.y), 1 / 4)
    assert heat.colorbar.title.text


def test_maxima_are_numbers_of_channels() -> None:
    """Both channels have their maximum in the three cells of the last column, which share it."""
    figure = ramp_activations().figure("max")
    np.testing.assert_allclose(figure.data[0].z, np.tile([0, 0, 0, 2 / 3], (3, 1)), rtol=1e-6)
    assert figure.layout.title.text == "Channels with their maximum in the cell"
    assert figure.data[0].colorbar.title.text == "channels"


def test_negative_activations_get_a_scale_of_both_signs() -> None:
    seen = ramp_activations()
    heat = replace(seen, maps=-seen.maps).figure("mean").data[0]
    assert (heat.zmin, heat.zmax) == (-10.5, 10.5)


def test_weights_of_cells_are_drawn_and_regions_can_be_left_out() -> None:
    seen = ramp_activations()
    figure = replace(seen, cells=np.full((3, 4), 0.5)).figure("cells", regions=False)
    assert len(figure.data) == 1
    np.testing.assert_array_equal(figure.data[0].z, 0.5)


def test_opacity_of_a_region_is_its_weight_and_a_level_is_one_entry_of_the_legend() -> None:
    seen = ramp_activations()
    figure = seen.figure()
    counts = [int((seen.levels == level).sum()) for level in (1, 2)]
    for level, count in zip((1, 2), counts, strict=True):
        traces = outlines(figure, f"level {level}")
        numbers = [int(trace.ids[6 * n]) for trace in traces for n in range(len(trace.ids) // 6)]
        assert len(numbers) == count
        assert [
            trace.opacity for trace in figure.data if trace.name == f"level {level}" and trace.showlegend
        ] == [None]
        assert {trace.legendgroup for trace in traces} == {f"level {level}"}
        for trace in traces:
            for number in map(int, trace.ids[::6]):
                share = number / (len(seen.regions) - 1)
                assert trace.opacity == pytest.approx(max(0.15, share), abs=1 / 12)
    strongest = max(outlines(figure, "level 2"), key=lambda trace: trace.opacity)
    x0, y0, x1, y1 = seen.regions[-1]
    assert strongest.opacity == 1
    np.testing.assert_allclose(strongest.x[:5], [x0, x1, x1, x0, x0])
    top = figure.layout.images[0].y
    np.testing.assert_allclose(strongest.y[:5], top + 0.75 * np.array([y0, y0, y1, y1, y0]))
    assert strongest.hovertext[0].startswith(f"region {len(seen.regions)} (level 2): weight ")


def test_subtitle_says_the_data_and_random_weights() -> None:
    said = ramp_activations(pipeline="resnet18@random/max/rmac:2", collection="posters").figure()
    assert said.layout.title.subtitle.text.endswith("semi-synthetic data · random weights")
    assert "4 × 3 cells, 2 channels" in said.layout.title.subtitle.text


def test_unknown_kinds_and_channels_are_rejected() -> None:
    with pytest.raises(WorkbenchError, match="valid: norm, max, mean, channel"):
        ramp_activations().figure("median")
    with pytest.raises(WorkbenchError, match="it has 0 to 1"):
        ramp_activations().figure(2)


def test_regions_of_several_pictures_share_a_legend() -> None:
    first, second = ramp_activations("a.jpg"), ramp_activations("b.jpg", "resnet18/max/grid:1x1")
    second = replace(second, regions=np.array([[0, 0, 1, 1.0]]), levels=np.zeros(1, int), weights=np.ones(1))
    figure = regions([first, second, first], columns=2)
    captions = [note.text for note in figure.layout.annotations]
    assert captions == ["a.jpg · rmac:2", "b.jpg · grid:1x1", "a.jpg · rmac:2"]
    entries = [trace.name for trace in figure.data if trace.name and trace.showlegend]
    assert sorted(entries) == ["grid", "level 1", "level 2"]
    assert f"n = 1 to {len(first.regions)} regions a picture" in figure.layout.title.subtitle.text
    (grid,) = outlines(figure, "grid")
    assert min(grid.x[:5]) == figure.layout.images[1].x > 1
    assert figure.layout.images[2].y > figure.layout.images[0].y


def test_no_pictures_is_one_sentence() -> None:
    assert regions([]).layout.annotations[0].text == "There is no picture to draw regions on."


def test_html_has_the_sizes_and_the_picture_and_names_as_text() -> None:
    seen = ramp_activations("<img src=x onerror=alert(1)>")
    html = seen._repr_html_()
    assert "4 × 3 cells, 2 channels" in html
    assert html.count("<img") == 1 and "&lt;img src=x" in html
    gone = replace(seen, picture=NamedPicture("gone.jpg", Path("/nowhere/gone.jpg")))
    assert "the file is missing" in gone._repr_html_()
    assert "no picture" in [note.text for note in gone.figure().layout.annotations]
    assert repr(gone).startswith("Activations('gone.jpg': 4 × 3 cells, 2 channels, ")
