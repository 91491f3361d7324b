"""Colours of heat, and the view that shows it, without a browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench import colours
from workbench.panels.widgets.heatview import HeatView


def test_oklab_has_the_published_values_and_comes_back() -> None:
    # Red, as in Ottosson's own implementation and in CSS Color 4.
    np.testing.assert_allclose(colours.oklab(np.array([255, 0, 0])), [0.62796, 0.22486, 0.12585], atol=1e-4)
    np.testing.assert_allclose(colours.oklab(np.array([255, 255, 255])), [1, 0, 0], atol=1e-4)
    every = np.random.default_rng(0).integers(0, 256, (200, 3))
    np.testing.assert_allclose(colours.srgb(colours.oklab(every)), every, atol=0.01)


def test_amounts_grow_in_equal_steps_of_lightness_and_out_of_nothing() -> None:
    amounts = colours.table(signed=False)
    lab = colours.oklab(amounts[:, :3])
    assert (np.diff(lab[:, 0]) > -0.002).all()  # but for rounding to 256 levels
    steps = np.linalg.norm(lab[8:] - lab[:-8], axis=1)
    assert steps.max() / steps.min() < 1.25
    assert amounts[0, 3] == 0
    assert (np.diff(amounts[:, 3].astype(int)) >= 0).all()


def test_signed_colours_are_blue_nothing_and_orange() -> None:
    signed = colours.table(signed=True)
    assert tuple(signed[1, :3]) == colours.TAKES and tuple(signed[255, :3]) == colours.ADDS
    assert signed[128, 3] == 0
    np.testing.assert_array_equal(signed[129:, 3], signed[127:0:-1, 3])  # as strong on both sides


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(-2, 2, width=32)), st.floats(0.1, 4))
def test_a_colour_depends_on_the_share_of_the_scale(heat: np.ndarray, top: float) -> None:
    pixels = colours.coloured(heat, top, signed=True)
    assert pixels.shape == (3, 4, 4) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, colours.coloured(heat.clip(-top, top), top, signed=True))
    np.testing.assert_array_equal(pixels[..., 3], colours.coloured(-heat, top, signed=True)[..., 3])


def test_what_is_no_number_has_no_colour() -> None:
    for signed in (False, True):
        assert colours.coloured(np.array([[np.nan]]), 1.0, signed)[0, 0, 3] == 0


def test_a_view_takes_heat_as_an_array_and_several_traits_at_once() -> None:
    view = HeatView(signed=True)
    heat = np.arange(6, dtype=float).reshape(2, 3)[:, ::-1]  # not contiguous, not float32
    view.show(heat, top=5.0, name="<b>a</b>.jpg")
    assert view.shape == (2, 3)
    np.testing.assert_array_equal(np.frombuffer(view.heat, np.float32).reshape(2, 3), heat)
    assert (view.top, view.name) == (5.0, "<b>a</b>.jpg")


def test_the_colours_follow_the_kind_of_heat() -> None:
    view = HeatView()
    assert view.colours == colours.table(False).tobytes()
    view.signed = True
    assert view.colours == HeatView(signed=True).colours == colours.table(True).tobytes()


@pytest.mark.parametrize(
    ("content", "expected"), [({"hover": 2}, [("hover", 2)]), ({"pick": 1}, [("pick", 1)])]
)
def test_hovering_and_picking_are_told_apart(content: dict[str, Any], expected: list[Any]) -> None:
    view, heard = HeatView(), []
    view.on_hover(lambda i: heard.append(("hover", i)))
    view.on_pick(lambda i: heard.append(("pick", i)))
    view._handle_custom_msg(content, [])
    assert heard == expected
