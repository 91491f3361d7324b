"""Heatmaps of a layer and scores split over channels: by hand, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.explain.test_score import POOLINGS, REGIONS, VECTORS, WEIGHTINGS, fitted, random_maps
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.descriptors.aggregation import pool_regions
from workbench.descriptors.description import Descriptors, describe_maps
from workbench.descriptors.regions import regions, rmac
from workbench.descriptors.whitening import Whitening
from workbench.explain.activations import activations, at_layer, map_layers, region_levels
from workbench.explain.channels import contributions
from workbench.explain.score import explain
from workbench.features.backbones import BACKBONES

TWO_CELLS = torch.tensor([[[[3.0, 0.0]], [[4.0, 2.0]]]])  # [1, 2, 1, 2]: two channels, one row of two cells


def test_heatmaps_of_all_kinds_by_hand() -> None:
    layer = activations(TWO_CELLS, Config.parse("x/max/whole"))
    np.testing.assert_allclose(layer.heat("norm"), [[5, 2]])
    np.testing.assert_allclose(layer.heat("max"), [[2, 0]])  # both channels have their maximum on the left
    np.testing.assert_allclose(layer.heat("mean"), [[3.5, 1]])
    np.testing.assert_allclose(layer.heat("channel", 1), [[4, 2]])
    for kind, channel in (("channel", 2), ("channel", -1), ("warmth", 0)):
        with pytest.raises(WorkbenchError, match=r"not in this layer; it has 0 to 1|'warmth' is not known"):
            layer.heat(kind, channel)


def test_maxima_are_counted_once_shared_by_equal_cells_and_not_of_silent_channels() -> None:
    """ReLU6 saturates at 6: the first channel has its maximum in three cells, the last one nowhere."""
    channels = [[6, 6, 6, 0], [0, 0, 0, 2], [1, 5, 1, 1], [-1, -2, -3, -4], [0, 0, 0, 0]]
    maps = torch.tensor(channels, dtype=torch.float32).reshape(1, 5, 2, 2)
    counts = activations(maps, Config.parse("x/max/whole")).heat("max")
    np.testing.assert_allclose(counts, [[1 / 3 + 1, 1 / 3 + 1], [1 / 3, 1]], rtol=1e-6)


def test_norms_are_those_of_region_vectors_before_normalisation() -> None:
    """Max pooling gives (3, 4) for the whole map, mean pooling (3, 6)/2, a grid (3, 4) and (0, 2)."""
    assert activations(TWO_CELLS, Config.parse("x/max/whole")).norms == pytest.approx([5])
    assert activations(TWO_CELLS, Config.parse("x/mean/whole")).norms == pytest.approx([11.25**0.5])
    split = activations(TWO_CELLS, Config.parse("x/max/grid:1x2"))
    assert split.norms == pytest.approx([5, 2])
    np.testing.assert_allclose(split.regions, [[0, 0, 0.5, 1], [0.5, 0, 1, 1]])
    assert split.weights == pytest.approx([1, 1]) and (split.cells == 1).all()


def test_region_weights_are_means_of_cell_weights() -> None:
    split = activations(TWO_CELLS, Config.parse("x/max/grid:1x2/norm"))
    np.testing.assert_allclose(split.cells, [[5, 2]])
    assert split.weights == pytest.approx([5, 2])
    whole = activations(TWO_CELLS, Config.parse("x/mean/whole/norm"))  # the cells are weighted before pooling
    assert whole.weights == pytest.approx([1])
    assert whole.norms == pytest.approx([np.hypot(3 * 5, 4 * 5 + 2 * 2) / 2])
    centred = activations(random_maps(0, 1, (5, 7))[0], Config.parse("x/max/rmac:2/centre"))
    assert centred.cells.argmax() == 17  # the middle of 5 x 7
    np.testing.assert_allclose(centred.cells, centred.cells[::-1, ::-1])


@given(st.integers(2, 24), st.integers(2, 24), st.integers(1, 5))
def test_every_region_has_its_level(height: int, width: int, top: int) -> None:
    levels = region_levels(Step.parse("regions", f"rmac:{top}"), height, width)
    boxes = rmac(height, width, top)
    assert len(levels) == len(boxes) and set(levels.tolist()) == set(range(1, top + 1))
    sides = boxes[:, 2] - boxes[:, 0]
    assert (sides == np.maximum(1, 2 * min(height, width) // (levels + 1))).all()
    for text in (f"rmac+:{top}", "grid:2x3", "whole"):
        step = Step.parse("regions", text)
        assert len(region_levels(step, height, width)) == len(regions(step, height, width))
    assert region_levels(Step.parse("regions", f"rmac+:{top}"), height, width)[0] == 0


def test_a_fully_connected_layer_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="fully connected layer"):
        activations(torch.ones(1, 4, 1, 1), Config.parse("x/max/whole"))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(POOLINGS), st.sampled_from(REGIONS),
    st.sampled_from(WEIGHTINGS), st.sampled_from(VECTORS),
    st.sampled_from([1, 3]), st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**31),
)  # fmt: skip
def test_contributions_of_channels_sum_to_the_score_and_the_explanation(
    pooling: str, grid: str, weighting: str, vectors: str, scales: int, height: int, width: int, seed: int
) -> None:
    scale_step = f"/scales:{scales}" if scales > 1 else ""
    config = Config.parse(f"x/{pooling}/{grid}{weighting}{vectors}{scale_step}")
    described = fitted(config, random_maps(seed, 12, (height, width), scales))
    query = random_maps(seed + 1, 1, (height, width), scales)
    image = random_maps(seed + 2, 1, (width + 1, height + 2), scales)
    with torch.no_grad():
        query_vector = describe_maps(query, config, described)[0].total.sum(1)[0]
    parts = contributions(image, query_vector, config, described)
    explanation = explain(query, image, config, described)
    assert parts.score == pytest.approx(
        explanation.score, abs=1e-4
    )  # powers of values near zero amplify rounding errors
    assert float(parts.channels.sum(dtype=np.float64)) == pytest.approx(parts.score, abs=1e-4)
    np.testing.assert_allclose(parts.heat.sum(0), explanation.image_heatmap, atol=1e-4)
    by_region = explanation.region_pairs.groupby("image_region")["contribution"].sum().to_numpy()
    np.testing.assert_allclose(parts.regions, by_region[: len(parts.regions)], atol=1e-4)
    assert len(parts.regions) == len(pool_regions(image[0], config).regions)


def test_contributions_of_channels_by_hand() -> None:
    """The product of (3, 4)/5 and (1, 0) is 0.6, all from channel 0, at the cell of its maximum."""
    config, unwhitened = Config.parse("x/max/whole"), Descriptors(torch.zeros(1, 2), (), ())
    parts = contributions([TWO_CELLS], torch.tensor([1.0, 0.0]), config, unwhitened)
    np.testing.assert_allclose(parts.heat, np.array([[[0.6, 0]], [[0, 0]]]), atol=1e-7)
    assert parts.score == pytest.approx(0.6) and parts.strongest(1) == [0]
    parts = contributions([TWO_CELLS], torch.tensor([0.6, -0.8]), config, unwhitened)
    np.testing.assert_allclose(parts.channels, [0.36, -0.64], rtol=1e-6)
    assert parts.strongest(2) == [1, 0]  # ordered by absolute value


def test_a_channel_contributes_its_difference_from_the_mean() -> None:
    """With the mean (0.6, 0.2), the vector (0.6, 0.8) is due to channel 1 only, though 0 is active."""
    config = Config.parse("x/mean/whole/pca:2")
    whitening = Whitening("pca", torch.tensor([0.6, 0.2]), torch.eye(2))
    described = Descriptors(torch.zeros(1, 2), (), (whitening,))
    maps = [torch.tensor([[[[3.0, 3.0]], [[8.0, 0.0]]]])]
    parts = contributions(maps, torch.tensor([0.6, 0.8]), config, described)
    assert parts.channels == pytest.approx([0, 0.8], abs=1e-6)
    assert parts.score == pytest.approx(0.8)


def test_map_layers_and_at_layer_by_backbone() -> None:
    assert map_layers(BACKBONES["alexnet"]) == ["conv1", "conv2", "conv3", "conv4", "conv5", "pool5"]
    assert map_layers(BACKBONES["resnet50"]) == ["conv2", "conv3", "conv4", "conv5"]
    assert map_layers(BACKBONES["efficientnet_lite0"])[0] == "block1"
    codes = at_layer(Config.parse("vgg16@fc6/code/whole"), "conv4_1")
    assert str(codes) == "vgg16@conv4_1/max/whole"
    assert (
        str(at_layer(Config.parse("alexnet@random/gem:3/rmac:2"), "conv1"))
        == "alexnet@conv1@random/gem:3/rmac:2"
    )
