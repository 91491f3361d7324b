"""Combined scores equal those computed by hand from the scores of the parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.engine.combination import Combination, standardise
from workbench.query.query import ARRANGEMENTS, Group, Leaf, Query

A, B, C = (Query.image(name) for name in "abc")
# Scores of five images for three parts; means 3, 2, 0 and deviations sqrt(2), 1, 2.
SCORES = {
    "a": [1, 2, 3, 4, 5],
    "b": [2 + 5**0.5 / 2**0.5, 2, 2, 2, 2 - 5**0.5 / 2**0.5],
    "c": [0, 5**0.5 * 2**0.5, 0, -(5**0.5) * 2**0.5, 0],
}
Z = {
    "a": np.array([-2, -1, 0, 1, 2]) / 2**0.5,
    "b": np.array([1, 0, 0, 0, -1]) * 2.5**0.5,
    "c": np.array([0, 1, 0, -1, 0]) * 2.5**0.5,
}


def no_check(
    operator: str, rows: NDArray[np.int64], sides: Sequence[tuple[list[int], list[int]]]
) -> NDArray[np.bool_]:
    raise AssertionError("no arrangement was expected")


def combination(query: Query, check: object = no_check) -> Combination:
    weighted = [
        weight * standardise(np.array(SCORES[part.value], np.float32)).values for part, weight in query.parts
    ]
    return Combination(query, weighted, check)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("image:a", Z["a"]),
        ("image:a + 0.5 image:b - 2 image:c", Z["a"] + 0.5 * Z["b"] - 2 * Z["c"]),
        ("image:a and image:b", np.minimum(Z["a"], Z["b"])),
        ("image:a or image:b", np.maximum(Z["a"], Z["b"])),
        ("image:a and 3 image:b or image:c", np.maximum(np.minimum(Z["a"], 3 * Z["b"]), Z["c"])),
        ("image:a and (image:b or image:c)", np.minimum(Z["a"], np.maximum(Z["b"], Z["c"]))),
        ("image:a and -image:b", np.minimum(Z["a"], -Z["b"])),
        ("image:a - (image:b and image:c)", Z["a"] - np.minimum(Z["b"], Z["c"])),
        # a part of weight zero is left out, also of the smaller and the larger
        ("image:a + 0 image:b", Z["a"]),
        ("image:a and 0 image:b", Z["a"]),
        ("image:a or 0 image:b", Z["a"]),
        ("image:a + (0 image:b and 0 image:c)", Z["a"]),
        ("image:a left of 0 image:b", Z["a"]),
    ],
)
def test_values_by_hand(line: str, expected: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(combination(Query.parse(line)).values, expected, atol=1e-6)


def test_standardised_scores_have_mean_zero_and_deviation_one() -> None:
    part = standardise(np.array([1, 2, 3, 4, 5], np.float32))
    assert (part.mean, part.std) == pytest.approx((3, 2**0.5))
    np.testing.assert_allclose(part.values, Z["a"])


@pytest.mark.parametrize("scores", [[], [0.7], [0.7, 0.7, 0.7], [0, 0], [0.7, 0.7 + 1e-7, 0.7]])
def test_equal_scores_tell_nothing(scores: list[float]) -> None:
    assert not standardise(np.array(scores, np.float32)).values.any()


def trees() -> st.SearchStrategy[Query]:
    leaves = st.builds(
        lambda name, weight: weight * Query.image(name),
        st.sampled_from("abc"),
        st.sampled_from([-1, 0, 0.3, 1, 2]),
    )
    return st.recursive(
        leaves,
        lambda queries: st.builds(
            lambda first, second, join: {"+": first + second, "&": first & second}.get(join, first | second),
            queries,
            queries,
            st.sampled_from("+&|"),
        ),
        max_leaves=8,
    ).filter(lambda query: any(weight for _, weight in query.parts))


@given(trees(), st.integers(0, 4))
def test_the_deciding_parts_add_up_to_the_score(query: Query, row: int) -> None:
    combined = combination(query)
    parts = combined.deciding(row)
    assert combined.values[row] == pytest.approx(sum(combined.weighted[part][row] for part in parts))
    assert all(query.parts[part][1] for part in parts)


@given(trees())
def test_not_both_is_the_opposite(query: Query) -> None:
    np.testing.assert_allclose(combination(-query).values, -combination(query).values)


def test_images_without_the_arrangement_come_last() -> None:
    def check(
        operator: str, rows: NDArray[np.int64], sides: Sequence[tuple[list[int], list[int]]]
    ) -> NDArray[np.bool_]:
        assert operator == "left of" and rows.tolist() == [2, 3, 1, 0, 4]  # by the smaller score
        assert sides == [([0], [1])] * 5
        return np.array([False, True, True, True, True])

    both = np.minimum(Z["a"], Z["b"])
    values = combination(A.left_of(B), check).values
    expected = both.copy()
    expected[2] -= both.max() - both.min() + 1
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert np.argmin(values) == 2


def test_parts_at_the_sides_of_an_arrangement() -> None:
    seen = []

    def check(
        operator: str, rows: NDArray[np.int64], sides: Sequence[tuple[list[int], list[int]]]
    ) -> NDArray[np.bool_]:
        seen.append((operator, {int(row): side for row, side in zip(rows, sides, strict=True)}))
        return np.ones(len(rows), bool)

    combination((A | B).above(A - C).below(C), check).values  # noqa: B018  # it calls ``check``
    (outer, whole), (inner, either) = sorted(seen, reverse=True)
    assert (inner, outer) == ("above", "below")
    # Of an image without heat for a, b is the larger: a is the larger in the last ones. -c has no place.
    assert either == {0: ([1], [2]), 1: ([1], [2]), 2: ([0], [2]), 3: ([0], [2]), 4: ([0], [2])}
    assert whole[0] == ([1, 2], [4]) and whole[4] == ([0, 2], [4])


def test_groups_of_arrangements_have_two_members() -> None:
    query = Query.parse("image:a left of image:b left of image:c")
    assert isinstance(query, Group) and query.operator in ARRANGEMENTS and len(query.members) == 2
    assert isinstance(query.members[1], Leaf)
