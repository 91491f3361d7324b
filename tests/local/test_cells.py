"""Cells as local features: attention, smoothing, selection and places by hand; heat keeps its sum."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.descriptors.whitening import Whitening
from workbench.local.cells import attention, smooth, strongest_cells


def test_attention_is_the_norm_of_the_activation() -> None:
    maps = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    np.testing.assert_allclose(attention(maps).numpy(), [[[5, 0]]])


def test_smoothing_averages_the_neighbours_that_exist() -> None:
    maps = torch.arange(9.0).reshape(1, 1, 3, 3)
    smoothed = smooth(maps)[0, 0].numpy()
    assert smoothed[1, 1] == 4  # the mean of 0 … 8
    assert smoothed[0, 0] == (0 + 1 + 3 + 4) / 4
    assert smoothed[0, 1] == (0 + 1 + 2 + 3 + 4 + 5) / 6


def test_cells_of_all_scales_are_sorted_by_their_own_attention_and_described_by_the_smoothed_map() -> None:
    fine = torch.tensor([[1.0, 0.0, 0.0, 4.0]]).reshape(1, 1, 1, 4)
    coarse = torch.tensor([[2.0, 6.0]]).reshape(1, 1, 1, 2)
    cells = strongest_cells([fine, coarse], None, stride=10)
    np.testing.assert_array_equal(cells.attention, [6, 4, 2, 1])  # cells without activation are left out
    np.testing.assert_allclose(cells.descriptors[:, 0], [4, 2, 4, 0.5])
    # The right half, the last quarter, the left half and the first quarter of a picture of 40×10 pixels.
    squares = [[0.5, 0, 1, 1], [0.75, 0, 1, 1], [0, 0, 0.5, 1], [0, 0, 0.25, 1]]
    np.testing.assert_allclose(cells.boxes, squares)
    assert (cells.size, cells.grid) == ((40, 10), (1, 4))
    np.testing.assert_allclose(cells.points[:2], [[30, 5, 200**0.5, 0], [35, 5, 10, 0]], rtol=1e-6)
    np.testing.assert_allclose(cells.places[0], [0.75, 0.5])
    assert len(strongest_cells([fine, coarse], None, 10, most=2)) == 2


def test_whitening_applies_to_the_smoothed_activation() -> None:
    whitening = Whitening("pcaw", torch.tensor([1.0, 1.0]), torch.tensor([[0.0, 2.0]]))
    maps = torch.tensor([3.0, 5.0]).reshape(1, 2, 1, 1)
    np.testing.assert_allclose(strongest_cells([maps], whitening, 32).descriptors, [[2 * (5 - 1)]])


def test_a_map_without_activations_has_no_cells() -> None:
    cells = strongest_cells([torch.zeros(1, 3, 2, 2)], None, 32)
    assert len(cells) == 0
    assert cells.descriptors.shape == (0, 3)
    np.testing.assert_array_equal(cells.heatmap(np.zeros(0)), np.zeros((2, 2)))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=4),
    st.integers(1, 60),
    st.integers(0, 2**31),
)
def test_the_heat_of_cells_keeps_the_sum_of_their_values(
    shapes: list[tuple[int, int]], most: int, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    maps = [torch.randn(1, 3, *shape, generator=rng) for shape in shapes]
    cells = strongest_cells(maps, None, 16, most)
    assert len(cells) == min(most, sum(rows * columns for rows, columns in shapes))
    assert (np.diff(cells.attention) <= 0).all()
    values = np.random.default_rng(seed).normal(size=len(cells))
    heat = cells.heatmap(values)
    assert heat.shape == shapes[0]
    np.testing.assert_allclose(heat.sum(), values.sum(), atol=1e-6)


def test_a_cell_of_a_coarse_scale_is_spread_over_the_cells_that_it_covers() -> None:
    maps = [torch.ones(1, 1, 2, 3), torch.full((1, 1, 1, 2), 9.0)]
    cells = strongest_cells(maps, None, 32, most=1)
    expected = np.array([[1, 0.5, 0], [1, 0.5, 0]]) / 3  # the left half covers a column and a half of three
    np.testing.assert_allclose(cells.heatmap(np.ones(1)), expected, atol=1e-7)
