"""Explanations sum to the score for every pipeline, by hand and as a property."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from workbench.config.config import Config
from workbench.descriptors.aggregation import (
    Parts,
    apply_final_steps,
    apply_step,
    combine_scales,
    pool_regions,
    split_steps,
    sum_regions,
)
from workbench.descriptors.description import Descriptors, describe_maps
from workbench.descriptors.whitening import Whitening
from workbench.explain.localisation import Target, coverage, share_inside
from workbench.explain.score import explain, interval_overlaps

CHANNELS = 12


def random_maps(seed: int, count: int, shape: tuple[int, int], scales: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = [tuple(max(1, int(side / 2 ** (n / 2))) for side in shape) for n in range(scales)]
    return [torch.randn(count, CHANNELS, *size, generator=generator).relu() for size in sizes]


def fitted(config: Config, maps: list[torch.Tensor]) -> Descriptors:
    """Fit every whitening of a pipeline on maps [B, C, H, W]; images 2i and 2i + 1 are a matching pair."""
    regional: list[Whitening | None] = []
    final: list[Whitening | None] = []
    pools = [pool_regions(scale_maps, config) for scale_maps in maps]
    before, after = split_steps(config)
    parts = Parts(torch.cat([p.vectors.flatten(0, 1) for p in pools])[:, None])
    for step in before:
        fit = None if step.name == "power" else Whitening.fit(parts.total[:, 0], int(step.args[0]), step.name)
        parts = apply_step(parts, step, fit, together=False)
        regional.append(fit)
    parts = combine_scales([sum_regions(p, config, regional) for p in pools], config)
    pairs = np.arange(len(maps[0])).reshape(-1, 2)
    for step in after:
        vectors = parts.total[:, 0]
        fit = None if step.name == "power" else Whitening.fit(vectors, int(step.args[0]), step.name, pairs)
        parts = apply_step(parts, step, fit, together=True)
        final.append(fit)
    return Descriptors(parts.total[:, 0], tuple(regional), tuple(final))


def score_of(
    query: list[torch.Tensor], image: list[torch.Tensor], config: Config, described: Descriptors
) -> float:
    """The inner product of the descriptors of two pictures' maps."""
    with torch.no_grad():
        q, d = (describe_maps(maps, config, described)[0].total.sum(1)[0] for maps in (query, image))
    return float(q @ d)


def maps_rounded(maps: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    """Maps of which each number is changed by up to one unit in the last place of float32."""
    return maps * (1 + 2**-23 * torch.randint(-1, 2, maps.shape, generator=noise))


POOLINGS = ["max", "mean", "gem:3", "gem:1.7", "crow"]
REGIONS = ["whole", "rmac:1", "rmac:3", "rmac+:2", "grid:2x3"]
WEIGHTINGS = ["", "/centre", "/norm", "/centre/norm"]
VECTORS = [
    "",
    "/pca:5",
    "/pcaw:5",
    "/lw:5",
    "/power:0.5",
    "/power:0.5/pcaw:4",
    "/pcaw:6/power:0.3",
    "/pca:6/power:0.5",
]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(POOLINGS), st.sampled_from(REGIONS),
    st.sampled_from(WEIGHTINGS), st.sampled_from(VECTORS),
    st.sampled_from([1, 3]), st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**31),
)  # fmt: skip
@example("max", "grid:2x3", "/centre", "/pcaw:6/power:0.3", 3, 3, 8, 18465)
def test_heatmaps_and_region_pairs_sum_to_the_score(
    pooling: str, regions: str, weighting: str, vectors: str, scales: int, height: int, width: int, seed: int
) -> None:
    config = Config.parse(
        f"x/{pooling}/{regions}{weighting}{vectors}" + (f"/scales:{scales}" if scales > 1 else "")
    )
    described = fitted(config, random_maps(seed, 12, (height, width), scales))
    query = random_maps(seed + 1, 1, (height, width), scales)
    image = random_maps(seed + 2, 1, (width + 1, height + 2), scales)
    score = score_of(query, image, config, described)
    # A root of a number near zero magnifies rounding: no more than that of the maps themselves may differ.
    noise = torch.Generator().manual_seed(seed)

    def rounded(maps: list[torch.Tensor]) -> list[torch.Tensor]:
        return [maps_rounded(scale_maps, noise) for scale_maps in maps]

    others = [score_of(rounded(query), rounded(image), config, described) for _ in range(4)]
    rounding = 4 * max(abs(other - score) for other in others)
    explanation = explain(query, image, config, described)
    assert explanation.score == pytest.approx(score, abs=max(1e-5, rounding))
    assert explanation.query_heatmap.shape == (height, width) and explanation.image_heatmap.shape == (
        width + 1,
        height + 2,
    )
    for parts in (
        explanation.query_heatmap,
        explanation.image_heatmap,
        explanation.region_pairs["contribution"].to_numpy(),
    ):
        assert np.isfinite(parts).all()
        assert float(np.sum(parts, dtype=np.float64)) + explanation.constant == pytest.approx(
            explanation.score, abs=max(1e-4, rounding)
        )
    assert len(explanation.region_pairs) == len(explanation.query_regions) * len(explanation.image_regions)
    assert (explanation.region_pairs["contribution"].diff().dropna() <= 0).all()


