"""Geometric models: known ones are recovered among mismatches by every estimator, others rejected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.config.geometries import ESTIMATORS, written_geometry
from workbench.config.steps import Step
from workbench.learning.hardnet.correspondence import transform_keypoints
from workbench.local.features import LocalFeatures
from workbench.local.geometry import Geometry
from workbench.local.single_correspondence import (
    fit_from_single_correspondences,
    hypotheses,
    least_squares,
    residuals,
    support,
)
from workbench.local.verification import verify

SIZE = (400, 300)
KINDS = [written_geometry(model, name) for model, names in ESTIMATORS.items() for name in names]
# Maps that each restricted model has: 3, 4, 5 degrees of freedom, a similarity, an affinity.
MAPS = {
    "upright3": [[1.5, 0, 10], [0, 1.5, -20]],
    "upright4": [[1.5, 0, 10], [0, 0.8, -20]],
    "upright5": [[1.5, 0, 10], [0.3, 0.8, -20]],
    "similarity": [[0.6, -0.8, 150], [0.8, 0.6, 5]],
    "affine": [[1.2, 0.3, 10], [-0.2, 0.9, 30]],
}


def scattered(count: int, seed: int = 0) -> np.ndarray:
    """Keypoints [count, 4] at random places, of random sizes and directions."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(20, 200, (count, 2))
    return np.column_stack([places, rng.uniform(3, 9, count), rng.uniform(0, 360, count)])


def moved(points: np.ndarray, model: list[list[float]]) -> np.ndarray:
    """The keypoints as a picture shows them after an affine map: sizes by the area, directions by the map."""
    linear, shift = np.array(model)[:, :2], np.array(model)[:, 2]
    angles = np.deg2rad(points[:, 3])
    directions = np.column_stack([np.cos(angles), np.sin(angles)]) @ linear.T
    sizes = points[:, 2] * np.sqrt(abs(np.linalg.det(linear)))
    places = points[:, :2] @ linear.T + shift
    turned = np.rad2deg(np.arctan2(directions[:, 1], directions[:, 0]))
    return np.column_stack([places, sizes, turned])


def shifted(points: np.ndarray, x: float, y: float) -> np.ndarray:
    return points + np.array([x, y, 0, 0])


