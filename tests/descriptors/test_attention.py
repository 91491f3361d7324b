"""Regional attention as a step of a pipeline: its formula, its files, exact explanations."""

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
from workbench.descriptors.attention import Attention, areas
from workbench.descriptors.regions import rmac
from workbench.explain.activations import activations, at_layer
from workbench.features.cards import SHIPPED_WEIGHTS, source_card, trained_path

CHANNELS = 96  # of the small network's last map


def random_attention(channels: int = CHANNELS, about: dict[str, Any] | None = None) -> Attention:
    generator = torch.Generator().manual_seed(0)
    hidden, output = torch.randn(8, 2 * channels, generator=generator), torch.randn(8, generator=generator)
    return Attention(hidden, torch.zeros(8), output, torch.tensor(0.5), about or {})


def bench_with(folder: Path, cache: Path, attention: Attention, **about: Any) -> Bench:
    """A workbench whose cache has this attention under the name ``mine``."""
    card = {**source_card(source(cache)), **attention.about, **about}
    path = trained_path(cache, "mine")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(replace(attention, about=card).to_bytes())
    return wb.open(folder, "folders", cache=cache, size=128, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12, kinds=3)


def test_the_formula_by_hand() -> None:
    """Two channels, a map of 1x2 cells, one hidden unit: it reads the region's first, the image's second."""
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


def test_weights_by_owner_equal_weights_by_image() -> None:
    """Training has the regions of many images in one tensor, description has them by image."""
    attention = random_attention(5)
    regions, images = torch.rand(4, 7, 5), torch.rand(4, 5)
    together = attention(regions, images[:, None])
    apart = attention(regions.flatten(0, 1), images, torch.arange(4).repeat_interleave(7))
    assert torch.allclose(together.flatten(), apart, atol=1e-6)


def test_areas_are_shares_of_the_map() -> None:
    assert areas(np.array([[0, 0, 2, 2], [0, 0, 4, 3]]), 3, 4).tolist() == pytest.approx([1 / 3, 1])
    assert 0 < float(areas(rmac(12, 16, 5), 12, 16).min()) < 1


def test_weights_multiply_regions_of_unit_length() -> None:
    maps = torch.rand(2, CHANNELS, 6, 8)
    config, attention = Config.parse("x/max/rmac:3/attention"), random_attention()
    pools = pool_regions(maps, config, attention)
    plain = pool_regions(maps, Config.parse("x/max/rmac:3"))
    assert torch.equal(pools.vectors, plain.vectors) and plain.weights is None
    assert pools.weights is not None
    assert torch.allclose(pools.weights, attention.weights(maps, pools.regions))
    assert not pools.weights.requires_grad


def test_equal_weights_are_plain_rmac(folder: Path, tmp_path: Path) -> None:
    equal = Attention(torch.zeros(8, 2 * CHANNELS), torch.zeros(8), torch.zeros(8), torch.tensor(3.0))
    bench = bench_with(folder, tmp_path, equal)
    for whitening in ("", "/pcaw:6"):
        ranked = [
            bench.search("kind0/000.jpg", pipeline=f"{NETWORK}/max/rmac:5{step}{whitening}", k=None)
            for step in ("", "/attention:mine")
        ]
        assert ranked[0]["image_id"].tolist() == ranked[1]["image_id"].tolist()
        assert np.allclose(ranked[0]["score"], ranked[1]["score"], atol=1e-5)


@pytest.mark.parametrize("steps", ["", "/pcaw:6", "/pcaw:6/scales:2", "/lw:6", "/pca:6/power"])
@pytest.mark.parametrize("area", [False, True])
def test_explanations_add_up(folder: Path, tmp_path: Path, steps: str, area: bool) -> None:
    bench = bench_with(folder, tmp_path, random_attention(), area=area)
    pipeline = f"{NETWORK}/max/rmac:3/attention:mine{steps}"
    why = bench.explain("kind0/000.jpg", "kind0/003.jpg", pipeline=pipeline)
    found = bench.search("kind0/000.jpg", pipeline=pipeline, k=None).set_index("image_id")["score"]
    assert why.score == pytest.approx(found["kind0/003.jpg"], abs=1e-4)
    for parts in (why.query_heatmap.sum(), why.image_heatmap.sum(), why.region_pairs["contribution"].sum()):
        assert parts + why.constant == pytest.approx(why.score, abs=1e-4)
    plain = bench.explain("kind0/000.jpg", "kind0/003.jpg", pipeline=pipeline.replace("/attention:mine", ""))
    assert plain.score != why.score


