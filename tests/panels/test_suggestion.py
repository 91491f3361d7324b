"""The button ``Suggest`` of the Configuration panel, without a browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.benches import opened
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.panels import Session
from workbench.panels.configuration import suggestion
from workbench.panels.configuration.panel import Configuration

BACKBONE = "efficientnet_lite0"


def test_suggested_pipeline_is_shown_and_used(bench48: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion, "SECONDS", 1.0)
    session = Session(bench48, pipeline=f"{BACKBONE}/mean/whole")
    view = Configuration(session).suggestion
    assert view.widget.layout.display == "none" and not view.ask.disabled
    view.ask.click()
    assert session.wait(60) and not session.failed
    assert view.suggestion is not None
    assert [line["text"] for line in view.text.lines] == [view.suggestion.message]
    assert view.widget.layout.display is None and view.use.layout.display is None
    view.use.click()
    assert session.pipeline == view.suggestion.pipeline
    assert view.use.layout.display == "none"  # it is the pipeline now
    session.pipeline = "alexnet@random/max/whole"
    assert view.text.lines == [] and view.widget.layout.display == "none"  # it was of another backbone
    session.cancel()
    assert session.wait(60)


def test_cancel_ends_it_within_half_a_second(bench48: Bench) -> None:
    session = Session(bench48, pipeline=f"{BACKBONE}/max/whole")
    view = Configuration(session).suggestion
    view.ask.click()
    end = time.monotonic() + 30
    while not any(job.what.startswith("trying") for job in session.jobs.values()):
        assert time.monotonic() < end, session.jobs
        time.sleep(0.01)
    assert view.ask.disabled
    began = time.monotonic()
    session.cancel()
    assert session.wait(5) and time.monotonic() - began < 0.5
    assert view.text.lines == [] and not view.ask.disabled
    assert session.message.startswith("Cancelled")


def test_button_says_what_is_missing(bench24: Bench, tmp_path: Path) -> None:
    bench = opened(folder_of(tmp_path / "photos", 4, kinds=2), tmp_path / "cache", labels="none")
    view = Configuration(Session(bench)).suggestion
    assert view.ask.disabled and "ground truth" in view.ask.tooltip
    words = Configuration(Session(bench24, pipeline="sift/bow:64/whole")).suggestion
    assert words.ask.disabled and "Keypoints" in words.ask.tooltip
