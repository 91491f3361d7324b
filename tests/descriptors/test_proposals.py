"""Regions that differ by image: proposals, pooling, weighting, explanation and search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.explain.test_score import fitted, random_maps
from tests.support.benches import described
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from tests.support.proposals import keep, untrained
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.descriptors.description import Descriptors, describe_maps
from workbench.descriptors.pooling import pool
from workbench.descriptors.proposals import propose_regions
from workbench.descriptors.rpn import BoxProposals, ProposalModel
from workbench.descriptors.weighting import centre_prior
from workbench.descriptors.whitening import Whitening
from workbench.explain.activations import activations
from workbench.explain.channels import contributions
from workbench.explain.score import explain

CHANNELS = 12


class FixedProposer(NamedTuple):
    """Propose the first n boxes, where n is the value of the map's first cell."""

    boxes: torch.Tensor
    scores: torch.Tensor

    def propose(self, maps: torch.Tensor) -> BoxProposals:
        count = int(maps[0, 0, 0, 0])
        return BoxProposals(self.boxes[:count], self.scores[:count])


BOXES = torch.tensor(
    [[0.2, 0.1, 2.7, 3.2], [1.0, 1.0, 4.0, 4.0], [-3.0, 0.0, 2.0, 9.0], [1.1, 0.9, 4.2, 3.8]]
)
SCORES = torch.tensor([0.9, 0.8, 0.4, 0.02])


def maps_of(*counts: int) -> torch.Tensor:
    maps = torch.rand(len(counts), CHANNELS, 4, 5, generator=torch.Generator().manual_seed(1))
    maps[:, 0, 0, 0] = torch.tensor(counts, dtype=torch.float32)
    return maps


def test_proposed_regions_equal_values_computed_by_hand() -> None:
    """Boxes are rounded to cells and clipped to the map; a box below the threshold is omitted."""
    proposed = propose_regions(maps_of(4, 1, 0), 20, ProposalModel(FixedProposer(BOXES, SCORES)))
    first = [[0, 0, 3, 3], [1, 1, 4, 4], [0, 0, 2, 4]]
    assert proposed.regions.tolist() == [first, [first[0]] * 3, [[0, 0, 5, 4]] * 3]
    assert proposed.weights[..., 0].tolist() == pytest.approx(
        np.array([[0.9, 0.8, 0.4], [0.9, 0, 0], [1, 0, 0]])
    )
    assert proposed.without == 1
    few = propose_regions(maps_of(4), 2, ProposalModel(FixedProposer(BOXES, SCORES)))
    assert few.regions.tolist() == [first[:2]] and few.without == 0


def test_boxes_that_round_to_the_same_cells_count_once() -> None:
    proposed = propose_regions(
        maps_of(4), 20, ProposalModel(FixedProposer(BOXES, torch.tensor([0.9, 0.8, 0.7, 0.6])))
    )
    assert proposed.regions.shape == (1, 3, 4)  # the fourth rounds to the second
    assert proposed.weights[0, :, 0].tolist() == pytest.approx([0.9, 0.8, 0.7])


def test_padding_regions_do_not_change_descriptors() -> None:
    """A descriptor does not depend on the number of regions of other images in the batch."""
    config, model = Config.parse("x/max/proposals:20"), ProposalModel(FixedProposer(BOXES, SCORES))
    described = Descriptors(torch.zeros(1, CHANNELS), (), (), proposals=model)
    batch, _ = describe_maps([maps_of(4, 1, 0)], config, described)
    for row, count in enumerate((4, 1, 0)):
        single, pools = describe_maps([maps_of(4, 1, 0)[row : row + 1]], config, described)
        assert torch.allclose(single.total.sum(1)[0], batch.total.sum(1)[row], atol=1e-6)
        assert len(pools[0].of(0)) == max(1, min(count, 3))


