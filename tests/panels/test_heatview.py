"""Colours of heat, and the view that shows it, without a browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.color import deltaE_ciede2000, rgb2lab

from workbench.common import colormaps
from workbench.panels.widgets.heatview import HeatView


def test_colours_of_amounts_increase_in_lightness_from_transparent() -> None:
    amounts = colormaps.table(signed=False)
    lab = rgb2lab(amounts[:, :3] / 255)
    assert (np.diff(lab[:, 0]) >= 0).all() and lab[-1, 0] - lab[0, 0] > 80
    steps = deltaE_ciede2000(lab[16:], lab[:-16])
    assert steps.min() > steps.mean() / 2  # differences are visible in all parts of the scale
    assert amounts[0, 3] == 0
    assert (np.diff(amounts[:, 3].astype(int)) >= 0).all()


def test_signed_colours_range_from_blue_over_transparent_to_orange() -> None:
    signed = colormaps.table(signed=True)
    assert tuple(signed[1, :3]) == colormaps.TAKES and tuple(signed[255, :3]) == colormaps.ADDS
    assert signed[128, 3] == 0
    np.testing.assert_array_equal(signed[129:, 3], signed[127:0:-1, 3])  # opacity is symmetric


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(-2, 2, width=32)), st.floats(0.1, 4))
def test_colour_depends_on_the_share_of_the_scale(heat: np.ndarray, top: float) -> None:
    pixels = colormaps.coloured(heat, top, signed=True)
    assert pixels.shape == (3, 4, 4) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, colormaps.coloured(heat.clip(-top, top), top, signed=True))
    np.testing.assert_array_equal(pixels[..., 3], colormaps.coloured(-heat, top, signed=True)[..., 3])


def test_nan_has_no_colour() -> None:
    for signed in (False, True):
        assert colormaps.coloured(np.array([[np.nan]]), 1.0, signed)[0, 0, 3] == 0


def test_view_accepts_heat_as_an_array_with_other_traits() -> None:
    view = HeatView(signed=True)
    heat = np.arange(6, dtype=float).reshape(2, 3)[:, ::-1]  # not contiguous, not float32
    view.show(heat, top=5.0, name="<b>a</b>.jpg")
    assert view.shape == (2, 3)
    np.testing.assert_array_equal(np.frombuffer(view.heat, np.float32).reshape(2, 3), heat)
    assert (view.top, view.name) == (5.0, "<b>a</b>.jpg")


def test_colours_follow_the_kind_of_heat() -> None:
    view = HeatView()
    assert view.colours == colormaps.table(False).tobytes()
    view.signed = True
    assert view.colours == HeatView(signed=True).colours == colormaps.table(True).tobytes()


@pytest.mark.parametrize(
    ("content", "expected"), [({"hover": 2}, [("hover", 2)]), ({"pick": 1}, [("pick", 1)])]
)
def test_hover_and_pick_messages_are_distinguished(content: dict[str, Any], expected: list[Any]) -> None:
    view, events = HeatView(), []
    view.on_hover(lambda i: events.append(("hover", i)))
    view.on_pick(lambda i: events.append(("pick", i)))
    view._handle_custom_msg(content, [])
    assert events == expected
