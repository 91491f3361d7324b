"""Sweeps over the fields of a template on a small collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.evaluation.intervals import mean_interval
from workbench.report.summaries import summary

TEMPLATE = f"{NETWORK}/gem:{{p}}/whole/pca:{{d}}"


@pytest.fixture(scope="module")
def bench(bench24: Bench) -> Bench:
    return bench24


def test_every_combination_is_evaluated_and_has_a_row(bench: Bench) -> None:
    swept = bench.studies.sweep(TEMPLATE, p=[1, 3], d=["", 4])
    pipelines = [f"{NETWORK}/gem:{p}/whole{step}" for p in (1, 3) for step in ("", "/pca:4")]
    table = swept.table
    assert table["pipeline"].to_list() == pipelines
    assert table["p"].to_list() == [1, 1, 3, 3] and table["d"].to_list() == ["", 4, "", 4]
    evaluations = [bench.evaluate(pipeline, localise=False) for pipeline in pipelines]
    assert table["mean_ap"].to_list() == table["mAP"].to_list() == [e.mean_ap for e in evaluations]
    assert (table["low"][1], table["high"][1]) == mean_interval(evaluations[1].per_query["ap"])
    assert table["bytes"][1] == 4 * 4 and (table["milliseconds"] > 0).all()
    assert swept.comparison.difference(0, 1) == bench.compare(pipelines[:2]).difference(0, 1)
    assert swept.left_out == {} and pipelines[0] in repr(swept)
    assert [trace.y[0] for trace in swept.figure(measure="bytes").data] == [table["bytes"][0], 16]
    html = summary(swept)
    assert "gem:{p}" in html and "<script" not in html and f"{100 * table['mean_ap'][2]:.1f}" in html


def test_what_has_no_meaning_or_cannot_be_evaluated_is_left_out(bench: Bench) -> None:
    template = f"{NETWORK}/{{pooling}}/{{regions}}/pq:{{m}}"
    swept = bench.studies.sweep(template, pooling=["max", "code"], regions=["rmac:2"], m=[4, 7])
    assert swept.table["m"].to_list() == [4]
    assert "valid: whole" in swept.left_out[f"{NETWORK}/code/rmac:2/pq:4"]
    assert "do not divide" in swept.left_out[f"{NETWORK}/max/rmac:2/pq:7"]
    assert "pq:7" in summary(swept)


def test_cancel_keeps_what_is_finished_and_a_repeated_call_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: list[str] = []
    evaluate = bench.evaluate

    def counted(pipeline: str, **options: Any) -> Any:
        evaluation = evaluate(pipeline, **options)
        finished.append(pipeline)
        return evaluation

    monkeypatch.setattr(bench.studies, "_evaluate", counted)
    tasks: list[str] = []

    def stop(task: str, done: int, total: int) -> None:
        tasks.append(task)
        if task.startswith("3 of 3"):
            raise Cancelled

    powers = [1.5, 2.5, 3.5]
    with pytest.raises(Cancelled):
        bench.studies.sweep(f"{NETWORK}/gem:{{p}}/whole", p=powers, progress=stop)
    assert finished == [f"{NETWORK}/gem:{p}/whole" for p in powers[:2]]
    assert tasks[0].startswith("1 of 3 pipelines: ")
    first = evaluate(finished[0], localise=False)
    swept = bench.studies.sweep(f"{NETWORK}/gem:{{p}}/whole", p=powers)
    assert len(swept.evaluations) == 3 and swept.evaluations[0] is first


@pytest.mark.parametrize(
    ("template", "values", "reason"),
    [
        ("{pooling}", {"pooling": ["max"]}, "gives no valid pipeline: pipeline 'max' is incomplete"),
        (f"{NETWORK}/code/{{regions}}", {"regions": ["rmac:2"]}, "gives no valid pipeline: regions rmac:2"),
        (f"{NETWORK}/gem:{{low}}/whole", {"low": [1]}, "the results use this name"),
        (f"{NETWORK}/gem:{{progress}}/whole", {}, "the results use this name"),
        (f"{NETWORK}/gem:{{p}}/whole", {}, "has no values"),
    ],
)
def test_wrong_sweeps_are_named(bench: Bench, template: str, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(wb.WorkbenchError, match=reason):
        bench.studies.sweep(template, **values)


def test_sweep_needs_ground_truth(tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "photos", 3), labels="none", cache=tmp_path / "cache")
    with pytest.raises(wb.WorkbenchError, match="no ground truth"):
        bench.studies.sweep(f"{NETWORK}/gem:{{p}}/whole", p=[1])
