"""Suggested pipelines: the halves, the time, the sentence, and the agreement with ``evaluate``."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.benches import opened
from tests.support.pictures import folder_of
from workbench.analysis import suggestion
from workbench.analysis.suggestion import halves
from workbench.bench.bench import Bench
from workbench.collections.collection import Collection, Query
from workbench.common.progress import Cancelled
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=40), st.integers(0, 3))
def test_halves_are_equal_in_each_label(labels: list[str], seed: int) -> None:
    images = [f"{number}.jpg" for number in range(len(labels))]
    queries = tuple(Query(image, image) for image in images)
    by_image = {image: label for image, label in zip(images, labels, strict=True) if label}
    collection = Collection("c", Path(), tuple(images), queries, labels=by_image)
    first, second = halves(collection, images, seed)
    assert first | second == set(images) and not first & second
    for label in {"", *labels}:
        group = {image for image, other in zip(images, labels, strict=True) if other == label}
        assert abs(len(first & group) - len(second & group)) <= 1
    assert halves(collection, images[::-1], seed) == (first, second)  # the order does not matter


def test_trial_of_all_pipelines_agrees_with_evaluate(bench48: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion, "POOLINGS", ("gem:3", "max"))
    result = bench48.suggest(seconds=60)
    table = result.table.set_index("pipeline")
    assert result.untried == 0 and "Pipelines tried: all 50." in result.message
    assert len(table) == len(set(table.index)) == 50
    assert result.default == bench48.default_pipeline in table.index
    assert table["mean_ap_choosing"].is_monotonic_decreasing
    assert result.best == table.index[0]
    assert (table["seconds"] > 0).all()
    judged = bench48.evaluate(bench48.default_pipeline).per_query.dropna(subset="ap")["query"]
    choosing, reporting = halves(bench48.collection, list(judged), bench48.options.seed)
    for pipeline in (result.best, result.default, table.index[len(table) // 2], table.index[-1]):
        aps = bench48.evaluate(pipeline, localise=False).per_query.set_index("query")["ap"]
        assert table["mean_ap_choosing"][pipeline] == pytest.approx(aps[list(choosing)].mean(), abs=1e-6)
        assert table["mean_ap_reporting"][pipeline] == pytest.approx(aps[list(reporting)].mean(), abs=1e-6)
    gain = table["mean_ap_reporting"][result.best] - table["mean_ap_reporting"][result.default]
    assert result.difference == pytest.approx(gain, abs=1e-12)
    low, high = result.interval
    assert low <= result.difference <= high
    # Only a difference whose interval lies above zero changes the pipeline.
    assert result.pipeline == (result.best if low > 0 else result.default)
    assert result.pipeline in result.message
    assert result.message in result._repr_html_().replace("&gt;", ">")


def test_nothing_is_better_than_the_best(bench48: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POOLINGS", "REGIONS", "WEIGHTINGS", "WHITENINGS"):
        default = Config.parse(bench48.default_pipeline)
        part = {"POOLINGS": str(default.pooling), "REGIONS": str(default.regions), "WEIGHTINGS": ""}
        whitening = "/".join(map(str, default.whitenings))
        monkeypatch.setattr(suggestion, name, (part.get(name, whitening),))
    result = bench48.suggest(seconds=60)
    assert result.pipeline == result.best == result.default == bench48.default_pipeline
    assert (result.difference, len(result.table)) == (0, 1)
    assert result.message.startswith("Nothing is better than the default")


def test_time_is_kept_and_said(bench48: Bench) -> None:
    bench48.evaluate(bench48.default_pipeline)
    began = time.monotonic()
    result = bench48.suggest(seconds=0.3)
    assert time.monotonic() - began < 2
    assert result.untried > 0
    assert f"of {len(result.table) + result.untried}; the time was over" in result.message
    assert result.default in set(result.table["pipeline"])


def test_search_begins_beside_the_best(bench48: Bench) -> None:
    """The first pipelines differ from the default only in their whitening."""
    tried: list[str] = []

    def progress(task: str, done: int, total: int) -> None:
        tried.append(task)

    result = bench48.suggest(seconds=0.3, progress=progress)
    default, few = Config.parse(result.default), result.table["pipeline"]
    nearest = [p for p in few if Config.parse(p).pooling == default.pooling]
    assert len(nearest) >= min(4, len(few))
    assert any(task.startswith(suggestion.WORK) for task in tried)


def test_cancel_ends_it(bench48: Bench) -> None:
    began = [0.0]

    def progress(task: str, done: int, total: int) -> None:
        if task.startswith(suggestion.WORK):
            began[0] = began[0] or time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        bench48.suggest(progress=progress)
    assert time.monotonic() - began[0] < 0.5


def test_few_queries_cannot_tell(tmp_path: Path) -> None:
    bench = opened(folder_of(tmp_path / "photos", 8, kinds=2), tmp_path / "cache")
    result = bench.suggest(seconds=5)
    assert "too few to tell" in result.message and "8 judged queries" in result.message
    assert result.pipeline == result.default == bench.default_pipeline
    assert len(result.table) == 1


def test_other_backbone_is_compared_with_its_own_default(bench24: Bench) -> None:
    result = bench24.suggest(seconds=0.5, backbone="alexnet@random")
    assert result.default.startswith("alexnet@random/")
    assert set(result.table["pipeline"].str.split("/").str[0]) == {"alexnet@random"}


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_time_must_be_positive(bench24: Bench, seconds: float) -> None:
    with pytest.raises(WorkbenchError, match="number above 0"):
        bench24.suggest(seconds=seconds)


def test_refused_without_ground_truth_or_maps(bench24: Bench, tmp_path: Path) -> None:
    bench = opened(folder_of(tmp_path / "photos", 4, kinds=2), tmp_path / "cache", labels="none")
    with pytest.raises(WorkbenchError, match="no ground truth"):
        bench.suggest()
    with pytest.raises(WorkbenchError, match="bow"):
        bench24.suggest(backbone="sift")
