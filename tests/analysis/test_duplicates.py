"""Near-duplicates of photographs and frames whose originals are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import workbench
from tests.support.videos import write_video
from workbench.bench.bench import Bench
from workbench.collections import hash_store
from workbench.collections.perceptual_hash import file_hashes, picture_hashes
from workbench.collections.posters.photos import read_photos
from workbench.common.progress import silent
from workbench.config.errors import WorkbenchError
from workbench.search.near_hashes import near_hashes

PIPELINE = "efficientnet_lite0/max/rmac:2"


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [ImageOps.fit(photo, (240, 160)) for photo in list(read_photos().values())[:5]]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, photos: list[Image.Image]) -> Bench:
    root = tmp_path_factory.mktemp("duplicates")
    for number, photo in enumerate(photos):
        photo.save(root / f"{number}.png")
    photos[0].resize((180, 120)).save(root / "<b>small.jpg", quality=60)
    photos[0].save(root / "worse.jpg", quality=30)  # as many pixels, fewer bytes
    ImageOps.mirror(photos[1]).convert("L").save(root / "mirrored.png")
    Image.new("RGB", (240, 160), "white").save(root / "white.png")
    Image.new("RGB", (240, 160), "black").save(root / "black.png")
    still = [np.asarray(photos[2])] * 15
    write_video(root / "v.mp4", still, 5)
    return workbench.open(
        root, cache=tmp_path_factory.mktemp("cache"), size=192, device="cpu", precision="float32"
    )


def test_groups_with_the_best_copy(bench: Bench) -> None:
    table = bench.studies.duplicates(PIPELINE, progress=silent)
    groups = {
        frozenset(part["image_id"]): part["image_id"][part["best"]].item()
        for _, part in table.groupby("group")
    }
    # The frames of the video are alike, and the first of them stands for its other ones.
    assert groups == {
        frozenset({"0.png", "worse.jpg", "<b>small.jpg"}): "0.png",
        frozenset({"1.png", "mirrored.png"}): "1.png",
        frozenset({"2.png", "v.mp4#t=0.00", "v.mp4#t=1.00", "v.mp4#t=2.00"}): "2.png",
    }
    rows = table.set_index("image_id")
    assert rows["mirrored"].to_dict() == {name: name == "mirrored.png" for name in rows.index}
    assert tuple(rows.loc["<b>small.jpg", ["width", "height"]]) == (180, 120)
    assert (rows["bits"] <= 16).all() and (bench.collection.root / "worse.jpg").exists()


def test_fewer_bits_propose_fewer_pairs(bench: Bench) -> None:
    assert bench.studies.duplicates(PIPELINE, bits=0, progress=silent)["bits"].max() == 0
    for bits in (-1, 40, True, "many"):
        with pytest.raises(WorkbenchError, match="number of bits of 64"):
            bench.studies.duplicates(PIPELINE, bits=bits, progress=silent)  # type: ignore[arg-type]


def test_hashes_ignore_borders_and_mirror(photos: list[Image.Image]) -> None:
    hashes, share = picture_hashes(photos[0])
    assert share == 1
    letterbox = Image.new("RGB", (240, 220))
    letterbox.paste(photos[0], (0, 30))
    inside, share = picture_hashes(letterbox)
    mirrored, _ = picture_hashes(ImageOps.mirror(photos[0]))
    assert share == pytest.approx(160 / 220, abs=0.05)
    rows, others, bits = near_hashes(hashes, np.concatenate([inside[:1], mirrored[:1]]), 10)
    assert list(zip(rows.tolist(), others.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert bits[1] == 0


def test_all_pairs_within_a_distance() -> None:
    hashes = np.packbits(np.tri(9, 64, -1, dtype=bool), axis=1)  # the n-th has its first n bits
    rows, others, bits = near_hashes(hashes, hashes, 2)
    expected = {(i, j, abs(i - j)) for i in range(9) for j in range(9) if abs(i - j) <= 2}
    assert set(zip(rows.tolist(), others.tolist(), bits.tolist(), strict=True)) == expected


def test_hashes_are_computed_once_for_a_content(
    bench: Bench, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [bench.collection.path(name) for name in bench.collection.images]
    before = hash_store.stored_hashes(paths, bench.options.cache)
    assert (before[1] > 0).all()
    hashed: list[Path] = []

    def counted(paths: list[Path], *_: object) -> tuple[np.ndarray, np.ndarray]:
        hashed.extend(paths)
        return file_hashes(paths, 1)

    monkeypatch.setattr(hash_store, "file_hashes", counted)
    again = hash_store.stored_hashes(paths, bench.options.cache)
    assert not hashed and all((a == b).all() for a, b in zip(before, again, strict=True))
    ImageOps.flip(photos[3]).save(paths[3])
    hash_store.stored_hashes(paths, bench.options.cache)
    assert hashed == [paths[3]]
    (bench.options.cache / "hashes-v1.sqlite").write_bytes(b"no database" * 100)
    assert (hash_store.stored_hashes(paths[:3], bench.options.cache)[0] == before[0][:3]).all()
