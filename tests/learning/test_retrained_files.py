"""A weight file that is replaced under the same name while a bench that used it is open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

import workbench as wb
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.description_cache import DescriptionCache


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = folder_of(tmp_path / "photos", 6, kinds=2)
    return wb.open(folder, "folders", cache=tmp_path / "cache", size=64, device="cpu", precision="float32")


def written(path: Path, seed: int) -> Path:
    """Write a small network of random weights to a file whose metadata name the architecture."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model("test_resnet", pretrained=False)
    save_file(network.state_dict(), path, {"backbone": "timm:test_resnet"})
    return path


def test_rankings_and_explanations_use_the_new_weights(bench: Bench, tmp_path: Path) -> None:
    net, other = written(tmp_path / "net.safetensors", 1), written(tmp_path / "other.safetensors", 2)
    query, image = bench.collection.images[:2]

    def ranked(path: Path) -> list[tuple[str, float]]:
        ranking = bench.search(query, pipeline=f"file:{path}/mean/whole")
        return list(zip(ranking["image_id"], ranking["score"], strict=True))

    def score(path: Path) -> float:
        return bench.explain(query, image, pipeline=f"file:{path}/mean/whole").score

    def heat(path: Path) -> np.ndarray:
        return bench.studies.activations(query, pipeline=f"file:{path}/mean/whole", layer="layer2").maps

    def fingerprint(path: Path) -> str:
        return str(bench.evaluate(f"file:{path}/mean/whole").provenance["weights"])

    before = ranked(net), score(net), heat(net), fingerprint(net)
    written(net, 2)
    assert ranked(net) == ranked(other) != before[0]
    assert score(net) == score(other) != before[1]
    assert np.array_equal(heat(net), heat(other)) and not np.array_equal(heat(net), before[2])
    assert fingerprint(net) == fingerprint(other) != before[3]


def test_a_deleted_file_is_reported(bench: Bench, tmp_path: Path) -> None:
    net = written(tmp_path / "net.safetensors", 1)
    query = bench.collection.images[0]
    bench.search(query, pipeline=f"file:{net}/mean/whole")
    net.unlink()
    with pytest.raises(WorkbenchError, match=r"net\.safetensors' is missing"):
        bench.search(query, pipeline=f"file:{net}/mean/whole")


def test_unchanged_weights_are_loaded_and_described_once(bench: Bench, tmp_path: Path) -> None:
    net = written(tmp_path / "net.safetensors", 1)
    descriptions = DescriptionCache(bench.collection, bench.options)
    mean, pooled_by_max = (Config.parse(f"file:{net}/{pooling}/whole") for pooling in ("mean", "max"))
    first = descriptions.describe(mean, silent)
    assert descriptions.describe(mean, silent) is first
    assert descriptions.describe(pooled_by_max, silent).source is first.source