def with_mismatches(points: np.ndarray, images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The matches with ``count`` others between random keypoints behind them."""
    others = scattered(count, seed=5), scattered(count, seed=6)
    return np.vstack([points, others[0]]), np.vstack([images, others[1]])


@pytest.mark.parametrize("model", MAPS)
def test_a_restricted_model_is_recovered_exactly_from_single_correspondences(model: str) -> None:
    points = scattered(40)
    source, target = with_mismatches(points, moved(points, MAPS[model]), 120)
    fitted, inside = fit_from_single_correspondences(source, target, 2.0, model)
    assert fitted is not None
    np.testing.assert_allclose(fitted[:2], MAPS[model], atol=1e-6)
    assert inside[:40].all() and inside[40:].sum() <= 2  # a random match may lie within 2 pixels
    np.testing.assert_array_equal(fitted[2], [0, 0, 1])


def test_a_restricted_model_does_not_describe_what_it_has_no_parameter_for() -> None:
    """A rotation by 90 degrees is none of the upright models: 3 points at most agree on one."""
    points = scattered(40)
    quarter = moved(points, [[0, -1, 220], [1, 0, 0]])
    for model in ("upright3", "upright4", "upright5"):
        _, inside = fit_from_single_correspondences(points, quarter, 0.5, model)
        assert inside.sum() <= 6
    assert fit_from_single_correspondences(points, quarter, 0.5, "similarity")[1].all()


def test_one_correspondence_gives_the_similarity_computed_by_hand() -> None:
    """A keypoint at (10, 0) of size 2 and direction 0 matches one at (5, 5) of size 4 turned by 90°: twice as
    large, (x, y) → (-2y, 2x) + shift; (10, 0) → (0, 20) + shift = (5, 5), so the shift is (5, -15)."""
    source, target = np.array([[10.0, 0, 2, 0]]), np.array([[5.0, 5, 4, 90]])
    np.testing.assert_allclose(hypotheses(source, target)[0], [[0, -2, 5], [2, 0, -15]], atol=1e-12)
    np.testing.assert_allclose(hypotheses(source, target, upright=True)[0], [[2, 0, -15], [0, 2, 5]])


def test_support_is_the_sum_of_truncated_quadratic_scores() -> None:
    """Residuals of 0, 1 and 3 pixels with a threshold of 2: 1 + (1 - 1/4) + 0."""
    source, target = np.zeros((3, 2)), np.array([[0.0, 0], [1, 0], [0, 3]])
    assert support(np.array([[[1.0, 0, 0], [0, 1, 0]]]), source, target, 2.0)[0] == pytest.approx(1.75)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), model=st.sampled_from(list(MAPS)))
def test_least_squares_is_a_minimum_within_its_model(seed: int, model: str) -> None:
    """No other map of the model, here one fitted to disturbed images, has a smaller sum of squares."""
    rng = np.random.default_rng(seed)
    source, target = rng.uniform(0, 300, (12, 2)), rng.uniform(0, 300, (12, 2))
    weights = np.ones((1, 12))
    best = least_squares(model, source, target, weights)
    other = least_squares(model, source, target + rng.normal(0, 5, (12, 2)), weights)
    squares = [(residuals(fitted, source, target) ** 2).sum() for fitted in (best, other)]
    assert squares[0] <= squares[1] * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    turn=st.floats(-180, 180),
    scale=st.floats(0.3, 3),
    shift=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
def test_every_match_of_a_similarity_gives_that_similarity(
    seed: int, turn: float, scale: float, shift: tuple[float, float]
) -> None:
    cosine, sine = scale * np.cos(np.deg2rad(turn)), scale * np.sin(np.deg2rad(turn))
    model = [[cosine, -sine, shift[0]], [sine, cosine, shift[1]]]
    points = scattered(6, seed)
    given = hypotheses(points, moved(points, model))
    np.testing.assert_allclose(given, np.tile(model, (6, 1, 1)), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_estimator_finds_a_shift_among_as_many_mismatches(kind: str) -> None:
    points = scattered(60)
    source, target = with_mismatches(points, shifted(points, 30, 20), 60)
    geometry = Geometry.parse(kind)
    model, inside = geometry.fit(
        source.astype(np.float32), target.astype(np.float32), geometry.near(SIZE), np.linspace(0, 1, 120)
    )
    assert model is not None and model.shape == (3, 3) and inside[:60].mean() > 0.95
    if geometry.model != "fundamental":
        corners = np.array([[20, 20, 6, 0], [200, 200, 6, 0]], float)
        np.testing.assert_allclose(
            transform_keypoints(corners, model)[:, :2], [[50, 40], [230, 220]], atol=0.5
        )


def test_a_fundamental_matrix_explains_two_planes_and_a_homography_one() -> None:
    """A camera that moves sideways by 40: points at depth 1 shift by 40 pixels, those at depth 4 by 10."""
    points = scattered(80)
    near = shifted(points[:40], 40, 0)
    far = shifted(points[40:], 10, 0)
    vectors = np.random.default_rng(1).standard_normal((80, 128))
    stored = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    pair = (
        LocalFeatures(points.astype(np.float32), stored, SIZE),
        LocalFeatures(np.vstack([near, far]).astype(np.float32), stored, SIZE),
    )
    both = verify(*pair, kind="fundamental")
    assert both.inside.all() and both.model is not None
    ends = [np.column_stack([side.points[:, :2], np.ones(80)]) for side in pair]
    lines = ends[0] @ both.model.T  # of the points of the query, in the image
    distances = (ends[1] * lines).sum(1) / np.linalg.norm(lines[:, :2], axis=1)
    np.testing.assert_allclose(distances, 0, atol=0.1)
    # A horizontal shift by 40 or 10 in bands is no plane: one of the two depths is left.
    assert verify(*pair).inliers < 60


@pytest.mark.parametrize("kind", KINDS)
def test_points_on_a_line_and_few_points_are_rejected(kind: str) -> None:
    line = scattered(40)
    line[:, 1] = line[:, 0]
    vectors = np.random.default_rng(1).standard_normal((40, 128))
    stored = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    pair = [LocalFeatures(shifted(line, shift, shift).astype(np.float32), stored, SIZE) for shift in (0, 20)]
    verified = verify(pair[0], pair[1], kind=kind)
    assert (verified.inliers, verified.model) == (0, None) and verified.why
    few = [LocalFeatures(side.points[:7], side.stored[:7], SIZE) for side in pair]
    assert verify(few[0], few[1], kind=kind).why == "7 matches are too few"


def test_without_matches_no_model_is_found() -> None:
    nothing = np.zeros((0, 4))
    for model in MAPS:
        assert fit_from_single_correspondences(nothing, nothing, 1.0, model)[0] is None
    once = scattered(1)
    assert fit_from_single_correspondences(once, once, 1.0, "similarity")[0] is None


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("sv-homography:50", "sv:50"),
        ("sv-homography-magsac:50:hardnet", "sv:50:hardnet"),
        ("sv-affine:50", "sv-affine:50"),
        ("sv-affine-magsac", "sv-affine:100"),
        ("sv-affine-single:50:sift", "sv-affine-single:50:sift"),
        ("sv-similarity-single:50", "sv-similarity:50"),
        ("sv-homography-fast:50", "sv-homography-fast:50"),
    ],
)
def test_a_geometry_is_written_in_the_step(written: str, canonical: str) -> None:
    step = Step.parse("re-ranking", written)
    assert str(step) == canonical and step.name == "sv" and Step.parse("step", canonical) == step


def test_an_unknown_geometry_names_the_valid_ones() -> None:
    with pytest.raises(WorkbenchError, match=r"re-ranking 'sv-affin:5'.*'affin'.*homography, affine"):
        Step.parse("re-ranking", "sv-affin:5")
    with pytest.raises(WorkbenchError, match=r"'single' does not fit.*homography-magsac"):
        Step.parse("re-ranking", "sv-homography-single:5")
    with pytest.raises(WorkbenchError, match="'sv-affine' is not known"):
        Step.parse("index", "sv-affine")