def test_a_descriptor_equals_the_weighted_sum_computed_by_hand() -> None:
    """The unit maxima of two boxes, weighted by objectness and mean prior, are summed and normalised."""
    config, model = Config.parse("x/max/proposals:2/centre"), ProposalModel(FixedProposer(BOXES, SCORES))
    maps = maps_of(2)
    described = Descriptors(torch.zeros(1, CHANNELS), (), (), proposals=model)
    parts, pools = describe_maps([maps], config, described)
    total = torch.zeros(CHANNELS)
    for (x0, y0, x1, y1), score in zip([(0, 0, 3, 3), (1, 1, 4, 4)], (0.9, 0.8), strict=True):
        vector = maps[0, :, y0:y1, x0:x1].amax((1, 2))
        total += score * centre_prior(4, 5)[y0:y1, x0:x1].mean() * vector / vector.norm()
    assert torch.allclose(parts.total.sum(1)[0], total / total.norm(), atol=1e-5)
    assert pools[0].of(0).tolist() == [[0, 0, 3, 3], [1, 1, 4, 4]]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["max", "mean", "gem:3", "crow"]),
    st.sampled_from(["", "/centre", "/norm"]),
    st.sampled_from(["", "/pca:5", "/pcaw:4", "/power:0.5/pcaw:4"]),
    st.sampled_from([1, 2]), st.integers(2, 9), st.integers(2, 9), st.floats(-9, 3), st.integers(0, 2**31),
)  # fmt: skip
def test_the_parts_of_an_explanation_sum_to_the_score(
    pooling: str, weighting: str, vectors: str, scales: int, height: int, width: int, bias: float, seed: int
) -> None:
    """Regions differ by image; an image without a proposal above the threshold has the whole map."""
    text = f"x/{pooling}/rmac:2{weighting}{vectors}" + (f"/scales:{scales}" if scales > 1 else "")
    described = fitted(Config.parse(text), random_maps(seed, 12, (height, width), scales))
    described = replace(described, proposals=untrained(CHANNELS, bias, seed))
    config = Config.parse(text.replace("rmac:2", "proposals:6"))
    query = random_maps(seed + 1, 1, (height, width), scales)
    image = random_maps(seed + 2, 1, (width + 1, height + 2), scales)
    with torch.no_grad():
        query_vector, image_vector = (
            describe_maps(maps, config, described)[0].total.sum(1)[0] for maps in (query, image)
        )
    explanation = explain(query, image, config, described)
    assert explanation.score == pytest.approx(float(query_vector @ image_vector), abs=1e-5)
    for parts in (
        explanation.query_heatmap,
        explanation.image_heatmap,
        explanation.region_pairs["contribution"].to_numpy(),
    ):
        assert float(np.sum(parts, dtype=np.float64)) + explanation.constant == pytest.approx(
            explanation.score, abs=1e-4
        )
    assert len(explanation.region_pairs) == len(explanation.query_regions) * len(explanation.image_regions)
    channels = contributions(query, image_vector, config, described)
    assert float(channels.heat.sum(dtype=np.float64)) == pytest.approx(explanation.score, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["max", "mean", "gem:3", "crow"]), st.integers(1, 4), st.integers(1, 9),
    st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31),
)  # fmt: skip
def test_pooling_of_regions_per_map_equals_pooling_each_map(
    scheme: str, count: int, height: int, width: int, regions: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    maps = torch.from_numpy(rng.standard_normal((count, 5, height, width)).astype(np.float32))
    near = np.stack([rng.integers(0, side, (count, regions)) for side in (width, height)], -1)
    far = np.stack([rng.integers(0, side, (count, regions)) for side in (width, height)], -1)
    boxes = np.concatenate([np.minimum(near, far), np.maximum(near, far) + 1], -1)
    leaf = maps.clone().requires_grad_(True)
    pooled = pool(leaf, boxes, scheme)
    expected = torch.cat([pool(maps[n : n + 1], boxes[n], scheme) for n in range(count)])
    assert torch.allclose(pooled, expected, atol=1e-5)
    output_gradient = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad((pooled * output_gradient).sum(), leaf)
    for n in range(count):
        single = maps[n : n + 1].clone().requires_grad_(True)
        (expected_gradient,) = torch.autograd.grad(
            (pool(single, boxes[n], scheme) * output_gradient[n : n + 1]).sum(), single
        )
        assert torch.allclose(gradient[n], expected_gradient[0], atol=1e-4)


def test_whitening_is_not_fitted_to_padding_regions(bench: Bench) -> None:
    """The number of vectors of the whitening equals the number of proposals."""
    pipeline = PIPELINE.replace("proposals:6", "proposals:99")
    collection = described(bench, pipeline)
    counts = [
        len(bench.studies.activations(image, pipeline=pipeline).regions) for image in bench.collection.images
    ]
    whitening = collection.descriptors.regional[0]
    assert isinstance(whitening, Whitening)
    assert whitening.provenance["vectors"] == sum(counts) and len(set(counts)) > 1


PIPELINE = f"{NETWORK}/max/proposals:6:mine/pcaw:8"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = folder_of(tmp_path_factory.mktemp("pictures"), 8, kinds=2)
    cache = tmp_path_factory.mktemp("cache")
    keep(Options(size=160, cache=cache), NETWORK, "mine", 1.0)
    keep(Options(size=160, cache=cache), NETWORK, "unsure", -30.0)
    return wb.open(folder, "folders", cache=cache, size=160)


def test_search_explanation_and_activations_agree(bench: Bench) -> None:
    first, second = bench.collection.images[:2]
    ranking = bench.search(first, pipeline=PIPELINE, k=None).set_index("image_id")
    explanation = bench.explain(first, second, pipeline=PIPELINE)
    assert explanation.score == pytest.approx(ranking.loc[second, "score"], abs=1e-5)
    assert explanation.image_heatmap.sum() == pytest.approx(explanation.score, abs=1e-4)
    activation = bench.studies.activations(second, pipeline=PIPELINE)
    np.testing.assert_allclose(activation.regions, explanation.image_regions)
    assert (np.diff(activation.weights) <= 0).all() and (activation.weights >= 0.05).all()
    assert len(activation.levels) == len(activation.regions) == len(activation.norms)
    nearest = bench.regions.nearest(first, 0, pipeline=PIPELINE, k=3)
    assert len(nearest) == 3 and first not in set(nearest["image_id"])
    assert (
        len(bench.studies.activations(first, pipeline=PIPELINE, layer="layer2").regions) == 1
    )  # the proposals belong to another layer


def test_the_located_box_belongs_to_a_proposed_region(bench: Bench) -> None:
    first, second = bench.collection.images[:2]
    location = bench.locate(first, second, pipeline=PIPELINE)
    width, height = bench.picture(second).size
    assert (
        0 <= location.box[0] <= location.box[2] <= width and 0 <= location.box[1] <= location.box[3] <= height
    )
    shares = np.array(location.region) / np.tile([width, height], 2)
    assert np.abs(bench.studies.activations(second, pipeline=PIPELINE).regions - shares).sum(1).min() < 1e-6
    table = bench.search(first, pipeline=PIPELINE, k=4, locate=True)
    row = table.set_index("image_id").loc[table["image_id"][1]]
    assert tuple(row[["x0", "y0", "x1", "y1"]]) == pytest.approx(
        bench.locate(first, row.name, pipeline=PIPELINE).box
    )
    grid = bench.locate(first, second, pipeline=f"{NETWORK}/max/grid:2x2")
    assert grid.box == grid.region
    with pytest.raises(WorkbenchError, match=r"'nowhere.jpg' is not an image"):
        bench.locate(first, "nowhere.jpg", pipeline=PIPELINE)


def test_the_whole_map_replaces_missing_proposals_with_a_warning(bench: Bench) -> None:
    pipeline = PIPELINE.replace("mine/pcaw:8", "unsure")
    whole = bench.search(bench.collection.images[0], pipeline=f"{NETWORK}/max/whole", k=None)
    ranking = bench.search(bench.collection.images[0], pipeline=pipeline, k=None)
    assert ranking["image_id"].to_list() == whole["image_id"].to_list()
    np.testing.assert_allclose(ranking["score"], whole["score"], atol=1e-5)
    count = len(bench.collection.images)
    warning = f"{count} images have no proposed region: the whole map is used for them"
    assert warning in bench.evaluate(pipeline).warnings


def test_missing_mismatched_and_damaged_proposals_are_refused(bench: Bench, tmp_path: Path) -> None:
    image = bench.collection.images[0]
    with pytest.raises(
        WorkbenchError, match=r"none come with this backbone; train them: workbench train prop"
    ):
        bench.search(image, pipeline=f"{NETWORK}/max/proposals:5")
    with pytest.raises(WorkbenchError, match=r"'.*nobody.safetensors' is missing"):
        bench.search(image, pipeline=f"{NETWORK}/max/proposals:5:nobody")
    with pytest.raises(WorkbenchError, match=r"they were trained for layer 'last', not 'layer2'"):
        bench.search(image, pipeline=f"{NETWORK.replace('@', '@layer2@')}/max/proposals:5:mine")
    damaged = bench.options.cache / "learned" / "broken.safetensors"
    damaged.write_bytes(b"nothing of the kind")
    with pytest.raises(WorkbenchError, match=r"holds no region proposals .*train them again"):
        bench.search(image, pipeline=f"{NETWORK}/max/proposals:5:broken")


def test_activations_of_a_map_contain_its_proposed_regions() -> None:
    activation = activations(
        maps_of(3), Config.parse("x/mean/proposals:9"), None, ProposalModel(FixedProposer(BOXES, SCORES))
    )
    assert activation.regions.tolist() == [[0, 0, 0.6, 0.75], [0.2, 0.25, 0.8, 1], [0, 0, 0.4, 1]]
    assert activation.weights.tolist() == pytest.approx([0.9, 0.8, 0.4]) and activation.levels.tolist() == [
        0,
        0,
        0,
    ]
