"""Files that are exchanged, copied or written again: what was stored is used for equal content only."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tests.learning.test_retrained_files import written
from tests.support.benches import opened
from tests.support.extraction import NETWORK
from workbench.bench.bench import Bench
from workbench.collections import contents
from workbench.collections.folder import open_folder
from workbench.features import models

PIPELINE = f"{NETWORK}/mean/whole"
SIDE = 256  # a file of 196 KB, of which a header reads the first 4 and the last 64


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six BMP files of one size and time, which differ in their middle only."""
    for number in range(6):
        pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
        pixels[100:230] = np.random.default_rng(number).integers(0, 255, (130, SIDE, 3))
        path = tmp_path / "photos" / f"kind{number % 2}" / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        os.utime(path, ns=(10**18, 10**18))
    return tmp_path / "photos"


def exchange(first: Path, second: Path) -> None:
    """Exchange two files by renaming them, which changes neither size nor time of modification."""
    spare = first.with_name("spare")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)


def rewrite(first: Path, second: Path) -> None:
    """Exchange the contents of two files, and set their times back."""
    contents = first.read_bytes(), second.read_bytes()
    for path, content in ((first, contents[1]), (second, contents[0])):
        status = path.stat()
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def scores(bench: Bench) -> dict[str, float]:
    ranking = bench.search("kind0/0.bmp", pipeline=PIPELINE, k=None)
    return dict(zip(ranking["image_id"], ranking["score"], strict=True))


def files_given_to(module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that a function of a module is called with from now on: a list that grows."""
    given: list[str] = []
    function = getattr(module, name)

    def counted(path: Path) -> object:
        given.append(path.name)
        return function(path)

    monkeypatch.setattr(module, name, counted)
    return given


def refuse(*_: object) -> None:
    raise AssertionError("the network was built")


@pytest.mark.parametrize("change", [exchange, rewrite])
@pytest.mark.parametrize("running", [True, False])
def test_exchanged_images_of_equal_size_and_time_are_noticed(
    running: bool, change: object, photos: Path, tmp_path: Path
) -> None:
    bench = opened(photos, tmp_path / "cache", size=256)
    before = scores(bench)
    change(photos / "kind0/2.bmp", photos / "kind1/3.bmp")  # type: ignore[operator]
    if not running:
        bench = opened(photos, tmp_path / "cache", size=256)
    after = scores(bench)
    assert after == scores(opened(photos, tmp_path / "other", size=256))
    assert after["kind0/2.bmp"] == before["kind1/3.bmp"] != before["kind0/2.bmp"]
    assert bench.thumbnail("kind0/2.bmp") == opened(photos, tmp_path / "other").thumbnail("kind0/2.bmp")


@pytest.mark.parametrize("keep_times", [True, False])
def test_a_copied_collection_uses_the_stored_maps(
    keep_times: bool, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = opened(photos, tmp_path / "cache", size=256).evaluate(PIPELINE)
    copied = tmp_path / "copies" / "photos"
    shutil.copytree(photos, copied, copy_function=shutil.copy2 if keep_times else shutil.copyfile)
    os.utime(photos / "kind0/0.bmp")  # touched
    monkeypatch.setattr(models, "load_network", refuse)
    after = opened(copied, tmp_path / "cache", size=256)
    assert after.evaluate(PIPELINE).mean_ap == before.mean_ap
    assert after.runs()["fingerprint"].nunique() == 1
    assert opened(photos, tmp_path / "cache", size=256).evaluate(PIPELINE).mean_ap == before.mean_ap


def test_a_file_is_hashed_again_only_if_it_has_changed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.common import files

    monkeypatch.setattr(files, "SETTLED", 0)  # otherwise new hashes of new files are not stored
    read = files_given_to(contents, "_hash", monkeypatch)

    def keys() -> list[str]:
        """Of all files, as another process reads them."""
        headers, unreadable = contents.Contents(tmp_path / "cache").headers(sorted(photos.rglob("*.bmp")))
        assert not unreadable
        return [headers[row].fingerprint for row in range(6)]

    first = keys()
    assert len(set(first)) == 6 and len(read) == 6
    assert keys() == first and len(read) == 6
    os.utime(photos / "kind0/0.bmp", ns=(10**18, 10**18 + 1))
    assert keys() == first and read[6:] == ["0.bmp"]
    assert keys() == first and len(read) == 7


def test_damaged_locked_and_missing_hashes_cost_time_only(photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    expected = scores(opened(photos, cache, size=256))
    database = cache / "contents.sqlite"
    for damaged in (b"no database " * 500, database.read_bytes()[:5000], b""):
        database.write_bytes(damaged)
        contents.of.cache_clear()  # as in another process
        assert scores(opened(photos, cache, size=256)) == expected
        with sqlite3.connect(database) as rows:  # they are replaced
            assert rows.execute("SELECT count(*) FROM keys").fetchone() == (6,)
    database.unlink()
    database.mkdir()
    assert scores(opened(photos, cache / ".." / "cache", size=256)) == expected


@pytest.mark.parametrize("fault", ["killed", "read-only", "columns", "version"])
def test_headers_of_a_damaged_or_other_table_are_read_again(
    fault: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.collections import header_table, images
    from workbench.common import files

    monkeypatch.setattr(files, "SETTLED", 0)
    cache = tmp_path / "cache"
    cache.mkdir()
    path = cache / "contents.sqlite"
    read = files_given_to(images, "read_header", monkeypatch)

    def opened_again() -> int:
        """The number of headers that another process reads."""
        contents.of.cache_clear()
        monkeypatch.setattr(images, "_headers", {})
        read.clear()
        assert len(open_folder(photos, cache=cache).images) == 6
        return len(read)

    assert opened_again() == 6 and opened_again() == 0
    os.utime(photos / "kind0/0.bmp", ns=(10**18, 10**18 + 1))
    assert opened_again() == 1 and opened_again() == 0
    if fault == "killed":  # in the middle of a transaction
        path.write_bytes(path.read_bytes()[:5000])
    elif fault == "version":
        monkeypatch.setattr(header_table, "VERSION", "of tomorrow")
    else:
        with sqlite3.connect(path) as database:
            database.execute("DROP TABLE headers")
            database.execute("CREATE TABLE headers (path, colour)")
        if fault == "read-only":
            monkeypatch.setattr(Path, "unlink", refuse_writing)
    assert opened_again() == 6
    assert opened_again() == (6 if fault == "read-only" else 0)


def refuse_writing(*_: object, **__: object) -> None:
    raise PermissionError("read-only")


def test_exchanged_weights_of_equal_size_and_time_are_noticed(photos: Path, tmp_path: Path) -> None:
    first, second = (written(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    for path in (first, second):
        os.utime(path, ns=(10**18, 10**18))
    assert first.stat().st_size == second.stat().st_size
    bench = opened(photos, tmp_path / "cache", size=128)

    def ranked(path: Path) -> list[float]:
        ranking = bench.search("kind0/0.bmp", pipeline=f"file:{path}/mean/whole")
        return list(ranking["score"])

    before = ranked(first), ranked(second)
    assert before[0] != before[1]
    exchange(first, second)
    assert (ranked(second), ranked(first)) == before