def test_activations_contain_the_weights(folder: Path, tmp_path: Path) -> None:
    bench = bench_with(folder, tmp_path, random_attention())
    config = Config.parse(f"{NETWORK}/max/rmac:3/attention:mine")
    found = bench.studies.activations("kind0/000.jpg", pipeline=config)
    assert found.weights.std() > 0 and len(found.weights) == len(found.regions)
    maps = torch.from_numpy(found.maps)[None]
    assert np.allclose(found.weights, activations(maps, config, random_attention()).weights, atol=1e-4)
    # Attention is trained for one layer: regions of another have equal weights.
    assert "attention" not in str(at_layer(config, "layer1"))
    assert (bench.studies.activations("kind0/000.jpg", pipeline=config, layer="layer1").weights == 1).all()


def test_a_file_round_trip(tmp_path: Path) -> None:
    attention = random_attention(about={"seed": 3, "figures": [1.5], "command": "workbench train …"})
    path = tmp_path / "a.safetensors"
    path.write_bytes(attention.to_bytes())
    loaded = Attention.load(path)
    assert loaded.about == attention.about
    assert same(loaded, attention)


def test_a_replaced_file_is_noticed(folder: Path, tmp_path: Path) -> None:
    bench = bench_with(folder, tmp_path, random_attention())
    pipeline = f"{NETWORK}/max/rmac:3/attention:mine/pcaw:6"
    first = bench.search("kind0/000.jpg", pipeline=pipeline, k=None)
    bench_with(folder, tmp_path, random_attention(), area=True)
    second = bench.search("kind0/000.jpg", pipeline=pipeline, k=None)
    assert not np.allclose(first["score"], second["score"], atol=1e-5)


def test_provenance_and_warnings(folder: Path, tmp_path: Path) -> None:
    pipeline = f"{NETWORK}/max/rmac:3/attention:mine"
    other = bench_with(folder, tmp_path, random_attention(), collection="photos of others", seed=3)
    evaluation = other.evaluate(pipeline)
    assert evaluation.provenance["attention"] == {"collection": "photos of others", "seed": 3}
    assert not any("attention" in warning for warning in evaluation.warnings)
    itself = bench_with(folder, tmp_path, random_attention(), collection=folder.name)
    assert any(
        "attention was trained on a collection of this name" in warning
        for warning in itself.evaluate(pipeline).warnings
    )
    assert "attention" not in itself.evaluate(f"{NETWORK}/max/rmac:3").provenance


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
        _tensors(output_bias=torch.tensor(float("nan"))),
    ],
    ids=["three are missing", "odd", "no matrix", "too wide", "not a number"],
)
def test_tensors_that_are_not_valid(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "bad.safetensors"
    save_file(tensors, path, {"attention": json.dumps({})})
    with pytest.raises(WorkbenchError, match=r"bad\.safetensors.*is not a regional attention"):
        Attention.load(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"{}" * 50])
def test_files_that_are_not_valid(folder: Path, tmp_path: Path, content: bytes) -> None:
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
def test_files_for_another_map(folder: Path, tmp_path: Path, about: dict[str, str], message: str) -> None:
    bench = bench_with(folder, tmp_path, random_attention(), **about)
    with pytest.raises(WorkbenchError, match=message):
        bench.evaluate(f"{NETWORK}/max/rmac:3/attention:mine")


def test_files_for_other_channels(folder: Path, tmp_path: Path) -> None:
    bench = bench_with(folder, tmp_path, random_attention(7))
    with pytest.raises(WorkbenchError, match="weights maps of 7 channels, not 96"):
        bench.evaluate(f"{NETWORK}/max/rmac:3/attention:mine")


def test_names(folder: Path, tmp_path: Path) -> None:
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


def test_shipped_weights() -> None:
    """Small, for the embedded backbone's last map, with a complete card."""
    for path in SHIPPED_WEIGHTS.glob("attention*.safetensors"):
        assert path.stat().st_size < 2**20
        attention = Attention.load(path)
        assert attention.hidden.shape == (64, 2 * 1280)
        card = attention.about
        assert card["network"] == "tf_efficientnet_lite0" and card["layer"] == "last"
        assert {"collection", "photos", "steps", "seed", "figures", "command"} <= card.keys()
        assert card["command"].startswith("workbench train attention ")
    assert (SHIPPED_WEIGHTS / "attention_efficientnet_lite0.safetensors").is_file()
