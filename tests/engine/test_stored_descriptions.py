"""Descriptors on disk: mapped by later processes, and computed again when what they depend on changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.faults.test_full_disk import full_disk
from tests.support.benches import opened
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, picture
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.descriptors import pooled_scale
from workbench.descriptors.description import Descriptors
from workbench.engine import description_cache, stored_descriptions
from workbench.learning.whitening import fit_whitening

PIPELINES = [
    f"{NETWORK}/max/rmac:2/pcaw:4",
    f"{NETWORK}/max/rmac:2/power:0.5/pcaw:4:0.5",
    f"{NETWORK}/gem:3/whole/scales:2/lw:4",
    f"{NETWORK}/mean/whole/centre",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12, kinds=3)


def described(bench: Bench, pipeline: str = PIPELINES[0]) -> Descriptors:
    return bench.engine.describe(Config.parse(pipeline)).descriptors


def files(cache: Path) -> list[Path]:
    return sorted((cache / "descriptors").iterdir())


def same(one: Descriptors, other: Descriptors) -> bool:
    pairs = zip((*one.regional, *one.final), (*other.regional, *other.final), strict=True)
    return torch.equal(one.vectors, other.vectors) and all(
        (a is None and b is None)
        or (
            a is not None
            and b is not None
            and torch.equal(a.mean, b.mean)
            and torch.equal(a.projection, b.projection)
            and (a.kind, a.provenance) == (b.kind, b.provenance)
        )
        for a, b in pairs
    )


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pipelines that were described again."""
    made: list[str] = []
    describe = description_cache.describe

    def counted(source: object, keys: object, config: Config, *rest: object) -> Descriptors:
        made.append(str(config))
        return describe(source, keys, config, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(description_cache, "describe", counted)
    return made


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_another_process_reads_the_same_descriptors(
    pipeline: str, photos: Path, tmp_path: Path, count: list[str]
) -> None:
    first = described(opened(photos, tmp_path), pipeline)
    second = opened(photos, tmp_path)
    assert same(first, described(second, pipeline)) and len(count) == 1
    (path,) = files(tmp_path)
    maps = Path("/proc/self/maps")
    assert not maps.exists() or str(path) in maps.read_text()  # shared with other processes
    assert second.evaluate(pipeline).mean_ap == opened(photos, tmp_path / "other").evaluate(pipeline).mean_ap


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("damage", [halved, flipped])
def test_damaged_descriptors_are_computed_again(
    damage: Callable[[Path], None], photos: Path, tmp_path: Path, count: list[str]
) -> None:
    before = described(opened(photos, tmp_path))
    (path,) = files(tmp_path)
    damage(path)
    again = opened(photos, tmp_path)
    assert torch.equal(described(again).vectors, before.vectors) and len(count) == 2
    note = "the stored descriptors were damaged and were computed again"
    assert note in again.evaluate(PIPELINES[0]).warnings
    assert note not in opened(photos, tmp_path).evaluate(PIPELINES[0]).warnings and len(count) == 2


def test_a_change_of_pictures_seed_version_or_whitening_is_described_again(
    photos: Path, tmp_path: Path, count: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = Path(shutil.copytree(photos, tmp_path / "photos")), tmp_path / "cache"
    whitening = f"{NETWORK}/max/whole/pcaw:4:mine"
    bench = opened(folder, cache)
    described(bench)
    for kinds in (2, 3):
        few = opened(folder_of(tmp_path / f"few{kinds}", 9, kinds=kinds), cache)
        fit_whitening(few.collection, few.options, f"{NETWORK}/max/whole/pcaw:4", "mine")
        count.clear()
        described(opened(folder, cache), whitening)
        assert len(count) == 1
    count.clear()
    described(opened(folder, cache))
    assert not count
    changed = bench.collection.path(bench.collection.images[0])
    picture(77).save(changed)
    described(opened(folder, cache))
    monkeypatch.setattr(stored_descriptions, "VERSION", -1)
    described(opened(folder, cache))
    assert len(count) == 2


def test_without_room_on_the_disk_they_are_computed_each_time(
    photos: Path, tmp_path: Path, count: list[str]
) -> None:
    described(opened(photos, tmp_path))
    (path,) = files(tmp_path)
    path.unlink()
    with full_disk(100):
        described(opened(photos, tmp_path))
    assert not files(tmp_path) and len(count) == 2


def test_those_not_used_for_the_longest_time_are_deleted(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, pipeline in enumerate(PIPELINES[:3]):
        described(opened(photos, tmp_path), pipeline)
        for path in files(tmp_path):
            if path.stat().st_mtime > 1e6:
                os.utime(path, (number, number))
    described(opened(photos, tmp_path), PIPELINES[0])  # used again
    oldest = min(files(tmp_path), key=lambda path: path.stat().st_mtime)
    monkeypatch.setattr(
        stored_descriptions, "MOST_BYTES", sum(path.stat().st_size for path in files(tmp_path))
    )
    described(opened(photos, tmp_path), f"{NETWORK}/mean/whole/pcaw:2")
    assert len(files(tmp_path)) == 3 and not oldest.exists()


def test_regions_that_do_not_fit_into_memory_are_pooled_for_the_sample_only(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = described(opened(photos, tmp_path / "a"))
    monkeypatch.setattr(pooled_scale, "MOST_BYTES", 0)
    assert torch.allclose(described(opened(photos, tmp_path / "b")).vectors, expected.vectors, atol=1e-5)
