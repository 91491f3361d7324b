"""Overlap and recall of boxes, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.common.geometry import bounding_box, box_overlaps, outline_overlap
from workbench.config.errors import WorkbenchError
from workbench.descriptors.proposals import to_cells
from workbench.evaluation.detection import recall

SQUARE = [(2.0, 2.0), (6.0, 2.0), (6.0, 6.0), (2.0, 6.0)]
DIAMOND = [(4.0, 0.0), (8.0, 4.0), (4.0, 8.0), (0.0, 4.0)]


def test_box_overlaps_equal_values_computed_by_hand() -> None:
    """Squares of side 4 that share 8 of 24 cells; a square in one of four times its area; disjoint; empty."""
    others = np.array([[2, 0, 6, 4], [0, 0, 8, 8], [5, 5, 6, 6], [1, 1, 1, 1]])
    overlaps = box_overlaps(np.array([[0, 0, 4, 4]]), others)
    np.testing.assert_allclose(overlaps, [[8 / 24, 1 / 4, 0, 0]])
    assert box_overlaps(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 1]])).tolist() == [[0]]
    assert box_overlaps(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)


def test_outline_overlaps_equal_values_computed_by_hand() -> None:
    """The diamond has half the area of its bounding square of 64 and contains a square of 16."""
    assert outline_overlap((0, 0, 8, 8), DIAMOND, (8, 8)) == pytest.approx(32 / 64)
    assert outline_overlap((2, 2, 6, 6), DIAMOND, (8, 8)) == pytest.approx(16 / 32)
    assert outline_overlap((2, 2, 6, 6), SQUARE, (8, 8)) == pytest.approx(1)
    assert outline_overlap((0, 0, 1, 1), SQUARE, (8, 8)) == 0
    assert outline_overlap((3, 3, 3, 3), SQUARE, (8, 8)) == 0


def test_overlaps_ignore_the_part_outside_the_picture() -> None:
    """A picture of 4 columns contains the left half of the square."""
    assert outline_overlap((2, 2, 4, 6), SQUARE, (4, 8)) == pytest.approx(1)
    assert bounding_box(SQUARE, (4, 8)).tolist() == [2, 2, 4, 6]
    assert outline_overlap((0, 0, 1, 1), SQUARE, (2, 2)) == 0  # no part of it is visible


@given(st.lists(st.floats(0, 50), min_size=8, max_size=8))
def test_an_upright_outline_overlaps_like_its_box(values: list[float]) -> None:
    pairs = zip(values[::2], values[1::2], strict=True)
    (ax, bx), (ay, by), (cx, dx), (cy, dy) = (sorted(pair) for pair in pairs)
    box, corners = (ax, ay, bx, by), [(cx, cy), (dx, cy), (dx, dy), (cx, dy)]
    if min(bx - ax, by - ay, dx - cx, dy - cy) > 0.1:
        expected = box_overlaps(np.array([box]), np.array([[cx, cy, dx, dy]]))[0, 0]
        assert outline_overlap(box, corners, (50, 50)) == pytest.approx(expected, abs=1e-3)


def test_recall_equals_values_computed_by_hand() -> None:
    """Two pictures with three true boxes: one has rank 1, one has rank 3 and one is not proposed."""
    proposed = [np.array([[0, 0, 4, 4], [20, 20, 21, 21], [10, 10, 14, 15]]), np.array([[0, 0, 9, 9]])]
    truth = [np.array([[0, 0, 4, 4], [10, 10, 14, 14]]), np.array([[50, 50, 60, 60]])]
    np.testing.assert_allclose(recall(proposed, truth, [1, 2, 3, 100]), [1 / 3, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(recall(proposed, truth, [3], least=0.9), [1 / 3])
    assert recall([np.zeros((0, 4))], [np.ones((1, 4))], [5]).tolist() == [0]
    with pytest.raises(WorkbenchError, match="there is none"):
        recall(proposed, [np.zeros((0, 4))] * 2, [1])


def test_boxes_are_rounded_and_clipped_to_cells() -> None:
    """Boxes are rounded and clipped to the map; none is empty, even at the far corner or outside."""
    boxes = np.array(
        [[0.4, 0.6, 3.4, 3.6], [-5, -2, 99, 99], [1.1, 1.1, 1.2, 1.2], [6, 4, 6, 4], [9, 9, 12, 12]]
    )
    assert to_cells(boxes, 4, 6).tolist() == [
        [0, 1, 3, 4], [0, 0, 6, 4], [1, 1, 2, 2], [5, 3, 6, 4], [5, 3, 6, 4],
    ]  # fmt: skip


@given(
    st.integers(1, 20), st.integers(1, 20),
    st.lists(st.tuples(*[st.floats(-30, 50)] * 4), min_size=1, max_size=8),
)  # fmt: skip
def test_cells_are_always_on_the_map(height: int, width: int, boxes: list[tuple[float, ...]]) -> None:
    x0, y0, x1, y1 = to_cells(np.array(boxes), height, width).T
    assert (x0 >= 0).all() and (y0 >= 0).all() and (x1 <= width).all() and (y1 <= height).all()
    assert (x1 > x0).all() and (y1 > y0).all()
