"""Training regional attention: what it moves, and what it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import workbench as wb
from tests.attending import QUICK, collection_of, options_in
from tests.extracting import NETWORK
from tests.pictures import folder_of
from workbench.config import Config
from workbench.descriptors.attention import Attention, areas
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac
from workbench.features.maps import MapSource, Options, Picture
from workbench.learning.attention.composites import composites
from workbench.learning.attention.region_pool import pool_once
from workbench.learning.attention.train import Settings, attended, start, train
from workbench.learning.trainer import Epoch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12)


def test_regions_are_pooled_as_descriptors_pool_them(folder: Path, tmp_path: Path) -> None:
    source = MapSource.of(Config.parse(f"{NETWORK}/max/whole"), options_in(tmp_path))
    pictures = [Picture(path) for path in sorted(folder.glob("*.jpg"))]
    keys, _ = source.extract(pictures)
    regions = pool_once(source.batches(keys[0], 0), len(keys[0]), 2, tmp_path)
    for number in (0, 1, 2, 7):
        maps = source.maps_of(Image.open(pictures[number].path))[0]
        height, width = maps.shape[2:]
        grid = rmac(height, width, 2)
        batch = regions.batch([number])
        assert torch.allclose(batch.maxima, pool(maps, grid, "max")[0], atol=2e-3, rtol=2e-3)
        assert torch.allclose(batch.means, pool(maps, grid, "mean")[0], atol=2e-3, rtol=2e-3)
        assert torch.allclose(batch.areas, areas(grid, height, width))
        assert torch.allclose(batch.images[0], maps.mean((2, 3))[0], atol=2e-3, rtol=2e-3)
    both = regions.batch([7, 0])
    assert torch.equal(both.maxima[both.owner == 1], regions.batch([0]).maxima)
    assert not [path for path in tmp_path.iterdir() if path.name != "maps"]  # nothing is left lying about


def test_the_mean_of_regions_by_hand(folder: Path, tmp_path: Path) -> None:
    source = MapSource.of(Config.parse(f"{NETWORK}/max/whole"), options_in(tmp_path))
    keys, _ = source.extract([Picture(path) for path in sorted(folder.glob("*.jpg"))[:3]])
    batch = pool_once(source.batches(keys[0], 0), len(keys[0]), 2, tmp_path).batch([2, 1])
    parameters = start(batch.images.shape[1], 0)
    weights = Attention.of(parameters)(batch.means, batch.images[batch.owner])
    for area in (False, True):
        found = attended(parameters, batch, area)
        for row in (0, 1):
            mine = batch.owner == row
            weight = weights[mine] * (batch.areas[mine] if area else 1)
            expected = (weight[:, None] * batch.maxima[mine]).mean(0)
            assert torch.allclose(found[row], expected, atol=1e-5)


def test_the_gradient_reaches_the_attention_alone(folder: Path, tmp_path: Path) -> None:
    from workbench.learning.attention.data import _classifier

    source = MapSource.of(Config.parse(f"{NETWORK}/max/whole"), options_in(tmp_path))
    keys, _ = source.extract([Picture(path) for path in sorted(folder.glob("*.jpg"))[:4]])
    batch = pool_once(source.batches(keys[0], 0), len(keys[0]), 2, tmp_path).batch([0, 1, 2, 3])
    parameters = {name: one.requires_grad_(True) for name, one in start(batch.images.shape[1], 0).items()}
    classifier = _classifier(source)
    loss = torch.nn.functional.cross_entropy(classifier(attended(parameters, batch, False)), torch.arange(4))
    loss.backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in parameters.values())
    assert all(one.grad is None and not one.requires_grad for one in classifier.parameters())


def test_training_lowers_the_loss_and_ships_a_card(folder: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    settings = replace(QUICK, epochs=6, rate=1e-2, patience=6)
    said: set[str] = set()
    path = train(
        collection_of(folder),
        options_in(tmp_path),
        "mine",
        NETWORK,
        settings,
        lambda what, done, total: said.add(what),
        epochs.append,
        "workbench train attention photos --name mine",
    )
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].loss < epochs[0].loss
    assert {"making composites", "pooling regions", "training, epoch 1 of 6"} <= said
    about = Attention.load(path).about
    assert about["command"] == "workbench train attention photos --name mine"
    assert not about["area"] and about["photos"] == 12 and about["collection"] == folder.name
    assert about["kept"] == min(epochs, key=lambda epoch: epoch.validation).number
    assert [path.name for path in path.parent.iterdir()] == ["mine.safetensors"]  # what it worked on is gone
    evaluated = wb.open(folder, cache=tmp_path, size=128, device="cpu", precision="float32")
    found = evaluated.search("000.jpg", pipeline=f"{NETWORK}/max/rmac:2/attention:mine")
    assert found["image_id"][0] == "000.jpg"


@pytest.mark.slow
def test_it_learns_to_look_at_a_pasted_photo(tmp_path: Path) -> None:
    """The embedded backbone on photographs that come with scikit-image: on composites it never saw, attention
    puts a larger share of its weight on the pasted photo than regions that weigh alike do."""
    from skimage import data

    photos = []
    for name in ("astronaut", "coffee", "chelsea", "rocket", "stereo_motorcycle"):
        found = getattr(data, name)()
        image = Image.fromarray(found[0] if isinstance(found, tuple) else found)
        image.thumbnail((320, 320))
        photos += [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image.rotate(90, expand=True)]
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(photos):
        image.convert("RGB").save(tmp_path / "photos" / f"{number:02}.jpg")
    options = Options(size=320, device="cpu", precision="float32", cache=tmp_path)
    settings = Settings(composites=90, epochs=8, batch=20, levels=3, patience=8)
    path = train(wb.open(tmp_path / "photos", cache=tmp_path).collection, options, "mine", settings=settings)
    attention = Attention.load(path)
    source = MapSource.of(Config.parse("efficientnet_lite0/max/whole"), options)
    shares = []
    for one in composites([photo.convert("RGB") for photo in photos], 30, seed=99):
        maps = source.maps_of(one.picture)[0]
        height, width = maps.shape[2:]
        grid = rmac(height, width, 3)
        scale = np.array([width, height] * 2) / np.array([*one.picture.size] * 2)
        x0, y0, x1, y1 = np.array(one.box) * scale
        across = (np.minimum(grid[:, 2], x1) - np.maximum(grid[:, 0], x0)).clip(0)
        down = (np.minimum(grid[:, 3], y1) - np.maximum(grid[:, 1], y0)).clip(0)
        inside = across * down / ((grid[:, 2] - grid[:, 0]) * (grid[:, 3] - grid[:, 1]))
        weights = attention.weights(maps, grid)[0, :, 0].numpy()
        shares.append([(weights * inside).sum() / weights.sum(), inside.mean()])
    learnt, even = np.mean(shares, 0)
    assert learnt > even + 0.03