def test_sum_pooling_by_hand() -> None:
    """Two cells, two channels: q = (1, 1)/√2 from cells (1, 0) and (0, 1); d = (1, 0) from its left cell."""
    config = Config.parse("x/mean/whole")
    query = [torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])]
    image = [torch.tensor([[[[2.0, 0.0]], [[0.0, 0.0]]]])]
    explanation = explain(query, image, config, Descriptors(torch.zeros(1, 2), (), ()))
    assert explanation.score == pytest.approx(2**-0.5)
    np.testing.assert_allclose(explanation.query_heatmap, [[2**-0.5, 0.0]], atol=1e-7)
    np.testing.assert_allclose(explanation.image_heatmap, [[2**-0.5, 0.0]], atol=1e-7)


def test_max_pooling_attributes_to_the_maximal_cells() -> None:
    config = Config.parse("x/max/whole")
    maps = [torch.tensor([[[[3.0, 1.0]], [[1.0, 4.0]]]])]
    explanation = explain(maps, maps, config, Descriptors(torch.zeros(1, 2), (), ()))
    np.testing.assert_allclose(explanation.query_heatmap, [[9 / 25, 16 / 25]], rtol=1e-6)


def test_the_mean_is_subtracted_from_the_cells_of_the_region() -> None:
    """Every cell contributes its difference from the mean, so the constant is zero."""
    config = Config.parse("x/mean/whole/pca:2")
    mean, projection = torch.tensor([0.6, 0.2]), torch.eye(2)
    described = Descriptors(torch.zeros(1, 2), (), (Whitening("pca", mean, projection),))
    maps = [torch.tensor([[[[1.0, 0.5]], [[0.0, 1.0]]]])]
    explanation = explain(maps, maps, config, described)
    pooled_vector = np.array([0.75, 0.5])
    norm = np.linalg.norm(pooled_vector)
    centred = pooled_vector / norm - [0.6, 0.2]
    direction = centred / np.linalg.norm(centred) ** 2
    cells = np.array([[1.0, 0.0], [0.5, 1.0]]) / norm / 2 - np.array([0.6, 0.2]) / 2
    np.testing.assert_allclose(explanation.query_heatmap, [cells @ direction], rtol=1e-4, atol=1e-5)
    assert explanation.constant == 0 and explanation.score == pytest.approx(1)


def test_code_pooling_and_zero_maps() -> None:
    config = Config.parse("x/code/whole/pca:3")
    codes = random_maps(0, 12, (1, 1))
    described = fitted(config, codes)
    image = [codes[0][:1]]
    assert explain(image, image, config, described).score == pytest.approx(1, abs=1e-5)
    zeros = [torch.zeros(1, CHANNELS, 3, 4)]
    explanation = explain(
        zeros, zeros, Config.parse("x/max/rmac:2"), Descriptors(torch.zeros(1, CHANNELS), (), ())
    )
    assert explanation.score == 0 and not explanation.query_heatmap.any()


