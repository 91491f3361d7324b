"""Local features on disk: reading, resuming after a kill, damaged files, changed images, and kinds."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.support.descriptions import Run, described, files, options
from tests.support.pictures import folder_of, picture
from tests.support.things import EMPTY, thing
from workbench.collections import images
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.features.batches import pixels
from workbench.features.map_source import Picture
from workbench.local import keypoints
from workbench.local.feature_store import FeatureStore
from workbench.local.features import LocalFeatures
from workbench.local.hardnet import HardNet, PatchDescriber
from workbench.local.local_source import LocalSource
from workbench.local.patches import EXTENT, cut_patches

SHAPES = ((128, 96), (96, 128), (120, 120))


def features(seed: int, count: int, kind: str = "hardnet") -> LocalFeatures:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 99, (count, 4)).astype(np.float32)
    stored = rng.integers(0, 256, (count, 128)).astype(np.uint8 if kind == "sift" else np.float16)
    return LocalFeatures(points, stored, (8 * int(rng.integers(2, 99)), 8 * int(rng.integers(2, 99))))


def same(first: LocalFeatures, second: LocalFeatures) -> bool:
    arrays = ((first.points, second.points), (first.stored, second.stored))
    return first.size == second.size and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in arrays
    )


# -- the store --


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.sampled_from(["sift", "hardnet"]), st.data())
def test_stored_features_are_read_bit_exactly(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], kind: str, data: st.DataObject
) -> None:
    """Including pictures without keypoints; read in any order and repeatedly."""
    folder = tmp_path_factory.mktemp("store")
    written = [features(seed, count, kind) for seed, count in enumerate(counts)]
    FeatureStore(folder).write([str(n) for n in range(len(written))], written, {"x": "damaged"})
    store = FeatureStore(folder)
    rows = data.draw(st.lists(st.integers(0, len(written) - 1), max_size=12))
    stored = dict(store.read([str(row) for row in rows]))
    assert sorted(stored) == list(range(len(rows)))
    assert all(same(stored[position], written[row]) for position, row in enumerate(rows))
    assert store.unreadable("x") == "damaged" and store.unreadable("0") is None


def test_features_of_several_files_are_read_in_any_order(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    first, second = [features(1, 5), features(2, 0)], [features(3, 7)]
    store.write(["a", "b"], first, {})
    store.write(["c"], second, {})
    store.write([], [], {"d": "the file is empty"})
    assert "a" not in store  # until the store is refreshed
    store.refresh()
    stored = dict(store.read(["c", "a", "b", "c"]))
    assert all(same(stored[n], expected) for n, expected in enumerate([second[0], *first, second[0]]))
    assert store.unreadable("d") == "the file is empty"
    assert len(list(tmp_path.iterdir())) == 3


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def replaced(**tensors: torch.Tensor | None) -> Callable[[Path], None]:
    """Rewrite a file with the same header and some tensors replaced, or removed if None."""

    def write(path: Path) -> None:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
        changed = {**load_file(path), **tensors}
        save_file({name: tensor for name, tensor in changed.items() if tensor is not None}, path, header)

    return write


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(truncated, id="truncated"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_text("no tensors " * 99), id="text"),
        pytest.param(lambda path: save_file({"maps": torch.zeros(3, 2, 2, 2)}, path), id="no header"),
        pytest.param(
            replaced(points=None, descriptors=None, counts=None, sizes=None, maps=torch.zeros(3, 2, 2, 2)),
            id="maps",
        ),
        pytest.param(replaced(sizes=None), id="no sizes"),
        pytest.param(replaced(counts=torch.tensor([4, 0, 2])), id="another count"),
        pytest.param(replaced(counts=torch.tensor([4, 3])), id="fewer pictures"),
        pytest.param(replaced(points=torch.zeros(7, 3)), id="points of three"),
        pytest.param(replaced(descriptors=torch.zeros(7, 64)), id="short descriptors"),
    ],
)
def test_a_damaged_file_is_removed_and_the_others_are_kept(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = FeatureStore(tmp_path)
    store.write(["a", "b", "c"], [features(1, 4), features(2, 0), features(3, 3)], {})
    (damaged,) = tmp_path.iterdir()
    store.write(["d"], [features(4, 2)], {})
    damage(damaged)
    reopened = FeatureStore(tmp_path)
    assert not damaged.exists()
    assert "a" not in reopened and same(dict(reopened.read(["d"]))[0], features(4, 2))


def test_a_file_damaged_while_the_store_is_open_is_reported(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.write(["a"], [features(1, 4)], {})
    store.refresh()
    truncated(next(tmp_path.iterdir()))
    with pytest.raises(WorkbenchError, match=r"stored local features .* are missing or damaged; run again"):
        dict(store.read(["a"]))
    store.refresh()  # as the next run does
    assert "a" not in store


def test_positions_descriptors_and_boxes_by_hand() -> None:
    points = np.array([[20, 15, 2, 0], [0, 60, 4, 90]], np.float32)
    stored = np.zeros((2, 128), np.uint8)
    stored[:, 3], stored[:, 4] = 9, 16
    local_features = LocalFeatures(points, stored, (80, 60))
    np.testing.assert_allclose(local_features.places, [[0.25, 0.25], [0.0, 1.0]])
    np.testing.assert_allclose(local_features.descriptors[:, 3:5], [[0.6, 0.8]] * 2, rtol=1e-6)
    assert EXTENT == 8  # the patches extend 8 and 16 pixels to each side, and boxes are clipped
    boxes = np.array([[12, 7, 28, 23], [0, 44, 16, 60]]) / [80, 60, 80, 60]
    np.testing.assert_allclose(local_features.boxes, boxes, rtol=1e-6)


# -- pictures described --


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("network") / "small.safetensors"
    torch.manual_seed(0)
    save_file(HardNet(2).state_dict(), path)
    return f"hardnet:{path}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures of three shapes, one with damage that only decoding detects; 3 plain; an empty file."""
    root = folder_of(tmp_path_factory.mktemp("photos"), 60, SHAPES)
    for name, size in EMPTY.items():
        Image.new("RGB", size, "grey").save(root / f"{name}.png")
    picture(7, SHAPES[1]).save(root / "007.png")
    damaged = bytearray((root / "007.png").read_bytes())
    damaged[5000:5100] = bytes(100)
    (root / "007.png").write_bytes(damaged)
    (root / "empty.jpg").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def undisturbed(
    folder: Path, network: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, bytes]]:
    """The content of the store after uninterrupted runs, by kind."""
    contents = {}
    for kind in ("sift", network):
        cache = tmp_path_factory.mktemp("undisturbed")
        assert Run(folder, cache, kind).end() == ""
        contents[kind] = files(cache)
    return contents


