"""R-MAC's grid as published, and plain grids."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.descriptors.regions import regions, rmac

# Numbers of regions per level, l = 1…5, of the published construction.
COUNTS = [((20, 20), [1, 4, 9, 16, 25]), ((24, 32), [2, 6, 12, 20, 30]), ((16, 32), [3, 8, 15, 24, 35])]


@pytest.mark.parametrize(("shape", "counts"), COUNTS)
@pytest.mark.parametrize("transposed", [False, True])
def test_rmac_has_the_published_number_of_regions(
    shape: tuple[int, int], counts: list[int], transposed: bool
) -> None:
    height, width = shape[::-1] if transposed else shape
    for levels in range(1, 6):
        boxes = rmac(height, width, levels)
        assert len(boxes) == sum(counts[:levels])
        assert len(np.unique(boxes, axis=0)) == len(boxes)


def test_rmac_on_24_by_32_equals_regions_computed_by_hand() -> None:
    """Level 1: two squares of side 24 that share 16 columns; level 2: side 16, three columns, two rows."""
    assert rmac(24, 32, 1).tolist() == [[0, 0, 24, 24], [8, 0, 32, 24]]
    expected = [[x, y, x + 16, y + 16] for y in (0, 8) for x in (0, 8, 16)]
    assert rmac(24, 32, 2)[2:].tolist() == expected
    assert [box[0] for box in rmac(24, 32, 3)[8:12]] == [0, 6, 13, 20]


def published(height: int, width: int, levels: int) -> list[list[int]]:
    """The construction as the paper's code writes it, with its offset c = ⌊side/2 - 1⌋, in floating point."""
    shortest = min(height, width)
    best = [
        abs((shortest**2 - shortest * (max(height, width) - shortest) / (n - 1)) / shortest**2 - 0.4)
        for n in range(2, 8)
    ]
    extra = best.index(min(best)) + 1 if height != width else 0
    extra_x, extra_y = (extra if width > height else 0), (extra if height > width else 0)
    boxes = []
    for level in range(1, levels + 1):
        side = math.floor(2 * shortest / (level + 1))
        half = math.floor(side / 2 - 1)
        starts = []
        for length, count in ((width, level + extra_x), (height, level + extra_y)):
            step = 0 if count == 1 else (length - side) / (count - 1)
            starts.append([math.floor(half + i * step + 1e-9) - half for i in range(count)])
        boxes += [[x, y, x + side, y + side] for y in starts[1] for x in starts[0]]
    return boxes


@given(st.integers(4, 60), st.integers(4, 60), st.integers(1, 6))
def test_rmac_equals_the_published_construction(height: int, width: int, levels: int) -> None:
    # If two numbers of squares are equally close to 40 % overlap, the published choice depends on rounding.
    shortest, difference = min(height, width), abs(height - width)
    distances = [abs(Fraction(3, 5) - Fraction(difference, n * shortest)) for n in range(1, 7)]
    if 2 * shortest // (levels + 1) >= 1 and distances.count(min(distances)) == 1:
        assert rmac(height, width, levels).tolist() == published(height, width, levels)


@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 8))
def test_rmac_regions_are_on_the_map_and_reach_every_border(height: int, width: int, levels: int) -> None:
    boxes = rmac(height, width, levels)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
    sides = boxes[:, 2] - boxes[:, 0]
    assert (sides >= 1).all() and (sides == boxes[:, 3] - boxes[:, 1]).all()
    first_level = boxes[sides == sides[0]]
    assert first_level[:, 0].min() == 0 and first_level[:, 2].max() == width
    assert first_level[:, 1].min() == 0 and first_level[:, 3].max() == height


def test_an_empty_map_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="0x5"):
        rmac(0, 5, 3)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))
def test_a_grid_covers_the_map(height: int, width: int, rows: int, columns: int) -> None:
    step = Step.parse("regions", f"grid:{rows}x{columns}")
    boxes = regions(step, height, width)
    assert len(boxes) == rows * columns
    covered = np.zeros((height, width), int)
    for x0, y0, x1, y1 in boxes:
        assert x1 > x0 and y1 > y0
        covered[y0:y1, x0:x1] += 1
    assert covered.min() >= 1
    if height % rows == 0 and width % columns == 0:
        assert covered.max() == 1


def test_rmac_plus_adds_the_whole_map() -> None:
    """15 terms at three levels on a square map, 21 on 24x32, as summed by the cirtorch package."""
    step = Step.parse("regions", "rmac+:3")
    assert regions(step, 20, 20)[0].tolist() == [0, 0, 20, 20]
    assert (len(regions(step, 20, 20)), len(regions(step, 24, 32))) == (15, 21)
