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
from workbench.descriptors.attention import Attention, areas
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac
from workbench.features.map_source import MapSource, Picture
from workbench.learning.attention.composites import composites
from workbench.learning.attention.data import linear_classifier
from workbench.learning.attention.region_pool import RegionPool, pool_regions
from workbench.learning.attention.train import AttentionSettings, attend, initial_parameters, train_attention
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
        assert torch.allclose(batch.images[0], maps.mean((2, 3))[0], atol=2e-3, rtol=2e-3)
    both = regions.batch([7, 0])
    assert torch.equal(both.maxima[both.owner == 1], regions.batch([0]).maxima)
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]  # no temporary file is left


def test_attend_gives_the_weighted_mean_of_regions(folder: Path, source: MapSource, tmp_path: Path) -> None:
    batch = pooled(source, folder, 3, tmp_path).batch([2, 1])
    parameters = initial_parameters(batch.images.shape[1], 0)
    weights = Attention.of(parameters)(batch.means, batch.images[batch.owner])
    for area in (False, True):
        attended = attend(parameters, batch, area)
        for row in (0, 1):
            rows = batch.owner == row
            weight = weights[rows] * (batch.areas[rows] if area else 1)
            expected = (weight[:, None] * batch.maxima[rows]).mean(0)
            assert torch.allclose(attended[row], expected, atol=1e-5)


def test_the_gradient_reaches_the_attention_only(folder: Path, source: MapSource, tmp_path: Path) -> None:
    batch = pooled(source, folder, 4, tmp_path).batch([0, 1, 2, 3])
    parameters = torch.nn.ParameterDict(initial_parameters(batch.images.shape[1], 0))
    classifier = linear_classifier(source)
    logits = classifier(attend(parameters, batch, False))
    torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    assert len(list(parameters.parameters())) == 4
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters.parameters())
    assert all(p.grad is None and not p.requires_grad for p in classifier.parameters())


def test_training_lowers_the_loss_and_writes_a_card(folder: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    labels: set[str] = set()
    path = train_attention(
        collection_of(folder),
        options_in(tmp_path),
        "mine",
        NETWORK,
        replace(QUICK, epochs=6, rate=1e-2, patience=6),
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
    assert card["kept"] == min(epochs, key=lambda epoch: epoch.measures["validation"]).number
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
    settings = AttentionSettings(composites=90, epochs=8, batch=20, levels=3, patience=8)
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
