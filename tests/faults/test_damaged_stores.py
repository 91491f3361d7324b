"""Stored files that are damaged are noticed at the first read, computed again, and the numbers are right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.benches import opened
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.whitening import Whitening
from workbench.runs import store as runs

MAPS = f"{NETWORK}/max/whole"
WORDS = "sift/bow:16/whole"
Damage = Callable[[bytes], bytes]


def zeroed(content: bytes) -> bytes:
    """The content with a block of 512 zeros in the tensors."""
    start = 8 + int.from_bytes(content[:8], "little") + 64
    return content[:start] + bytes(min(512, len(content) - start)) + content[start + 512 :]


def flipped(content: bytes) -> bytes:
    """The content with the last bit of the last byte inverted."""
    return content[:-1] + bytes([content[-1] ^ 1])


def renamed_key(content: bytes) -> bytes:
    """The content with another digit in the first key of the header."""
    at = content.index(b'\\"keys\\": [\\"') + 14
    return content[:at] + (b"0" if content[at : at + 1] != b"0" else b"1") + content[at + 1 :]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


DAMAGES = [zeroed, flipped, renamed_key, halved]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 20, kinds=4)


@pytest.fixture(scope="module")
def undamaged(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which all pipelines of this file were evaluated."""
    cache = tmp_path_factory.mktemp("undamaged")
    bench = opened(photos, cache)
    for pipeline in (MAPS, WORDS):
        bench.evaluate(pipeline)
    return cache


@pytest.fixture
def cache(undamaged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undamaged, tmp_path / "cache"))


def stored(cache: Path, kind: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted((cache / kind).rglob("*.safetensors"))}


def same_numbers(bench: Bench, other: Bench, pipeline: str) -> list[str]:
    """Compare all scores with those of another bench; returns the warnings of the evaluation."""
    evaluation, expected = bench.evaluate(pipeline), other.evaluate(pipeline)
    assert evaluation.mean_ap == expected.mean_ap
    assert evaluation.rankings.equals(expected.rankings)
    return evaluation.warnings


@pytest.mark.parametrize(
    ("kind", "pipeline", "note", "damage"),
    [
        *(("maps", MAPS, "feature maps", damage) for damage in DAMAGES),
        *(("local", WORDS, "local features", damage) for damage in DAMAGES),
        # visual words name no keys
        *(("words", WORDS, "visual words", damage) for damage in DAMAGES if damage is not renamed_key),
    ],
)
def test_a_damaged_file_is_computed_again(
    kind: str, pipeline: str, note: str, damage: Damage, photos: Path, undamaged: Path, cache: Path
) -> None:
    before = stored(cache, kind)
    path = next(iter(before))
    path.write_bytes(damage(before[path]))
    if kind == "local":  # otherwise only the words are read
        shutil.rmtree(cache / "words")
    if kind == "maps":  # otherwise only the descriptors are read
        shutil.rmtree(cache / "descriptors")
    warnings = same_numbers(opened(photos, cache), opened(photos, undamaged), pipeline)
    assert [warning for warning in warnings if note in warning and "damaged" in warning]
    after = stored(cache, kind)
    if damage is not renamed_key:
        assert after == before
    warnings = opened(photos, cache).evaluate(pipeline).warnings
    assert not [warning for warning in warnings if "damaged" in warning]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_damaged_under_a_running_bench_is_computed_again(
    damage: Damage, photos: Path, undamaged: Path, cache: Path
) -> None:
    bench, other = opened(photos, cache), opened(photos, undamaged)
    first, second, *_ = bench.collection.images
    bench.evaluate(MAPS)
    for path, content in stored(cache, "maps").items():
        path.write_bytes(damage(content))
    why, expected = (opened.explain(first, second, pipeline=MAPS) for opened in (bench, other))
    assert why.score == expected.score
    assert np.array_equal(why.image_heatmap, expected.image_heatmap)
    warnings = same_numbers(bench, other, f"{NETWORK}/mean/whole")
    assert [warning for warning in warnings if "damaged" in warning]


def test_a_deleted_store_under_a_running_bench_is_computed_again(photos: Path, cache: Path) -> None:
    bench = opened(photos, cache)
    first, second, *_ = bench.collection.images
    expected = bench.explain(first, second, pipeline=MAPS).score
    shutil.rmtree(cache / "maps")
    assert bench.explain(first, second, pipeline=MAPS).score == expected
    assert stored(cache, "maps")


def test_a_file_without_checksum_of_an_earlier_version_is_read(cache: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    from workbench.features.map_store import MapStore

    path = next(iter(stored(cache, "maps")))
    with safe_open(path, framework="pt") as file:
        maps, batch = file.get_tensor("maps"), file.metadata()["batch"]
    save_file({"maps": maps}, path, {"batch": batch})
    store = MapStore(path.parent)
    assert store.damaged == set()
    assert b"checksum" not in path.read_bytes()[:40]


def test_a_damaged_map_of_a_changed_image_is_reported(photos: Path, cache: Path, tmp_path: Path) -> None:
    """Without the picture it was made of, a map cannot be computed again."""
    copied = Path(shutil.copytree(photos, tmp_path / "copied"))
    bench = opened(copied, cache)
    described = bench.engine.describe(Config.parse(MAPS))
    for path in stored(cache, "maps"):
        path.unlink()
    shutil.rmtree(copied)
    with pytest.raises(WorkbenchError, match="missing or damaged; run again"):
        described.maps(0)


def test_thumbnails_and_rankings_are_verified(photos: Path, cache: Path) -> None:
    bench = opened(photos, cache)
    image = bench.collection.images[0]
    picture = bench.thumbnail(image)
    for path in (cache / "thumbnails").rglob("*.jpg"):
        path.write_bytes(bytes(200) + path.read_bytes()[200:])
    fresh = opened(photos, cache / ".." / "cache")  # as in another process
    assert fresh.thumbnail(image) == picture
    run = runs.load(cache, str(bench.runs()["id"][0]))
    rankings = cache / "runs" / "rankings" / f"{run.id}.parquet"
    content = rankings.read_bytes()
    middle = len(content) // 3
    rankings.write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        runs.load_rankings(cache, run)


@pytest.mark.parametrize("damage", [zeroed, flipped, halved])
def test_damaged_weights_are_refused(damage: Damage, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "whitening.safetensors"
    Whitening.fit(rng.normal(size=(30, 8)), 4).save(path)
    assert Whitening.load(path).dimensions == 4
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WorkbenchError, match=r"checksum is wrong.*fit it again"):
        Whitening.load(path)
