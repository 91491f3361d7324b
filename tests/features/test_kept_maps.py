"""The option ``maps``: vectors without maps, or maps up to a limit, give the same numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.support.benches import opened
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features import models, passing_maps
from workbench.features.map_limit import delete_oldest

PIPELINES = [f"{NETWORK}/max/rmac:2/pcaw:4", f"{NETWORK}/gem:3/whole/scales:2"]
NOTE = "kept on disk"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 30, [(128, 96), (64, 96)], kinds=3)


def stored_bytes(cache: Path) -> int:
    return sum(path.stat().st_size for path in (cache / "maps").rglob("*.safetensors"))


def test_without_maps_the_numbers_and_explanations_are_the_same(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_maps, "TOGETHER", 10)
    whole, bare = opened(photos, tmp_path / "all"), opened(photos, tmp_path / "none", maps="none")
    first, second, *_ = whole.collection.images
    for pipeline in PIPELINES:
        expected, evaluation = whole.evaluate(pipeline), bare.evaluate(pipeline)
        assert evaluation.mean_ap == expected.mean_ap
        assert np.allclose(evaluation.rankings["score"], expected.rankings["score"], atol=1e-5)
        assert [w for w in evaluation.warnings if NOTE in w and "--maps none" in w]
        assert not [w for w in expected.warnings if NOTE in w]
    why, expected_why = (bench.explain(first, second, pipeline=PIPELINES[0]) for bench in (bare, whole))
    assert np.allclose(why.image_heatmap, expected_why.image_heatmap, atol=1e-5)
    assert not stored_bytes(tmp_path / "none") and stored_bytes(tmp_path / "all")


def test_described_once_no_network_is_needed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = opened(photos, tmp_path, maps="none").evaluate(PIPELINES[0])
    monkeypatch.setattr(models, "load_network", lambda *_: pytest.fail("the network was built"))
    again = opened(photos, tmp_path, maps="none").evaluate(PIPELINES[0])
    assert again.rankings.equals(expected.rankings)


def test_a_picture_that_cannot_be_decoded_moves_to_the_report(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 12, [(128, 96)], kinds=3)
    damaged = sorted(photos.rglob("*.jpg"))[4]
    damaged.write_bytes(damaged.read_bytes()[:-300])
    bare, whole = opened(photos, tmp_path / "none", maps="none"), opened(photos, tmp_path / "all")
    first, second = bare.evaluate(PIPELINES[0]), whole.evaluate(PIPELINES[0])
    assert bare.collection.problems == whole.collection.problems and len(bare.collection.problems) == 1
    assert first.mean_ap == second.mean_ap
    again = opened(photos, tmp_path / "none", maps="none")
    assert again.evaluate(f"{NETWORK}/mean/whole").mean_ap and len(again.collection.problems) == 1


def test_the_work_can_be_cancelled(photos: Path, tmp_path: Path) -> None:
    def cancel(task: str, done: int, total: int) -> None:
        if "not stored" in task and done > 8:
            assert total == 30
            raise Cancelled

    bench = opened(photos, tmp_path, maps="none")
    with pytest.raises(Cancelled):
        bench.evaluate(PIPELINES[0], progress=cancel)
    assert bench.evaluate(PIPELINES[0]).mean_ap > 0


def test_maps_up_to_a_limit(photos: Path, tmp_path: Path) -> None:
    expected = opened(photos, tmp_path).evaluate(PIPELINES[0])
    complete = stored_bytes(tmp_path)
    limit = 0.4 * complete
    bench = opened(photos, tmp_path, maps=f"lru:{limit / 1e6:.6f}MB")
    other = bench.evaluate(f"{NETWORK}/mean/whole")
    assert stored_bytes(tmp_path) <= limit and [w for w in other.warnings if NOTE in w and "lru" in w]
    assert bench.evaluate(PIPELINES[0]).rankings.equals(expected.rankings)
    first, second, *_ = bench.collection.images
    assert bench.explain(first, second, pipeline=PIPELINES[0]).score
    assert opened(photos, tmp_path).evaluate(f"{NETWORK}/mean/whole").mean_ap == other.mean_ap


def test_the_store_used_least_recently_is_deleted_first(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "new")):
        (tmp_path / name).mkdir()
        for file in ("a.safetensors", "b.pack", "packs.index", ".used"):
            (tmp_path / name / file).write_bytes(bytes(100))
            os.utime(tmp_path / name / file, (number, number))
    delete_oldest(tmp_path, 250)
    assert [len(list((tmp_path / name).glob("?.*"))) for name in ("old", "new")] == [0, 2]
    delete_oldest(tmp_path / "missing", 0)


@pytest.mark.parametrize("maps", ["some", "lru", "lru:20", "lru:x", "lru:-1GB", "", 3, None])
def test_an_unknown_choice_is_refused(maps: object) -> None:
    with pytest.raises(WorkbenchError, match="valid: all, none, or a limit such as lru:20GB"):
        Options(maps=maps)  # type: ignore[arg-type]
    assert Options(maps="lru:1.5TB").map_bytes == 1_500_000_000_000 and Options().map_bytes is None
