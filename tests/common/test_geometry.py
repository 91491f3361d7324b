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


def test_overlaps_by_hand() -> None:
    """Squares of 4 that share 2 x 4 of 24; one within another of four times its area; apart; empty."""
    others = np.array([[2, 0, 6, 4], [0, 0, 8, 8], [5, 5, 6, 6], [1, 1, 1, 1]])
    found = box_overlaps(np.array([[0, 0, 4, 4]]), others)
    np.testing.assert_allclose(found, [[8 / 24, 1 / 4, 0, 0]])
    assert box_overlaps(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 1]])).tolist() == [[0]]
    assert box_overlaps(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)


def test_a_box_and_an_outline_by_hand() -> None:
    """The diamond holds 32 of the square around it with 64, and the square in its middle of 16 wholly."""
    assert outline_overlap((0, 0, 8, 8), DIAMOND, (8, 8)) == pytest.approx(32 / 64)
    assert outline_overlap((2, 2, 6, 6), DIAMOND, (8, 8)) == pytest.approx(16 / 32)
    assert outline_overlap((2, 2, 6, 6), SQUARE, (8, 8)) == pytest.approx(1)
    assert outline_overlap((0, 0, 1, 1), SQUARE, (8, 8)) == 0
    assert outline_overlap((3, 3, 3, 3), SQUARE, (8, 8)) == 0


def test_what_lies_outside_the_picture_does_not_count() -> None:
    """Of the square only the left half is in a picture of 4 columns."""
    assert outline_overlap((2, 2, 4, 6), SQUARE, (4, 8)) == pytest.approx(1)
    assert bounding_box(SQUARE, (4, 8)).tolist() == [2, 2, 4, 6]
    assert outline_overlap((0, 0, 1, 1), SQUARE, (2, 2)) == 0  # nothing of it is seen


@given(st.lists(st.floats(0, 50), min_size=8, max_size=8))
def test_an_upright_outline_overlaps_as_its_box(values: list[float]) -> None:
    pairs = zip(values[::2], values[1::2], strict=True)
    (ax, bx), (ay, by), (cx, dx), (cy, dy) = (sorted(pair) for pair in pairs)
    box, corners = (ax, ay, bx, by), [(cx, cy), (dx, cy), (dx, dy), (cx, dy)]
    if min(bx - ax, by - ay, dx - cx, dy - cy) > 0.1:
        expected = box_overlaps(np.array([box]), np.array([[cx, cy, dx, dy]]))[0, 0]
        assert outline_overlap(box, corners, (50, 50)) == pytest.approx(expected, abs=1e-3)


def test_recall_by_hand() -> None:
    """Two pictures with three true boxes: one is found first, one third, one never."""
    proposed = [np.array([[0, 0, 4, 4], [20, 20, 21, 21], [10, 10, 14, 15]]), np.array([[0, 0, 9, 9]])]
    truth = [np.array([[0, 0, 4, 4], [10, 10, 14, 14]]), np.array([[50, 50, 60, 60]])]
    np.testing.assert_allclose(recall(proposed, truth, [1, 2, 3, 100]), [1 / 3, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(recall(proposed, truth, [3], least=0.9), [1 / 3])
    assert recall([np.zeros((0, 4))], [np.ones((1, 4))], [5]).tolist() == [0]
    with pytest.raises(WorkbenchError, match="there is none"):
        recall(proposed, [np.zeros((0, 4))] * 2, [1])


def test_boxes_become_cells_of_the_map() -> None:
    """Rounded; clipped where they leave the map; never empty, even at its far corner or wholly outside."""
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
def test_cells_always_lie_on_the_map(height: int, width: int, boxes: list[tuple[float, ...]]) -> None:
    x0, y0, x1, y1 = to_cells(np.array(boxes), height, width).T
    assert (x0 >= 0).all() and (y0 >= 0).all() and (x1 <= width).all() and (y1 <= height).all()
    assert (x1 > x0).all() and (y1 > y0).all()
