"""Evaluations and comparisons as HTML and as text: their numbers, notes once, and names as text."""

from __future__ import annotations

from math import nan

import pytest

from tests.support.evaluations import evaluation_of
from workbench.evaluation.comparison import Comparison
from workbench.report.summaries import summary

MAX, MEAN = "efficientnet_lite0/max/rmac:2", "efficientnet_lite0/mean/whole"
HOSTILE = "file:<script>/a.pth/max/whole"


def test_summary_of_an_evaluation_has_numbers_protocol_notes_and_costs() -> None:
    notes = ["whitening was fitted on <b>", "whitening was fitted on <b>"]
    evaluation = evaluation_of(MAX, [0.5, 0.75, nan], protocol="revisited", warnings=notes)
    html = summary(evaluation)
    assert "mAP medium 62.5 · easy 62.5 · hard 31.2 · 2 of 3 queries" in html
    assert "Revisited Oxford and Paris" in html and "trapezoid" in html
    assert "5,120 bytes an image" in html and "1.25 ms a query" in html
    assert html.count("whitening was fitted on &lt;b&gt;") == 1 and "<b>" not in html
    assert evaluation._repr_html_() == html


def test_text_of_an_evaluation_is_a_few_lines() -> None:
    notes = [f"note {number} " + "long " * 100 for number in range(6)]
    evaluation = evaluation_of(MAX + "\x1b[2J", [0.5, 0.75], warnings=notes)
    lines = repr(evaluation).split("\n")
    assert lines[0] == f"{MAX}\\x1b[2J on photos"
    assert lines[1] == "mAP 62.5 · 2 of 2 queries"
    assert lines[-1] == "⚠ 3 more in .warnings"
    assert len(lines) == 7 and max(map(len, lines)) < 120
    nothing = evaluation_of(MAX, [nan], protocol="ukbench")
    assert "N-S – of 4" in repr(nothing)


def test_summary_of_a_comparison_has_titles_units_and_the_best_in_bold() -> None:
    shared, own = "semi-synthetic: <i>", "random weights"
    first = evaluation_of(MAX, {"x": 0.25, "y": nan}, warnings=[shared])
    second = evaluation_of(HOSTILE, {"x": 0.5, "y": nan}, warnings=[shared, own])
    comparison = Comparison([first, second])
    html = summary(comparison)
    assert ">mAP, %<" in html and ">25.0<" in html and "<strong>50.0</strong>" in html
    assert ">1 of 2<" in html and ">5,120<" in html and ">1.25<" in html
    assert html.count("semi-synthetic: &lt;i&gt;") == 1
    assert "⚠ B: random weights" in html and "Compared with pipeline A:" in html
    assert html.count(">file:&lt;script&gt;/<wbr>a.pth/<wbr>max/<wbr>whole<") == 1
    assert (
        "Pipeline B: +25.0 mAP (one query: no interval); higher on 1 query, lower on 0, equal on 0<" in html
    )
    assert "<script>" not in html and "<i>" not in html and "nan" not in html
    assert repr(comparison) == f"Comparison of 2 pipelines by mAP, %\n 25.0  {MAX}\n 50.0  {HOSTILE}"


def test_summary_of_ukbench_has_the_score_with_two_digits() -> None:
    pair = [
        evaluation_of(p, [0.5, 0.6], protocol="ukbench", metrics={"N-S": score, "mP@10": 0.3})
        for p, score in ((MAX, 3.254), (MEAN, 3.246))
    ]
    html = summary(Comparison(pair))
    assert ">N-S of 4<" in html
    assert html.count("<strong>3.25</strong>") == 2  # equal with the digits shown
    assert html.count("<strong>30.0</strong>") == 2
    assert "N-S 3.25 of 4" in summary(pair[0])


@pytest.mark.parametrize("evaluations", [[], [evaluation_of(MAX, [nan])]])
def test_comparisons_without_numbers_are_shown(evaluations: list) -> None:
    html = summary(Comparison(evaluations))
    assert "nan" not in html and ("no pipeline" in html) == (not evaluations)
    assert repr(Comparison(evaluations)).startswith("Comparison of")


def test_pipelines_of_one_network_are_named_by_what_differs() -> None:
    names = [f"efficientnet_lite0/{rest}" for rest in ("max/whole", "mean/whole", "max/whole/pcaw:8")]
    notes = [["fitted"], [], ["fitted"]]
    evaluations = [evaluation_of(p, [0.2, 0.4], warnings=n) for p, n in zip(names, notes, strict=True)]
    html = summary(Comparison(evaluations))
    assert html.count("all pipelines begin with <code>efficientnet_lite0/</code>") == 1
    assert html.count(">max/<wbr>whole/<wbr>pcaw:8<") == 1 and html.count("title=") == 3
    assert "⚠ 1, 3: fitted" in html and "3: 0.0 mAP on average" in html
