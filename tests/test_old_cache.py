"""A cache written by version 0.1.0 of November 2026 (``tests/data/make_old_cache.py``) can still be read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import pytest

import workbench
from tests.data.make_old_cache import CHANGED, FOLDER, LOCAL, NETWORK, PIPELINE
from workbench.bench.bench import Bench
from workbench.features import models
from workbench.learning.registry import trainings
from workbench.runs import presets, store

EXPECTED = json.loads((FOLDER / "expected.json").read_text())
WHITENED, ATTENDED = f"{PIPELINE}/pcaw:4:white", f"{PIPELINE}/attention:seer"
PIPELINES = [PIPELINE, WHITENED, ATTENDED, LOCAL]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of photos and cache; the modification time of each photo is part of its fingerprint."""
    folder = shutil.copytree(FOLDER, tmp_path / "old")
    for path in (folder / "photos").rglob("*.jpg"):
        os.utime(path, ns=(CHANGED, CHANGED))
    return folder


@pytest.fixture
def bench(folder: Path) -> Bench:
    return workbench.open(
        folder / "photos",
        "folders",
        size=96,
        resize="cells",  # the only way of that version
        device="cpu",
        precision="float32",
        cache=folder / "cache",
    )


def stored(folder: Path) -> dict[str, bytes]:
    """Return the files of the stores of maps, local features and words, without locks, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("maps", "local", "words")
        for path in (folder / "cache" / name).rglob("*.safetensors")
    }


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_stored_maps_and_features_are_used(
    pipeline: str, bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pipeline == LOCAL and cv2.__version__ != EXPECTED["opencv"]:
        pytest.skip("SIFT features of another version of OpenCV are extracted again")

    def refuse(*args: object) -> None:
        raise AssertionError("the network was built")

    monkeypatch.setattr(models, "load_network", refuse)
    before, messages = stored(folder), []

    def progress(message: str, done: int, total: int) -> None:
        messages.append(message)

    evaluation = bench.evaluate(pipeline, progress=progress)
    query = bench.collection.images[0]
    ranking = bench.search(query, pipeline=pipeline, k=None)
    assert evaluation.mean_ap == pytest.approx(EXPECTED[pipeline]["mean_ap"])
    assert dict(zip(ranking["image_id"], ranking["score"], strict=True)) == pytest.approx(
        EXPECTED[pipeline]["ranking"], abs=1e-4
    )
    assert not [message for message in messages if message.startswith("extracting")]
    assert stored(folder) == before


def test_modified_photo_is_extracted_again(bench: Bench, folder: Path) -> None:
    """A modified photo is extracted again and adds a file, so the comparison above can fail."""
    before = stored(folder)
    changed = bench.collection.path(bench.collection.images[0])
    os.utime(changed, ns=(CHANGED + 1, CHANGED + 1))
    bench.evaluate(PIPELINE)
    after = stored(folder)
    assert before.items() < after.items() and len(after) == len(before) + 1


def test_runs_and_their_rankings_are_listed(bench: Bench, folder: Path) -> None:
    table = bench.runs()
    assert table["id"].to_list() == EXPECTED["runs"]
    assert sorted(table["pipeline"]) == sorted(PIPELINES)
    for name, pipeline, mean_ap in zip(table["id"], table["pipeline"], table["mean_ap"], strict=True):
        assert mean_ap == pytest.approx(EXPECTED[pipeline]["mean_ap"])
        run = store.load(folder / "cache", name)
        rankings = store.load_rankings(folder / "cache", run)
        first = rankings[rankings["query"] == bench.collection.images[0]]
        assert dict(zip(first["image_id"], first["score"], strict=True)) == pytest.approx(
            EXPECTED[pipeline]["ranking"]
        )
        assert run.provenance["size"] == 96 and len(run.per_query) == len(bench.collection.images)


def test_old_run_can_be_compared_with_a_new_one(bench: Bench, folder: Path) -> None:
    cache = folder / "cache"
    old = bench.runs()
    bench.evaluate(f"{NETWORK}/mean/whole")
    new = str(bench.runs().loc[0, "id"])
    (before,) = old[old["pipeline"] == PIPELINE]["id"]
    difference = store.diff(store.load(cache, str(before)), store.load(cache, new))
    assert difference.a.fingerprint == difference.b.fingerprint  # the same collection
    assert "pipeline" in difference.provenance["what"].to_list()


def test_favourite_and_trained_files_are_listed(folder: Path) -> None:
    assert presets.named_pipelines(folder / "cache")["My own"] == PIPELINE
    trained = trainings(folder / "cache")["seer"]
    assert trained.usable and trained.kind == "attention" and trained.base == NETWORK
    assert trained.pipelines[1] == f"{NETWORK}/max/rmac:1/attention:seer"