def test_keypoints_are_those_of_the_resized_picture(network: str, tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "photo.png"
    photo.parent.mkdir()
    thing("coffee").save(photo)  # 240 x 180, at most 160 wide: 160 x 120
    for kind in ("sift", network):
        source, keys, lost = described(kind, photo.parent, tmp_path / "cache")
        ((_, stored),) = source.read(keys)
        assert not lost and stored.size == (160, 120) and len(stored) > 50
        resized = thing("coffee").resize((160, 120), Image.Resampling.BICUBIC, reducing_gap=2.0)
        assert same(stored, source.features_of(thing("coffee")))
        # OpenCV and Pillow convert to grey by the same weights, but round differently.
        grey = (np.asarray(resized) @ [0.299, 0.587, 0.114] + 0.5).astype(np.uint8)
        detected = keypoints.detect(grey)
        distances = np.linalg.norm(stored.points[:, None, :2] - detected[None, :, :2], axis=2).min(1)
        assert np.mean(distances < 0.3) > 0.9
    assert {path.name.split("-")[0] for path in (tmp_path / "cache" / "local").iterdir()} == {
        "sift", "hardnet"
    }  # fmt: skip


def test_hardnet_describes_the_patches_of_its_keypoints(network: str, tmp_path: Path) -> None:
    """Descriptors equal those of the network within the precision of float16."""
    photo = tmp_path / "photos" / "photo.png"
    photo.parent.mkdir()
    thing("coins").save(photo)
    source, keys, _ = described(network, photo.parent, tmp_path / "cache")
    ((_, stored),) = source.read(keys)
    torch.manual_seed(0)
    model = HardNet(2).eval()
    grey = cv2.cvtColor(pixels(thing("coins"), (160, 120)), cv2.COLOR_RGB2GRAY)
    with torch.no_grad():
        expected = model(torch.from_numpy(cut_patches(grey, stored.points))).numpy()
    np.testing.assert_allclose(stored.descriptors, expected, atol=1e-3)
    np.testing.assert_allclose(PatchDescriber(model)(cut_patches(grey, stored.points)), expected, atol=1e-5)


def test_unreadable_pictures_are_reported_and_the_others_are_described(folder: Path, tmp_path: Path) -> None:
    source, keys, lost = described("sift", folder, tmp_path)
    names = [path.name for path in sorted(folder.rglob("*.*"))]
    assert {names[row] for row in lost} == {"007.png", "empty.jpg"}
    assert lost[names.index("empty.jpg")] == "the file is empty" and "damaged" in lost[names.index("007.png")]
    readable = [row for row in range(len(names)) if row not in lost]
    stored = dict(source.read([keys[row] for row in readable]))
    without_keypoints = {names[row] for position, row in enumerate(readable) if not len(stored[position])}
    assert without_keypoints == {f"{name}.png" for name in EMPTY}
    for local_features in stored.values():
        assert (
            local_features.stored.shape == (len(local_features), 128)
            and local_features.stored.dtype == np.uint8
        )


def test_extraction_killed_at_random_moments_resumes_to_the_same_files(
    folder: Path, network: str, undisturbed: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    rng, expected = random.Random(3), undisturbed[network]
    kills, midway = 0, 0
    while kills < 8 or midway < 4:
        before = len(files(tmp_path))
        run = Run(folder, tmp_path, network)
        run.reached("begun")
        if rng.random() < 0.8:
            while run.process.is_alive() and len(files(tmp_path)) <= before:
                time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
        if not run.kill():
            assert files(tmp_path) == expected
            shutil.rmtree(tmp_path / "local")
            continue
        kills += 1
        assert kills < 60, "no progress is made between kills"
        remaining = {name: data for name, data in files(tmp_path).items() if not name.endswith(".part")}
        assert remaining.items() <= expected.items()
        midway += 0 < len(remaining) < len(expected)
    assert Run(folder, tmp_path, network).end() == ""
    assert files(tmp_path) == expected


def test_cancelled_extraction_stops_within_a_second_and_resumes(
    folder: Path, undisturbed: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    raised = 0.0

    def cancel(label: str, done: int, total: int) -> None:
        nonlocal raised
        assert (label, total) == ("describing keypoints by sift", 64)
        if done >= 20:
            raised = time.monotonic()
            raise Cancelled

    source = LocalSource("sift", options(tmp_path))
    pictures = [Picture(path) for path in sorted(folder.rglob("*.*"))]
    with pytest.raises(Cancelled):
        source.extract(pictures, progress=cancel)
    assert time.monotonic() - raised < 1
    assert not [thread for thread in threading.enumerate() if "extract" in thread.name]
    remaining = files(tmp_path)
    assert 0 < len(remaining) < len(undisturbed["sift"]) and remaining.items() <= undisturbed["sift"].items()
    described("sift", folder, tmp_path)
    assert files(tmp_path) == undisturbed["sift"]


def test_two_simultaneous_processes_write_the_same_files(
    folder: Path, undisturbed: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    runs = [Run(folder, tmp_path, "sift"), Run(folder, tmp_path, "sift")]
    assert [run.end() for run in runs] == ["", ""]
    assert files(tmp_path) == undisturbed["sift"]


def test_damaged_files_of_a_killed_process_are_replaced(
    folder: Path, undisturbed: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    names = list(undisturbed["sift"])
    for name in names[:-2]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(undisturbed["sift"][name])
    (tmp_path / names[0]).write_bytes(undisturbed["sift"][names[0]][:-7])
    (tmp_path / names[1]).write_bytes(undisturbed["sift"][names[1]][:1000])
    (tmp_path / names[0]).with_name("abc.def.part").write_bytes(b"half a batch")
    described("sift", folder, tmp_path)
    assert files(tmp_path) == undisturbed["sift"]


def test_a_full_disk_is_reported_and_the_next_run_continues(
    folder: Path, undisturbed: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    error = Run(folder, tmp_path, "sift", most=3000).end()
    assert "cannot be written" in error and str(tmp_path) in error and "\n" not in error
    assert not [name for name in files(tmp_path) if name.endswith(".part")]
    assert Run(folder, tmp_path, "sift").end() == ""
    assert files(tmp_path) == undisturbed["sift"]
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")
    with pytest.raises(WorkbenchError, match=r"cache.*cannot be written.*--cache"):
        described("sift", folder, tmp_path / "cache")


def test_features_of_each_kind_and_size_have_their_folder(network: str, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    torch.manual_seed(1)
    save_file(HardNet(2).state_dict(), other)
    copy = shutil.copy(network.partition(":")[2], tmp_path / "copy.safetensors")
    names = ["sift", network, f"hardnet:{other}"]
    folders = {
        LocalSource(name, options(tmp_path, size)).store.folder for name in names for size in (160, 96)
    }
    assert len(folders) == 6
    assert LocalSource(f"hardnet:{copy}", options(tmp_path)).store.folder in folders  # the same weights
    with pytest.raises(WorkbenchError, match=r"gone\.pth.*cannot be read"):
        LocalSource(f"hardnet:{tmp_path}/gone.pth", options(tmp_path))


def test_changed_weights_of_a_source_are_noticed(network: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    shutil.copy(network.partition(":")[2], path)
    source = LocalSource(f"hardnet:{path}", options(tmp_path))
    assert source.fresh()
    save_file(HardNet(3).state_dict(), path)
    assert not source.fresh()
    path.unlink()
    with pytest.raises(WorkbenchError, match=r"mine\.safetensors.*cannot be read"):
        source.fresh()


def test_a_cropped_query_has_its_key_and_the_features_of_the_crop(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    thing("astronaut").save(path)
    source = LocalSource("sift", options(tmp_path / "cache"))
    box = (40.0, 20.0, 200.0, 140.0)
    (keys,), lost = source.extract([Picture(path), Picture(path, box), Picture(path, (0.0, 0.0, 30.0, 30.0))])
    assert not lost and len(set(keys)) == 3
    stored = dict(source.read(keys))
    assert stored[1].size == (160, 120)
    assert same(stored[1], source.features_of(thing("astronaut").crop((40, 20, 200, 140))))
    assert same(stored[0], source.features_of(thing("astronaut")))


def test_a_changed_picture_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "photo.bmp"  # its size does not depend on its content
    source = LocalSource("sift", options(tmp_path / "cache"))

    def extracted() -> LocalFeatures:
        (keys,), lost = source.extract([Picture(path)])
        assert not lost
        return dict(source.read(keys))[0]

    thing("coffee").save(path)
    first, modified = extracted(), path.stat().st_mtime_ns
    thing("coins").save(path)
    os.utime(path, ns=(modified + 1, modified + 1))  # file systems have coarse clocks
    second = extracted()
    assert not same(first, second) and same(second, source.features_of(thing("coins")))
    path.unlink()
    assert source.extract([Picture(path)])[1] == {0: "the file is missing"}


def test_a_picture_with_exif_rotation_has_the_features_of_its_upright_copy(tmp_path: Path) -> None:
    upright = thing("chelsea")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90 degrees
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    source = LocalSource("sift", options(tmp_path / "cache"))
    (keys,), _ = source.extract([Picture(tmp_path / "turned.png")])
    assert images.header(tmp_path / "turned.png").width == 240
    assert same(dict(source.read(keys))[0], source.features_of(upright))
