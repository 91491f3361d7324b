"""Training regional attention: what it moves, what it learns, and what a kill or a full disk leaves."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import resource
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import workbench as wb
from tests.extracting import NETWORK
from tests.pictures import folder_of, picture
from workbench.collections.collection import Collection
from workbench.config import Config, WorkbenchError
from workbench.descriptors.attention import Attention, areas, learned
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac
from workbench.features.maps import MapSource, Options, Picture
from workbench.learning.attention import Settings, attended, start, train
from workbench.learning.composites import SHARE, composites, decoded, write
from workbench.learning.epochs import Epoch, Plan, descend
from workbench.learning.regions import pool_once
from workbench.progress import Cancelled, Progress, silent

QUICK = Settings(composites=12, epochs=3, batch=8, levels=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12)


def options_in(cache: Path) -> Options:
    return Options(size=128, device="cpu", precision="float32", cache=cache)


def collection_of(folder: Path) -> Collection:
    return wb.open(folder, cache=folder / ".cache").collection


def trained(folder: Path, cache: Path, settings: Settings = QUICK, progress: Progress = silent) -> Attention:
    path = train(collection_of(folder), options_in(cache), "mine", NETWORK, settings, progress)
    return Attention.load(path)


def same(one: Attention, other: Attention) -> bool:
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("hidden", "hidden_bias", "output", "output_bias")
    )


# -- composites


def test_composites_show_the_centre_of_their_photo() -> None:
    """Photos of one colour each: the box holds the shown photo's alone, and takes the share it should."""
    photos = [Image.new("RGB", (100, 80), colour) for colour in ("red", "lime", "blue", "white")]
    for number, one in enumerate(composites(photos, 40, seed=3)):
        assert one.photo == number % 4
        x0, y0, x1, y1 = one.box
        assert 0 <= x0 < x1 <= one.picture.width and 0 <= y0 < y1 <= one.picture.height
        share = (x1 - x0) * (y1 - y0) / (one.picture.width * one.picture.height)
        assert SHARE[0] - 0.03 < share < SHARE[1] + 0.03
        shown = np.asarray(one.picture.crop(one.box))
        assert (shown == np.asarray(photos[one.photo])[0, 0]).all()


def test_composites_are_the_same_for_a_seed(tmp_path: Path) -> None:
    photos = [picture(seed) for seed in range(5)]

    def digests(folder: Path, seed: int) -> list[str]:
        return [hashlib.md5(path.read_bytes()).hexdigest() for path, _ in write(photos, 6, seed, folder)]

    first = digests(tmp_path / "a", 1)
    assert first == digests(tmp_path / "b", 1) and first != digests(tmp_path / "c", 2)
    assert len(set(first)) == 6
    (tmp_path / "a" / "000003.jpg").unlink()  # as if broken off before it
    assert first == digests(tmp_path / "a", 1)


