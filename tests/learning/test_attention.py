"""Training regional attention: pooled regions, the gradient, and the trained weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import workbench as wb
from tests.support.attention import QUICK, collection_of, options_in
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.config.config import Config
from workbench.config.options import Options
from workbench.descriptors.aggregation import pool_regions as pool_regions_of
from workbench.descriptors.aggregation import sum_regions
from workbench.descriptors.attention import Attention, areas, centre_weights, places
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac
from workbench.features.map_source import MapSource, Picture
from workbench.learning.attention.composites import composites
from workbench.learning.attention.data import linear_classifier
from workbench.learning.attention.region_pool import RegionBatch, RegionPool, pool_regions
from workbench.learning.attention.task import (
    attend,
    describe,
    initial_parameters,
    retrieval_loss,
    share_on_target,
    weigh,
)
from workbench.learning.attention.train import AttentionSettings, train_attention
from workbench.learning.trainer import Epoch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12)


@pytest.fixture
def source(tmp_path: Path) -> MapSource:
    return MapSource.of(Config.parse(f"{NETWORK}/max/whole"), options_in(tmp_path))


def pooled(source: MapSource, folder: Path, count: int, scratch: Path) -> RegionPool:
    """Regions at two levels of the first ``count`` pictures of a folder."""
    keys, _ = source.extract([Picture(path) for path in sorted(folder.glob("*.jpg"))[:count]])
    return pool_regions(source.batches(keys[0], 0), len(keys[0]), 2, scratch)


def test_regions_are_pooled_as_for_descriptors(folder: Path, source: MapSource, tmp_path: Path) -> None:
    regions = pooled(source, folder, 12, tmp_path)
    for number in (0, 1, 2, 7):
        maps = source.maps_of(Image.open(folder / f"{number:03}.jpg"))[0]
        height, width = maps.shape[2:]
        grid = rmac(height, width, 2)
        batch = regions.batch([number])
        assert torch.allclose(batch.maxima, pool(maps, grid, "max")[0], atol=2e-3, rtol=2e-3)
        assert torch.allclose(batch.means, pool(maps, grid, "mean")[0], atol=2e-3, rtol=2e-3)
        assert torch.allclose(batch.areas, areas(grid, height, width))
        assert torch.allclose(batch.places, places(grid, height, width))
        assert torch.allclose(batch.centre, centre_weights(grid, height, width))
        assert torch.allclose(batch.images[0], maps.mean((2, 3))[0], atol=2e-3, rtol=2e-3)
    both = regions.batch([7, 0])
    assert torch.equal(both.maxima[both.owner == 1], regions.batch([0]).maxima)
    assert {path.name for path in tmp_path.iterdir()} <= {"maps", "contents.sqlite"}  # no temporary file


def test_attend_gives_the_weighted_mean_of_regions(folder: Path, source: MapSource, tmp_path: Path) -> None:
    batch = pooled(source, folder, 3, tmp_path).batch([2, 1])
    parameters = initial_parameters(batch.images.shape[1], 0)
    weights = Attention.of(parameters)(batch.means, batch.images[batch.owner], batch.places)
    for area in (False, True):
        attended = attend(weigh(parameters, batch, area), batch)
        for row in (0, 1):
            rows = batch.owner == row
            weight = weights[rows] * (batch.areas[rows] if area else 1)
            expected = (weight[:, None] * batch.maxima[rows]).mean(0)
            assert torch.allclose(attended[row], expected, atol=1e-5)


def test_the_gradient_reaches_the_attention_only(folder: Path, source: MapSource, tmp_path: Path) -> None:
    batch = pooled(source, folder, 4, tmp_path).batch([0, 1, 2, 3])
    parameters = torch.nn.ParameterDict(initial_parameters(batch.images.shape[1], 0))
    classifier = linear_classifier(source)
    logits = classifier(attend(weigh(parameters, batch, False), batch))
    torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    assert len(list(parameters.parameters())) == 5
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters.parameters())
    assert all(p.grad is None and not p.requires_grad for p in classifier.parameters())


def test_descriptors_of_training_are_those_of_the_pipeline(
    folder: Path, source: MapSource, tmp_path: Path
) -> None:
    batch = pooled(source, folder, 3, tmp_path).batch([0, 2])
    attention = Attention.of(initial_parameters(batch.images.shape[1], 0))
    trained = describe(weigh(initial_parameters(batch.images.shape[1], 0), batch, False), batch)
    config = Config.parse("x/max/rmac:2/attention")
    for row, number in enumerate((0, 2)):
        maps = source.maps_of(Image.open(folder / f"{number:03}.jpg"))[0]
        vector = sum_regions(pool_regions_of(maps, config, attention), config, ()).total.sum((0, 1))
        assert torch.allclose(trained[row], vector, atol=2e-3)


def test_the_loss_of_retrieval_by_hand() -> None:
    """Two composites, at 0 and 90 degrees of their photos; a third shows the first photo again."""
    photos = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    composites = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    scale = 1 / 0.05
    rows = [np.log(1 + np.exp(scale * (0.8 - 0.6))), np.log(1 + np.exp(scale * (0.0 - 1.0)))]
    columns = [np.log(1 + np.exp(scale * (0.0 - 0.6))), np.log(1 + np.exp(scale * (0.8 - 1.0)))]
    loss = retrieval_loss(composites, photos, np.array([4, 7]))
    assert float(loss) == pytest.approx(np.mean([*rows, *columns]), rel=1e-5)
    same = retrieval_loss(composites, photos, np.array([4, 4]))  # no negatives are left
    assert float(same) == pytest.approx(0, abs=1e-6)


def test_the_share_on_the_target_by_hand() -> None:
    """The whole picture and its left half, with a target on the left quarter: a quarter and a half."""
    batch = RegionBatch(
        torch.ones(2, 1), torch.ones(2, 1), torch.tensor([1.0, 0.5]), torch.ones(2),
        places(np.array([[0, 0, 4, 4], [0, 0, 2, 4]]), 4, 4), torch.zeros(2, dtype=torch.int64),
        torch.ones(1, 1),
    )  # fmt: skip
    target = torch.tensor([[0.0, 0.0, 0.25, 1.0]])
    share = share_on_target(torch.tensor([1.0, 3.0]), batch, target)
    assert share.tolist() == pytest.approx([(1 / 4 + 3 / 2) / 4])


@pytest.mark.parametrize("targets", ["photos", "predictions"])
def test_training_lowers_the_loss_and_writes_a_card(folder: Path, tmp_path: Path, targets: str) -> None:
    epochs: list[Epoch] = []
    labels: set[str] = set()
    path = train_attention(
        collection_of(folder),
        options_in(tmp_path),
        "mine",
        NETWORK,
        replace(QUICK, targets=targets, epochs=6, rate=1e-2, patience=6),
        lambda label, done, total: labels.add(label),
        epochs.append,
        "workbench train attention photos --name mine",
    )
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    losses = [epoch.loss for epoch in epochs if epoch.loss is not None]
    assert losses[-1] < losses[0]
    assert {"making composites", "pooling regions", "training, epoch 1 of 6"} <= labels
    card = Attention.load(path).about
    assert card["command"] == "workbench train attention photos --name mine"
    assert not card["area"] and card["photos"] == 12 and card["collection"] == folder.name
    assert card["kept"] == max(epochs, key=lambda epoch: epoch.measures["mean_ap"]).number
    assert all(0 < epoch.measures["on_target"] < 1 for epoch in epochs)
    assert card["figures"] == [epoch.as_dict() for epoch in epochs]
    assert [path.name for path in path.parent.iterdir()] == ["mine.safetensors"]  # the folder is deleted
    bench = wb.open(folder, cache=tmp_path, size=128, device="cpu", precision="float32")
    ranking = bench.search("000.jpg", pipeline=f"{NETWORK}/max/rmac:2/attention:mine")
    assert ranking["image_id"][0] == "000.jpg"


@pytest.mark.slow
def test_training_increases_the_weight_of_a_pasted_photo(tmp_path: Path) -> None:
    """With the embedded backbone on photographs of scikit-image: on held-out composites, the pasted photo has
    a larger share of the weight than with equal weights."""
    from skimage import data

    photos = []
    for name in ("astronaut", "coffee", "chelsea", "rocket", "stereo_motorcycle"):
        pixels = getattr(data, name)()
        image = Image.fromarray(pixels[0] if isinstance(pixels, tuple) else pixels)
        image.thumbnail((320, 320))
        photos += [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image.rotate(90, expand=True)]
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(photos):
        image.convert("RGB").save(tmp_path / "photos" / f"{number:02}.jpg")
    options = Options(size=320, device="cpu", precision="float32", cache=tmp_path)
    settings = AttentionSettings(composites=90, epochs=8, batch=20, levels=3)
    path = train_attention(
        wb.open(tmp_path / "photos", cache=tmp_path).collection, options, "mine", settings=settings
    )
    attention = Attention.load(path)
    source = MapSource.of(Config.parse("efficientnet_lite0/max/whole"), options)
    shares = []
    for composite in composites([photo.convert("RGB") for photo in photos], 30, seed=99):
        maps = source.maps_of(composite.picture)[0]
        height, width = maps.shape[2:]
        grid = rmac(height, width, 3)
        scale = np.array([width, height] * 2) / np.array([*composite.picture.size] * 2)
        x0, y0, x1, y1 = np.array(composite.box) * scale
        across = (np.minimum(grid[:, 2], x1) - np.maximum(grid[:, 0], x0)).clip(0)
        down = (np.minimum(grid[:, 3], y1) - np.maximum(grid[:, 1], y0)).clip(0)
        inside = across * down / ((grid[:, 2] - grid[:, 0]) * (grid[:, 3] - grid[:, 1]))
        weights = attention.weights(maps, grid)[0, :, 0].numpy()
        shares.append([(weights * inside).sum() / weights.sum(), inside.mean()])
    trained, equal = np.mean(shares, 0)
    assert trained > equal + 0.03
