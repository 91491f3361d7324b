"""Principal components of two maps: by hand, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.explain.components import KEPT, components, fit, shares_text


def random_map(seed: int, channels: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, height, width))


def test_components_by_hand() -> None:
    """Unit cells (1, 0), (0, 1): the mean is (½, ½), one component (1, −1)/√2, and the values are ±1/√2."""
    maps, other = np.array([[[3.0, 0.0]], [[0.0, 2.0]]]), np.array([[[5.0]], [[0.0]]])
    result = components(maps, maps)
    np.testing.assert_allclose(result.basis.mean, [0.5, 0.5])
    np.testing.assert_allclose(np.abs(result.basis.axes[0]), [0.5**0.5, 0.5**0.5])
    np.testing.assert_allclose(result.shares, [1, 0, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(np.abs(result.values[0][0]), [[0.5**0.5, 0.5**0.5]])
    left, right = result.colours()[0][0]
    assert {left[0], right[0]} == {0.0, 1.0}
    np.testing.assert_allclose(left[1:], 0.5)  # components without variance are grey
    kept = components(other, maps, result.basis)  # one cell of the first direction, with any norm
    np.testing.assert_allclose(kept.colours()[0][0, 0], left)
    np.testing.assert_allclose(kept.values[1], result.values[0])
    assert shares_text(result.shares) == (
        "red: component 1 (100 %), green: component 2 (0 %), blue: component 3 (0 %) of the variance"
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 6), st.integers(1, 6))
def test_components_are_orthogonal_ordered_and_independent_of_the_order_of_the_images(
    seed: int, channels: int, height: int, width: int
) -> None:
    maps, other = random_map(seed, channels, height, width), random_map(seed + 1, channels, width, height + 1)
    basis = fit([maps, other])
    rank = int((basis.shares > 0).sum())
    np.testing.assert_allclose(basis.axes[:rank] @ basis.axes[:rank].T, np.eye(rank), atol=1e-6)
    assert (np.diff(basis.shares) <= 1e-12).all() and basis.shares.sum() <= 1 + 1e-9
    if channels <= KEPT:
        assert basis.shares.sum() == pytest.approx(1 if basis.shares.any() else 0)
    for axis in basis.axes[:rank]:
        assert axis[np.abs(axis).argmax()] > 0
    swapped = fit([other, maps])
    np.testing.assert_allclose(swapped.shares, basis.shares, atol=1e-9)
    gaps = np.abs(np.diff(basis.shares[: rank + 1])) > 1e-3  # equal variances have no order
    for k in range(rank):
        loadings = np.sort(np.abs(basis.axes[k]))
        clear = len(loadings) < 2 or loadings[-1] - loadings[-2] > 1e-6
        if clear and gaps[max(k - 1, 0) : k + 1].all():
            np.testing.assert_allclose(swapped.axes[k], basis.axes[k], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.floats(0.5, 20))
def test_equal_cells_have_equal_colours_whatever_their_norm(seed: int, first: int, factor: float) -> None:
    maps = random_map(seed, 12, 4, 5)
    result = components(maps, factor * maps[:, ::-1, ::-1])
    here, there = result.colours(first)
    assert here.shape == (4, 5, 3) and here.min() >= 0 and here.max() <= 1
    np.testing.assert_allclose(here, there[::-1, ::-1], atol=1e-6)


def test_equal_maps_without_variance_are_grey() -> None:
    for maps in (np.ones((4, 2, 3)), np.zeros((4, 2, 3)), np.ones((1, 1, 1))):
        result = components(maps, maps)
        assert not result.shares.any()
        np.testing.assert_allclose(result.colours()[1], 0.5)


def test_outliers_do_not_stretch_the_colours() -> None:
    """Two halves of 100 cells, and a third direction in a single cell: the halves keep their contrast."""
    maps = np.zeros((3, 20, 10))
    maps[0, :10], maps[1, 10:] = 1, 1
    maps[:, 0, 0] = 0, 0, 1
    colours = components(maps, maps).colours()[0]
    assert abs(colours[5, 5, 0] - colours[15, 5, 0]) == pytest.approx(1)


def test_wrong_input_is_one_sentence() -> None:
    maps = np.ones((4, 2, 2))
    with pytest.raises(WorkbenchError, match="maps of 4 and of 3 channels have no common components"):
        components(maps, maps[:3])
    result = components(maps, maps)
    with pytest.raises(WorkbenchError, match="those of 4 channels, and this layer has 3"):
        components(maps[:3], maps[:3], result.basis)
    for first in (0, 5):
        with pytest.raises(WorkbenchError, match="valid: 1 to 4"):
            result.colours(first)