def test_photos_are_decoded_no_larger_than_needed(tmp_path: Path) -> None:
    for name, size in {"wide": (400, 20), "tall": (20, 400), "small": (30, 20)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.jpg")
    found = decoded([tmp_path / f"{name}.jpg" for name in ("wide", "tall", "small")], 100)
    assert [photo.size for photo in found] == [(100, 5), (5, 100), (30, 20)]


# -- what is trained


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
    from workbench.learning.lesson import _classifier

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
        alike = areas(grid, height, width).numpy() if attention.about["area"] else np.ones(len(grid))
        shares.append([(weight * inside).sum() / weight.sum() for weight in (weights, alike)])
    learnt, even = np.mean(shares, 0)
    assert learnt > even + 0.03


# -- broken off, and going on


def test_cancelled_and_continued_is_the_same(folder: Path, tmp_path: Path) -> None:
    undisturbed = trained(folder, tmp_path / "a")

    def stop_in_the_second_epoch(what: str, done: int, total: int) -> None:
        if what == "training, epoch 2 of 3" and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(folder, tmp_path / "b", progress=stop_in_the_second_epoch)
    assert not learned(tmp_path / "b", "mine").exists()
    seen: list[str] = []
    again = trained(folder, tmp_path / "b", progress=lambda what, done, total: seen.append(what))
    assert "training, epoch 1 of 3" not in seen and "training, epoch 2 of 3" in seen
    assert same(again, undisturbed) and again.about["figures"] == undisturbed.about["figures"]


def _run(folder: Path, cache: Path) -> None:
    trained(folder, cache)


@pytest.mark.slow
def test_killed_and_continued_is_the_same(folder: Path, tmp_path: Path) -> None:
    undisturbed = trained(folder, tmp_path / "a")
    context = multiprocessing.get_context("forkserver")
    checkpoint = tmp_path / "b" / "learned" / "mine.training" / "checkpoint.safetensors"
    for sign in (checkpoint.parent / "composites" / "000005.jpg", checkpoint):
        process = context.Process(target=_run, args=(folder, tmp_path / "b"))
        process.start()
        until = time.monotonic() + 120
        while not sign.exists() and process.is_alive() and time.monotonic() < until:
            time.sleep(0.002)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
    assert same(trained(folder, tmp_path / "b"), undisturbed)


def test_other_settings_begin_anew(folder: Path, tmp_path: Path) -> None:
    expected = trained(folder, tmp_path / "a", replace(QUICK, rate=1e-2))

    def stop(what: str, done: int, total: int) -> None:
        if what == "training, epoch 3 of 3":
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(folder, tmp_path / "b", progress=stop)
    assert same(trained(folder, tmp_path / "b", replace(QUICK, rate=1e-2)), expected)


def test_a_damaged_checkpoint_is_left_behind(folder: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "learned" / "mine.training" / "checkpoint.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"\x80\x04 something else")
    assert same(trained(folder, tmp_path), trained(folder, tmp_path / "other"))


# -- epochs alone: a parabola


def _plan(**changed: float) -> Plan:
    return Plan(**{"epochs": 20, "batch": 2, "rate": 0.1, "patience": 3, "seed": 0, "about": {}, **changed})  # type: ignore[arg-type]


def test_training_stops_early_and_keeps_the_best(tmp_path: Path) -> None:
    """Items 0 and 1 pull to 1, item 2, which is held out, to 0.25: the best epoch is not the last."""
    goals = torch.tensor([1.0, 1.0, 0.25])
    parameters = {"x": torch.zeros(())}

    def loss(rows: np.ndarray) -> torch.Tensor:
        return (parameters["x"] - goals[rows]).square().mean()

    best, epochs = descend(parameters, loss, [0, 1], [2], _plan(), tmp_path / "checkpoint")
    lowest = min(epochs, key=lambda epoch: epoch.validation)
    assert len(epochs) == lowest.number + 3 < 20
    assert float(best["x"]) == pytest.approx(0.25, abs=0.1) and float(parameters["x"].detach()) > float(
        best["x"]
    )


def test_a_diverging_loss_keeps_the_epochs_before(tmp_path: Path) -> None:
    parameters, calls = {"x": torch.ones(())}, [0]

    def loss(rows: np.ndarray) -> torch.Tensor:
        calls[0] += 1
        return parameters["x"].square() * (float("inf") if calls[0] > 5 else 1.0)

    with pytest.raises(
        WorkbenchError, match=r"diverged in epoch 3 \(loss .*, held out inf\); take a smaller"
    ):
        descend(parameters, loss, [0], [1], _plan(), tmp_path / "checkpoint")
    seen: list[Epoch] = []
    calls[0] = 0
    fresh = {"x": torch.ones(())}

    def sound(rows: np.ndarray) -> torch.Tensor:
        return fresh["x"].square()

    descend(fresh, sound, [0], [1], _plan(), tmp_path / "checkpoint", report=seen.append)
    assert [epoch.number for epoch in seen[:3]] == [1, 2, 3]


# -- what cannot be trained


@pytest.mark.parametrize(("count", "said"), [(1, "has 1 readable photos, too few"), (3, "3 readable")])
def test_too_few_photos(tmp_path: Path, count: int, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        trained(folder_of(tmp_path / "photos", count), tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(WorkbenchError, match="no image"):
        trained(tmp_path / "photos", tmp_path)


def test_a_photo_that_vanishes(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 5)
    collection = collection_of(photos)
    (photos / "003.jpg").unlink()
    with pytest.raises(WorkbenchError, match=r"photo '003\.jpg' cannot be used: the file is missing"):
        train(collection, options_in(tmp_path), "mine", NETWORK, QUICK)


def test_labels_that_are_not_the_classifiers(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"has 12 labels, but the classifier knows 1000 classes"):
        trained(folder, tmp_path, replace(QUICK, targets="labels"))


@pytest.mark.parametrize(
    ("backbone", "name", "said"),
    [
        ("vgg16@random", "mine", "no classifier of one linear layer"),
        (NETWORK, "No Name", "small letters"),
        ("nothing", "mine", "'nothing' is not known"),
    ],
)
def test_what_cannot_be_trained(folder: Path, tmp_path: Path, backbone: str, name: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        train(collection_of(folder), options_in(tmp_path), name, backbone, QUICK)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(WorkbenchError, match="'words' are not known; valid: labels, predictions"):
        Settings(targets="words")
    with pytest.raises(WorkbenchError, match="0 composites"):
        Settings(composites=0)


def _run_with_little_disk(folder: Path, cache: Path, most: int, news: object) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # writing more is an error, as on a full disk
    error = ""
    try:
        trained(folder, cache)
    except WorkbenchError as caught:
        error = str(caught)
    news.send(error)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("most", [1_000, 100_000])
def test_a_full_disk(folder: Path, tmp_path: Path, most: int) -> None:
    """At the first composite, and at the regions; the next run goes on with what is there."""
    context = multiprocessing.get_context("forkserver")
    news, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_with_little_disk, args=(folder, tmp_path / "b", most, theirs))
    process.start()
    assert news.poll(120)
    error = news.recv()
    process.join(60)
    assert "cannot be written" in error or "cannot write" in error
    assert "free some space" in error
    assert same(trained(folder, tmp_path / "b"), trained(folder, tmp_path / "a"))
