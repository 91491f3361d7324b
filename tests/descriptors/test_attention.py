"""Regional attention as a pipeline step: its formula, its files and exact explanations."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import workbench as wb
from tests.support.attention import same
from tests.support.extraction import NETWORK, source
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.aggregation import pool_regions
from workbench.descriptors.attention import Attention, areas, places
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac
from workbench.descriptors.weighting import centre_prior
from workbench.explain.activations import activations, at_layer
from workbench.features.cards import SHIPPED_WEIGHTS, source_card, trained_path

CHANNELS = 96  # the channels of the small network's last map


def random_attention(channels: int = CHANNELS, about: dict[str, Any] | None = None) -> Attention:
    generator = torch.Generator().manual_seed(0)
    hidden, output = torch.randn(8, 2 * channels, generator=generator), torch.randn(8, generator=generator)
    place = torch.randn(8, 4, generator=generator)
    return Attention(hidden, torch.zeros(8), output, torch.tensor(0.5), about or {}, place)


def bench_with(folder: Path, cache: Path, attention: Attention, **about: Any) -> Bench:
    """A bench whose cache contains the attention under the name ``mine``."""
    card = {**source_card(source(cache)), **attention.about, **about}
    path = trained_path(cache, "mine")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(replace(attention, about=card).to_bytes())
    return wb.open(folder, "folders", cache=cache, size=128, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12, kinds=3)


def test_weights_equal_the_formula_computed_by_hand() -> None:
    """Two channels, 1x2 cells; the hidden unit reads the region's first channel and the image's second."""
    maps = torch.tensor([[[[1.0, 3.0]], [[4.0, 0.0]]]])
    attention = Attention(
        torch.tensor([[0.5, 0.0, 0.0, -0.25]]), torch.tensor([0.1]), torch.tensor([2.0]), torch.tensor(-1.0)
    )
    regions = np.array([[0, 0, 1, 1], [1, 0, 2, 1], [0, 0, 2, 1]])
    expected = [
        math.log1p(math.exp(2 * math.tanh(0.5 * mean - 0.25 * 2 + 0.1) - 1)) for mean in (1.0, 3.0, 2.0)
    ]
    weights = attention.weights(maps, regions)
    assert weights.shape == (1, 3, 1)
    assert weights.flatten().tolist() == pytest.approx(expected, rel=1e-6)
    by_area = replace(attention, about={"area": True}).weights(maps, regions)
    halves = [expected[0] / 2, expected[1] / 2, expected[2]]
    assert by_area.flatten().tolist() == pytest.approx(halves, rel=1e-6)
    # Centres of cells lie half a cell from the centre, and σ is a sixth of the height of one cell.
    rooted = replace(attention, about={"centre": 0.5}).weights(maps, regions)
    prior = math.exp(-(0.5**2) / (2 / 36)) ** 0.5
    assert rooted.flatten().tolist() == pytest.approx([prior * weight for weight in expected], rel=1e-5)


def test_the_place_of_a_region_changes_its_weight_as_computed_by_hand() -> None:
    """Equal cells; the hidden unit reads the centre's x and the region's width, each from −1 to 1."""
    attention = Attention(
        torch.zeros(1, 4),
        torch.tensor([0.1]),
        torch.tensor([2.0]),
        torch.tensor(-1.0),
        place=torch.tensor([[0.6, 0.0, 0.5, 0.0]]),
    )
    regions = np.array([[0, 0, 1, 1], [1, 0, 2, 1], [0, 0, 2, 1]])
    placed = [(-0.5, 0.0), (0.5, 0.0), (0.0, 1.0)]
    expected = [math.log1p(math.exp(2 * math.tanh(0.6 * x + 0.5 * w + 0.1) - 1)) for x, w in placed]
    weights = attention.weights(torch.ones(1, 2, 1, 2), regions)
    assert weights.flatten().tolist() == pytest.approx(expected, rel=1e-6)
    stacked = attention.weights(torch.ones(2, 2, 1, 2), np.stack([regions, regions[::-1]]))  # as of proposals
    assert stacked[1].flatten().tolist() == pytest.approx(expected[::-1], rel=1e-6)


def test_the_place_of_a_region_is_its_centre_and_size() -> None:
    corner, whole = places(np.array([[0, 0, 1, 3], [0, 0, 4, 6]]), 6, 4).tolist()
    assert corner == pytest.approx([-0.75, -0.5, -0.5, 0]) and whole == pytest.approx([0, 0, 1, 1])


def test_weights_of_a_flat_batch_equal_weights_per_image() -> None:
    """Training puts the regions of many images into one tensor; description groups them by image."""
    attention = random_attention(5)
    regions, images, placed = torch.rand(4, 7, 5), torch.rand(4, 5), torch.rand(7, 4)
    by_image = attention(regions, images[:, None], placed)
    owner = torch.arange(4).repeat_interleave(7)
    flat = attention(regions.flatten(0, 1), images, placed.repeat(4, 1), owner)
    assert torch.allclose(by_image.flatten(), flat, atol=1e-6)


def test_areas_are_fractions_of_the_map() -> None:
    assert areas(np.array([[0, 0, 2, 2], [0, 0, 4, 3]]), 3, 4).tolist() == pytest.approx([1 / 3, 1])
    assert 0 < float(areas(rmac(12, 16, 5), 12, 16).min()) < 1


def test_pooled_regions_are_unchanged_and_carry_their_weights() -> None:
    maps = torch.rand(2, CHANNELS, 6, 8)
    config, attention = Config.parse("x/max/rmac:3/attention"), random_attention()
    pools = pool_regions(maps, config, attention)
    plain = pool_regions(maps, Config.parse("x/max/rmac:3"))
    assert torch.equal(pools.vectors, plain.vectors) and plain.weights is None
    assert pools.weights is not None
    assert torch.allclose(pools.weights, attention.weights(maps, pools.regions))
    assert not pools.weights.requires_grad


@pytest.mark.parametrize(("steps", "cells"), [("centre/attention", False), ("attention/norm/centre", True)])
def test_weightings_are_multiplied(steps: str, cells: bool) -> None:
    maps, attention = torch.rand(2, CHANNELS, 6, 8), random_attention()
    pools = pool_regions(maps, Config.parse(f"x/max/rmac:3/{steps}"), attention)
    weights = centre_prior(6, 8).expand(2, 1, -1, -1)
    if cells:
        weights = weights * maps.norm(dim=1, keepdim=True)
    expected = pool(weights, pools.regions, "mean") * attention.weights(maps, pools.regions)
    assert pools.weights is not None
    assert torch.allclose(pools.weights, expected.expand_as(pools.weights), rtol=1e-5)


def test_equal_weights_rank_like_rmac(folder: Path, tmp_path: Path) -> None:
    equal = Attention(torch.zeros(8, 2 * CHANNELS), torch.zeros(8), torch.zeros(8), torch.tensor(3.0))
    bench = bench_with(folder, tmp_path, equal)
    for whitening in ("", "/pcaw:6"):
        rankings = [
            bench.search("kind0/000.jpg", pipeline=f"{NETWORK}/max/rmac:5{step}{whitening}", k=None)
            for step in ("", "/attention:mine")
        ]
        assert rankings[0]["image_id"].tolist() == rankings[1]["image_id"].tolist()
        assert np.allclose(rankings[0]["score"], rankings[1]["score"], atol=1e-5)


@pytest.mark.parametrize("steps", ["", "/pcaw:6", "/pcaw:6/scales:2", "/lw:6", "/pca:6/power"])
@pytest.mark.parametrize(("area", "centre"), [(False, ""), (True, ""), (False, "/centre")])
def test_the_parts_of_an_explanation_sum_to_the_score(
    folder: Path, tmp_path: Path, steps: str, area: bool, centre: str
) -> None:
    bench = bench_with(folder, tmp_path, random_attention(), area=area)
    pipeline = f"{NETWORK}/max/rmac:3{centre}/attention:mine{steps}"
    explanation = bench.explain("kind0/000.jpg", "kind0/003.jpg", pipeline=pipeline)
    scores = bench.search("kind0/000.jpg", pipeline=pipeline, k=None).set_index("image_id")["score"]
    assert explanation.score == pytest.approx(scores["kind0/003.jpg"], abs=1e-4)
    for parts in (
        explanation.query_heatmap.sum(),
        explanation.image_heatmap.sum(),
        explanation.region_pairs["contribution"].sum(),
    ):
        assert parts + explanation.constant == pytest.approx(explanation.score, abs=1e-4)
    plain = bench.explain("kind0/000.jpg", "kind0/003.jpg", pipeline=pipeline.replace("/attention:mine", ""))
    assert plain.score != explanation.score


def test_activations_contain_the_attention_weights(folder: Path, tmp_path: Path) -> None:
    bench = bench_with(folder, tmp_path, random_attention())
    config = Config.parse(f"{NETWORK}/max/rmac:3/attention:mine")
    seen = bench.studies.activations("kind0/000.jpg", pipeline=config)
    assert seen.weights.std() > 0 and len(seen.weights) == len(seen.regions)
    maps = torch.from_numpy(seen.maps)[None]
    assert np.allclose(seen.weights, activations(maps, config, random_attention()).weights, atol=1e-4)
    # Attention is trained for one layer: the regions of another layer have equal weights.
    assert "attention" not in str(at_layer(config, "layer1"))
    assert (bench.studies.activations("kind0/000.jpg", pipeline=config, layer="layer1").weights == 1).all()


@pytest.mark.parametrize("placed", [True, False], ids=["place", "file of an earlier version"])
def test_a_saved_attention_loads_unchanged(tmp_path: Path, placed: bool) -> None:
    attention = random_attention(about={"seed": 3, "figures": [1.5], "command": "workbench train …"})
    attention = attention if placed else replace(attention, place=None)
    path = tmp_path / "a.safetensors"
    path.write_bytes(attention.to_bytes())
    loaded = Attention.load(path)
    assert loaded.about == attention.about
    assert same(loaded, attention)
    assert attention.to_bytes() == path.read_bytes()  # equal attention, equal bytes


def test_a_replaced_file_changes_the_scores(folder: Path, tmp_path: Path) -> None:
    bench = bench_with(folder, tmp_path, random_attention())
    pipeline = f"{NETWORK}/max/rmac:3/attention:mine/pcaw:6"
    first = bench.search("kind0/000.jpg", pipeline=pipeline, k=None)
    bench_with(folder, tmp_path, random_attention(), area=True)
    second = bench.search("kind0/000.jpg", pipeline=pipeline, k=None)
    assert not np.allclose(first["score"], second["score"], atol=1e-5)


def test_an_evaluation_reports_the_provenance_of_the_attention(folder: Path, tmp_path: Path) -> None:
    pipeline = f"{NETWORK}/max/rmac:3/attention:mine"
    bench = bench_with(folder, tmp_path, random_attention(), collection="other photos", seed=3)
    evaluation = bench.evaluate(pipeline)
    assert evaluation.provenance["attention"] == {"collection": "other photos", "seed": 3}
    assert not any("attention" in warning for warning in evaluation.warnings)
    same_name = bench_with(folder, tmp_path, random_attention(), collection=folder.name)
    assert any(
        "attention was trained on a collection of this name" in warning
        for warning in same_name.evaluate(pipeline).warnings
    )
    assert "attention" not in same_name.evaluate(f"{NETWORK}/max/rmac:3").provenance


def _tensors(**changed: torch.Tensor) -> dict[str, torch.Tensor]:
    valid = {
        "hidden": torch.zeros(8, 2 * CHANNELS),
        "hidden_bias": torch.zeros(8),
        "output": torch.zeros(8),
        "output_bias": torch.zeros(()),
    }
    return valid | changed


@pytest.mark.parametrize(
    "tensors",
    [
        {"hidden": torch.zeros(8, 2 * CHANNELS)},
        _tensors(hidden=torch.zeros(8, 7)),
        _tensors(hidden=torch.zeros(8)),
        _tensors(output=torch.zeros(9)),
        _tensors(place=torch.zeros(8, 3)),
        _tensors(output_bias=torch.tensor(float("nan"))),
    ],
    ids=["three are missing", "odd", "no matrix", "too wide", "three numbers a place", "not a number"],
)
def test_a_file_with_invalid_tensors_is_refused(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "bad.safetensors"
    save_file(tensors, path, {"attention": json.dumps({})})
    with pytest.raises(WorkbenchError, match=r"bad\.safetensors.*is not a regional attention"):
        Attention.load(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"{}" * 50])
def test_a_file_with_invalid_content_is_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    bench = bench_with(folder, tmp_path, random_attention())
    trained_path(tmp_path, "mine").write_bytes(content)
    with pytest.raises(WorkbenchError, match="is not a regional attention"):
        bench.evaluate(f"{NETWORK}/max/rmac:3/attention:mine")


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"network": "resnet18"}, "network 'resnet18', not 'test_resnet'"),
        ({"layer": "layer1"}, "layer 'layer1', not 'last'"),
        ({"weights": "01234567"}, "weights '01234567', not 'random0'"),
    ],
)
def test_a_file_for_another_map_is_refused(
    folder: Path, tmp_path: Path, about: dict[str, str], message: str
) -> None:
    bench = bench_with(folder, tmp_path, random_attention(), **about)
    with pytest.raises(WorkbenchError, match=message):
        bench.evaluate(f"{NETWORK}/max/rmac:3/attention:mine")


def test_a_file_for_another_number_of_channels_is_refused(folder: Path, tmp_path: Path) -> None:
    bench = bench_with(folder, tmp_path, random_attention(7))
    with pytest.raises(WorkbenchError, match="weights maps of 7 channels, not 96"):
        bench.evaluate(f"{NETWORK}/max/rmac:3/attention:mine")


def test_names_of_attention_files_are_validated(folder: Path, tmp_path: Path) -> None:
    config = Config.parse("x/max/rmac:5/attention:my-own_2/pcaw:8")
    assert str(config) == "x/max/rmac:5/attention:my-own_2/pcaw:8" == str(Config.parse(str(config)))
    for name in ("../secret", "A", "a.b", "a b", "a:b"):
        with pytest.raises(WorkbenchError):
            Config.parse(f"x/max/rmac:5/attention:{name}")
    with pytest.raises(WorkbenchError, match="whole is one; valid with it: rmac"):
        Config.parse("x/max/whole/attention")
    bench = bench_with(folder, tmp_path, random_attention())
    with pytest.raises(WorkbenchError, match=r"absent\.safetensors' is missing; train one"):
        bench.evaluate(f"{NETWORK}/max/rmac:3/attention:absent")


def test_shipped_weights_fit_the_embedded_backbone_and_have_a_card() -> None:
    """Files below 1 MiB for the embedded backbone's last map, with complete cards."""
    for path in SHIPPED_WEIGHTS.glob("attention*.safetensors"):
        assert path.stat().st_size < 2**20
        attention = Attention.load(path)
        assert attention.hidden.shape == (64, 2 * 1280)
        assert attention.place is not None and attention.about["centre"] == 0.5
        card = attention.about
        assert card["network"] == "tf_efficientnet_lite0" and card["layer"] == "last"
        assert {"collection", "photos", "steps", "seed", "figures", "command"} <= card.keys()
        assert card["command"].startswith("workbench train attention ")
    assert (SHIPPED_WEIGHTS / "attention_efficientnet_lite0.safetensors").is_file()
