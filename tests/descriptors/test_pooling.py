"""Pooling against plain loops, hand-computed values and the formulas of the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac
from workbench.descriptors.weighting import centre_prior

WHOLE = np.array([[0, 0, 2, 2]])
SCHEMES = ["max", "mean", "gem:3", "gem:1", "gem:7.5", "crow"]


def naive(maps: torch.Tensor, box: list[int], scheme: str) -> torch.Tensor:
    """Pool one region by the formula, in double precision."""
    maps = maps.double()
    x0, y0, x1, y1 = box
    region = maps[:, :, y0:y1, x0:x1]
    if scheme == "max":
        return region.amax((2, 3))
    if scheme == "mean":
        return region.mean((2, 3))
    if scheme.startswith("gem"):
        p = float(scheme[4:])
        return (region.clamp(min=0) ** p).mean((2, 3)) ** (1 / p)
    mass = maps.sum(1, keepdim=True)
    weights = (mass / mass.square().sum((2, 3), keepdim=True).sqrt()) ** 0.5
    pooled = (region * weights[:, :, y0:y1, x0:x1]).sum((2, 3))
    share = (region > 0).double().mean((2, 3))
    rarity = torch.log(share.sum(1, keepdim=True) / share)
    return torch.where(share > 0, pooled * rarity, 0.0)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 8), st.integers(3, 12), st.integers(3, 12),
    st.integers(1, 4), st.sampled_from(SCHEMES), st.booleans(), st.integers(0, 2**31),
)  # fmt: skip
def test_pooling_equals_a_loop_over_regions(
    batch: int, channels: int, height: int, width: int, levels: int, scheme: str, last: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(batch, channels, height, width, generator=generator).relu()
    if last:
        maps = maps.to(memory_format=torch.channels_last)
    boxes = rmac(height, width, levels)
    expected = torch.stack([naive(maps, box, scheme) for box in boxes.tolist()], 1)
    torch.testing.assert_close(pool(maps, boxes, scheme).double(), expected, rtol=1e-4, atol=1e-5)


def test_max_mean_and_gem_equal_values_computed_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 8.0]]]])
    assert pool(maps, WHOLE, "max").tolist() == [[[4.0, 8.0]]]
    assert pool(maps, WHOLE, "mean").tolist() == [[[2.5, 2.0]]]
    cubes = [(1 + 8 + 27 + 64) / 4, 512 / 4]
    torch.testing.assert_close(pool(maps, WHOLE, "gem:3"), torch.tensor([[[c ** (1 / 3) for c in cubes]]]))


def test_crow_equals_values_computed_by_hand() -> None:
    """Kalantidis et al.: S = (1, 2, 3, 12), ‖S‖ = √158; Q = (1, 1/4), weights log(1.25/Q)."""
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 8.0]]]])
    weight = (np.array([1, 2, 3, 12]) / np.sqrt(158)) ** 0.5
    first = float((weight * [1, 2, 3, 4]).sum() * np.log(1.25 / 1))
    second = float(weight[3] * 8 * np.log(1.25 / 0.25))
    torch.testing.assert_close(pool(maps, WHOLE, "crow"), torch.tensor([[[first, second]]]))


def test_gem_ranges_from_mean_to_max_without_overflow() -> None:
    maps = torch.rand(1, 4, 6, 6) * 6e4
    box = np.array([[0, 0, 6, 6]])
    torch.testing.assert_close(pool(maps, box, "gem:1"), pool(maps, box, "mean"))
    large_power = pool(maps, box, "gem:200")
    assert torch.isfinite(large_power).all()
    torch.testing.assert_close(large_power, pool(maps, box, "max"), rtol=0.02, atol=0)


def test_zero_and_negative_maps_have_finite_values_and_gradients() -> None:
    for maps in (torch.zeros(1, 3, 4, 4), -torch.rand(1, 3, 4, 4)):
        for scheme in SCHEMES:
            leaf = maps.clone().requires_grad_(True)
            pooled = pool(leaf, rmac(4, 4, 2), scheme)
            pooled.sum().backward()
            assert torch.isfinite(pooled).all() and torch.isfinite(leaf.grad).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pooling_is_homogeneous_of_degree_one(scheme: str) -> None:
    """Exact explanations rely on this: by Euler's theorem, maps times gradient sum to the pooled value."""
    maps = torch.rand(2, 5, 7, 9, dtype=torch.float64).requires_grad_(True)
    boxes = rmac(7, 9, 3)
    pooled = pool(maps, boxes, scheme)
    torch.testing.assert_close(pool(maps * 3, boxes, scheme), pooled * 3)
    direction = torch.randn_like(pooled)
    (gradient,) = torch.autograd.grad((pooled * direction).sum(), maps)
    torch.testing.assert_close((maps * gradient).sum(), (pooled * direction).sum())


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.integers(3, 9), st.integers(3, 9), st.integers(1, 4), st.booleans(),
    st.sampled_from([0, 1, 4]), st.integers(0, 2**31),
)  # fmt: skip
def test_the_gradient_of_max_pooling_equals_that_of_a_loop_over_regions(
    batch: int, height: int, width: int, levels: int, last: bool, steps: int, seed: int
) -> None:
    """Compare with autograd per region, which splits the gradient among tied cells (for small ``steps``)."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(batch, 6, height, width, generator=generator)
    maps = (maps * steps).round().relu() if steps else maps
    maps = (maps.to(memory_format=torch.channels_last) if last else maps).requires_grad_(True)
    boxes = rmac(height, width, levels)
    output_gradient = torch.randn(batch, len(boxes), 6, generator=generator)
    expected = torch.stack([maps[:, :, y0:y1, x0:x1].amax((2, 3)) for x0, y0, x1, y1 in boxes.tolist()], 1)
    pooled = pool(maps, boxes, "max")
    assert torch.equal(pooled, expected)
    (gradient,) = torch.autograd.grad(pooled, maps, output_gradient)
    (expected_gradient,) = torch.autograd.grad(expected, maps, output_gradient)
    torch.testing.assert_close(maps * gradient, maps * expected_gradient, rtol=1e-5, atol=1e-6)
    if not steps:  # no maximum is zero
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_the_centre_prior_equals_values_computed_by_hand() -> None:
    """4x6 cells: σ = 2/3; the central cells have offset (½, ½), the corner cell (3/2, 5/2)."""
    prior = centre_prior(4, 6)
    assert prior.shape == (4, 6)
    assert prior[1, 2].item() == pytest.approx(np.exp(-0.5 / (2 * 4 / 9)))
    assert prior[0, 0].item() == pytest.approx(np.exp(-(2.25 + 6.25) / (2 * 4 / 9)))
    assert torch.equal(prior, prior.flip(0)) and torch.equal(prior, prior.flip(1))


def test_invalid_arguments_are_refused_with_a_message() -> None:
    maps = torch.rand(1, 2, 4, 4)
    for boxes, message in (
        ([[0, 0, 5, 4]], "leaves the map"),
        ([[1, 1, 1, 2]], "no cell"),
        ([[-1, 0, 2, 2]], "leaves"),
    ):
        with pytest.raises(WorkbenchError, match=message):
            pool(maps, np.array(boxes), "max")
    with pytest.raises(WorkbenchError, match="maps"):
        pool(maps[0], WHOLE, "max")
    with pytest.raises(WorkbenchError, match="'code'"):
        pool(maps, WHOLE, "code")
    with pytest.raises(WorkbenchError, match="median"):
        pool(maps, WHOLE, "median")