def test_rmac_equals_its_published_definition() -> None:
    """Tolias et al. (2016): regions are L2-normalised, whitened, L2-normalised, summed and L2-normalised."""
    config = Config.parse("x/max/rmac:2/pcaw:4")
    maps = random_maps(3, 8, (6, 8))
    described = fitted(config, maps)
    whitening = described.regional[0]
    assert whitening is not None
    total = torch.zeros(8, 4)
    for x0, y0, x1, y1 in pool_regions(maps[0], config).regions.tolist():
        region = torch.nn.functional.normalize(maps[0][:, :, y0:y1, x0:x1].amax((2, 3)), dim=1)
        total += torch.nn.functional.normalize((region - whitening.mean) @ whitening.projection.T, dim=1)
    torch.testing.assert_close(described.vectors, torch.nn.functional.normalize(total, dim=1))


def test_spoc_equals_its_published_definition() -> None:
    """Babenko and Lempitsky (2015): sum with the centre prior, L2, PCA whitening, L2."""
    config = Config.parse("x/mean/whole/centre/pcaw:4")
    maps = random_maps(4, 10, (5, 7))
    described = fitted(config, maps)
    whitening = described.final[0]
    assert whitening is not None
    y, x = torch.meshgrid(torch.arange(5) - 2.0, torch.arange(7) - 3.0, indexing="ij")
    prior = torch.exp(-(x**2 + y**2) / (2 * (2.5 / 3) ** 2))
    summed_maps = torch.nn.functional.normalize((maps[0] * prior).sum((2, 3)), dim=1)
    whitened = (summed_maps - whitening.mean) @ whitening.projection.T
    torch.testing.assert_close(
        described.vectors, torch.nn.functional.normalize(whitened, dim=1), rtol=1e-3, atol=1e-4
    )


def test_scales_of_gem_are_combined_by_a_power_mean() -> None:
    """Radenović et al.: scales of GeM are averaged by a power mean with GeM's p before the last L2."""
    config = Config.parse("x/gem:3/whole/scales:2")
    maps = random_maps(5, 1, (6, 8), 2)
    pools = [torch.nn.functional.normalize((m**3).mean((2, 3)) ** (1 / 3), dim=1) for m in maps]
    expected = torch.nn.functional.normalize(((pools[0] ** 3 + pools[1] ** 3) / 2) ** (1 / 3), dim=1)
    parts, _ = describe_maps(maps, config, Descriptors(torch.zeros(1, CHANNELS), (), ()))
    torch.testing.assert_close(apply_final_steps(parts, config, ()).total.sum(1), expected)


@given(st.integers(1, 20), st.integers(1, 20))
def test_resampling_heat_to_another_grid_keeps_its_sum(source: int, target: int) -> None:
    overlaps = interval_overlaps(source, target)
    assert overlaps.shape == (target, source)
    torch.testing.assert_close(overlaps.sum(0), torch.ones(source))


def test_coverage_by_hand() -> None:
    """The left half of an 80x40 image on 2x4 cells, and the same in a crop of the centre."""
    half = ((0.0, 0.0), (40.0, 0.0), (40.0, 40.0), (0.0, 40.0))
    np.testing.assert_allclose(coverage(Target(half, (0, 0, 80, 40)), 2, 4), [[1, 1, 0, 0]] * 2, atol=0.02)
    np.testing.assert_allclose(coverage(Target(half, (20, 0, 60, 40)), 2, 2), [[1, 0]] * 2, atol=0.02)
    triangle = ((0.0, 0.0), (80.0, 0.0), (0.0, 40.0))
    assert coverage(Target(triangle, (0, 0, 80, 40)), 20, 40).mean() == pytest.approx(0.5, abs=0.02)


def test_share_inside_counts_positive_heat_only() -> None:
    heat = np.array([[3.0, 1.0, -9.0]])
    assert share_inside(heat, np.array([[1.0, 0.0, 1.0]])) == 0.75
    assert np.isnan(share_inside(-heat.clip(min=0), np.ones((1, 3))))
