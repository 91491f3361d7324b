"""Real folders end to end: damaged files, unusual names, few images, files that change."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, picture
from workbench.bench.bench import Bench

NAMES = [
    "with spaces.jpg",
    "höhe 🗼.jpg",
    "quo'te.jpg",
    'double"quote.jpg',
    "<script>alert(1)<.jpg",
    "a&b#?%41.jpg",
]


def opened(folder: Path, cache: Path, labels: str = "none") -> Bench:
    return wb.open(folder, labels, cache=cache, size=128, device="cpu", precision="float32")


def scores(table: pd.DataFrame) -> dict[str, float]:
    return dict(zip(table["image_id"], table["score"], strict=True))


def bomb(side: int) -> bytes:
    """A PNG whose header states side x side pixels and which contains no pixel data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Readable and unreadable files; the readable ones show the same picture in different encodings."""
    folder = tmp_path_factory.mktemp("mixed")
    image = picture(1, (128, 96))
    image.save(folder / "plain.png")
    image.save(folder / "plain.jpg", quality=95)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(folder / "16-bit.png")
    image.quantize(200).save(folder / "palette.png", transparency=bytes([255] * 199 + [0]))
    image.save(folder / "animated.gif", save_all=True, append_images=[picture(2, (128, 96))])
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(folder / "rotated.jpg", exif=exif, quality=95)
    (folder / "sub folder").mkdir()
    for name in NAMES:
        image.save(folder / "sub folder" / name, quality=95)
    whole = (folder / "plain.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("a text file", encoding="utf-8")
    (folder / "bomb.png").write_bytes(bomb(60_000))
    return folder


GOOD = {
    "plain.png", "plain.jpg", "cmyk.jpg", "16-bit.png", "palette.png", "animated.gif", "rotated.jpg",
    *(f"sub folder/{name}" for name in NAMES),
}  # fmt: skip
REASONS = {
    "truncated.jpg": "truncated",
    "empty.jpg": "the file is empty",
    "text.jpg": "not an image",
    "bomb.png": "pixels",
}


def test_unreadable_files_are_reported_and_the_rest_is_ranked(mixed: Path, cache: Path) -> None:
    bench = opened(mixed, cache)
    table = bench.search("plain.png", pipeline=f"{NETWORK}/mean/rmac:2", k=None)
    assert set(table["image_id"]) == set(bench.collection.images) == GOOD
    assert table["score"].is_monotonic_decreasing and table["score"].between(-1, 1 + 1e-5).all()
    report = dict(zip(bench.collection.report["image"], bench.collection.report["reason"], strict=True))
    assert report.keys() == REASONS.keys()
    for name, reason in REASONS.items():
        assert reason in report[name] and "\n" not in report[name]


def test_encodings_of_a_picture_score_higher_than_another_picture(mixed: Path, cache: Path) -> None:
    bench, pipeline = opened(mixed, cache), f"{NETWORK}/mean/whole"
    coloured = GOOD - {"16-bit.png"}
    other = scores(bench.search(picture(5, (128, 96)), pipeline=pipeline, k=None))
    for name in sorted(coloured):
        same = scores(bench.search(name, pipeline=pipeline, k=None))
        assert min(same[form] for form in coloured) > max(other[form] for form in coloured)


@pytest.mark.parametrize("name", NAMES)
def test_unusual_file_names_are_searched_and_explained(mixed: Path, cache: Path, name: str) -> None:
    bench, image = opened(mixed, cache), f"sub folder/{name}"
    pipeline = f"{NETWORK}/max/rmac:2/pcaw:4"
    table = bench.search(image, pipeline=pipeline, k=None)
    assert scores(table)[image] == pytest.approx(1, abs=1e-5)
    assert bench.explain(image, "plain.png", pipeline=pipeline).score == pytest.approx(
        scores(table)["plain.png"]
    )
    assert bench.thumbnail(image)[:2] == b"\xff\xd8"
    assert scores(bench.search(mixed / image, pipeline=pipeline, k=None))[image] > 0.99


@pytest.mark.parametrize("name", sorted(REASONS))
def test_an_unreadable_query_is_reported_with_its_reason(mixed: Path, cache: Path, name: str) -> None:
    bench = opened(mixed, cache)
    with pytest.raises(wb.WorkbenchError) as caught:
        bench.search(mixed / name, pipeline=f"{NETWORK}/max/whole")
    assert name in str(caught.value) and REASONS[name] in str(caught.value)


@pytest.mark.parametrize("kind", ["rotated by EXIF", "transparent", "16-bit"])
def test_a_pil_image_as_query_scores_like_its_file(
    mixed: Path, cache: Path, tmp_path: Path, kind: str
) -> None:
    bench = opened(mixed, cache)
    exif = Image.Exif()
    image, path = picture(1, (128, 64)), tmp_path / "query.png"
    if kind == "rotated by EXIF":
        exif[0x0112] = 6
    elif kind == "transparent":
        image.putalpha(Image.fromarray(np.tile(np.arange(128, dtype=np.uint8) * 2, (64, 1))))
    else:
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    image.save(path, exif=exif)
    pipeline = f"{NETWORK}/max/whole/pcaw:4"
    actual = scores(bench.search(Image.open(path), pipeline=pipeline, k=None))
    expected = scores(bench.search(path, pipeline=pipeline, k=None))
    assert actual == pytest.approx(expected, abs=1e-4)


def small(folder: Path, pictures: list[Image.Image], cache: Path) -> Bench:
    folder.mkdir()
    for number, image in enumerate(pictures):
        image.save(folder / f"{number}.png")
    return opened(folder, cache)


def test_a_collection_without_ground_truth_is_searched_but_not_evaluated(tmp_path: Path, cache: Path) -> None:
    folder = folder_of(tmp_path, 6, kinds=2)
    bench = opened(folder, cache)
    with pytest.raises(wb.WorkbenchError, match=r"has no ground truth.*labels='folders'.*labels.csv"):
        bench.evaluate(f"{NETWORK}/max/whole")
    with pytest.raises(wb.WorkbenchError, match=r"lw:8 learns from matching pairs.*use pcaw:8"):
        bench.search("kind0/000.jpg", pipeline=f"{NETWORK}/max/whole/lw:8")
    assert (
        bench.search("kind0/000.jpg", pipeline=f"{NETWORK}/max/whole")["relevance"].tolist()[1] == "unknown"
    )
    with pytest.raises(wb.WorkbenchError, match=r"'nosuch\.jpg'"):
        bench.search("nosuch.jpg", pipeline=f"{NETWORK}/max/whole")


def test_a_collection_of_one_image_is_searched(tmp_path: Path, cache: Path) -> None:
    bench = small(tmp_path / "one", [picture(1)], cache)
    table = bench.search("0.png", pipeline=f"{NETWORK}/max/rmac:3/pcaw:8")
    assert table["image_id"].tolist() == ["0.png"]
    assert table["score"][0] == pytest.approx(1, abs=1e-5)
    with pytest.raises(wb.WorkbenchError, match="at least two"):
        bench.search("0.png", pipeline=f"{NETWORK}/max/whole/pcaw:8")


def test_identical_images_have_equal_scores_in_collection_order(tmp_path: Path, cache: Path) -> None:
    bench = small(tmp_path / "same", [picture(1)] * 5, cache)
    table = bench.search("3.png", pipeline=f"{NETWORK}/max/rmac:3/pcaw:8", k=None)
    assert table["score"].to_numpy() == pytest.approx(np.ones(5), abs=1e-5)
    assert table["image_id"].tolist() == [f"{n}.png" for n in range(5)]  # ties are in collection order


def test_pictures_of_one_colour_have_finite_scores(tmp_path: Path, cache: Path) -> None:
    pictures = [Image.new("RGB", (64, 64), colour) for colour in ("black", "white")]
    bench = small(tmp_path / "plain", [*pictures, picture(1), picture(2)], cache)
    for parts in ("max/rmac:3", "crow/whole/pcaw:2", "gem:3/grid:3x3/norm"):
        table = bench.search("0.png", pipeline=f"{NETWORK}/{parts}", k=None)
        assert len(table) == 4 and np.isfinite(table["score"]).all()


def test_files_changed_or_deleted_while_open_are_noticed(tmp_path: Path, cache: Path) -> None:
    photos = folder_of(tmp_path, 9, kinds=3)
    bench = opened(photos, cache, "folders")
    pipeline = f"{NETWORK}/max/whole"
    before = bench.search("kind0/000.jpg", pipeline=pipeline, k=None)
    picture(99).save(photos / "kind1" / "001.jpg")
    (photos / "kind2" / "002.jpg").unlink()
    after = bench.search("kind0/000.jpg", pipeline=pipeline, k=None)
    assert scores(after).keys() == scores(before).keys() - {"kind2/002.jpg"}
    changed = {image for image, score in scores(after).items() if abs(score - scores(before)[image]) > 1e-4}
    assert changed == {"kind1/001.jpg"}
    assert bench.collection.report.to_dict("records") == [
        {"image": "kind2/002.jpg", "reason": "the file is missing"}
    ]
    assert len(bench.evaluate(pipeline).per_query) == 8


def test_a_collection_without_readable_images_is_an_error(tmp_path: Path, cache: Path) -> None:
    """The damage is inside the files, so that opening the collection does not detect it."""
    folder = tmp_path / "broken"
    folder.mkdir()
    for number in range(3):
        picture(number).save(folder / f"{number}.png")
        data = bytearray((folder / f"{number}.png").read_bytes())
        data[2000:2200] = bytes(200)
        (folder / f"{number}.png").write_bytes(data)
    bench = opened(folder, cache)
    assert len(bench.collection.images) == 3
    with pytest.raises(wb.WorkbenchError, match="'broken' has no image that can be read"):
        bench.search(picture(1), pipeline=f"{NETWORK}/max/whole")
    assert len(bench.collection.report) == 3
    assert bench.collection.report["reason"].str.contains("damaged").all()
