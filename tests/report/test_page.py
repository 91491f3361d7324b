"""The report file: one complete page without active content, whatever the names of the images."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, picture
from workbench.bench.bench import Bench
from workbench.cli.main import main
from workbench.common.progress import silent
from workbench.config.errors import WorkbenchError
from workbench.report import page as report_page
from workbench.report.charts import MOST, curve_chart, query_chart
from workbench.report.queries import chosen_queries, section

NAMES = ("<img src=x onerror=alert(1)>.jpg", "\" onmouseover=\"alert(2)' x='.jpg", "</style><script>3.jpg")
WHOLE, REGIONS = f"{NETWORK}/max/whole", f"{NETWORK}/mean/rmac:2/pcaw:8"
ALLOWED = set(
    "html meta title style main h1 h2 h3 p span div table tr th td b code wbr svg path circle rect polyline "
    "g text figure figcaption img section details summary dl dt dd br".split()
)


class Page(HTMLParser):
    """Elements with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def opened(folder: Path, cache: Path) -> Bench:
    return wb.open(folder, labels="folders", cache=cache, size=128, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three kinds of pictures in a folder whose name is HTML; three have names that try to break out."""
    root = folder_of(tmp_path_factory.mktemp("photos") / "<b>mine", 9, kinds=3)
    for seed, name in enumerate(NAMES):
        path = root / f"kind{seed}" / name.replace("/", "⧸")
        picture(60 + seed, kind=seed).save(path, "JPEG")
    return root


@pytest.fixture(scope="module")
def bench(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return opened(folder, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def page(bench: Bench) -> Page:
    return Page(report_page.page(bench, [WHOLE, REGIONS, WHOLE]))


def test_nothing_in_it_is_active_and_nothing_comes_from_outside(page: Page) -> None:
    assert {tag for tag, _ in page.elements} <= ALLOWED
    for tag, attributes in page.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("href", "srcdoc", "action")
        ]
        assert attributes.get("src", "data:image/") is not None
        assert str(attributes.get("src", "data:image/")).startswith("data:image/"), tag
    (policy,) = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_names_are_text(page: Page, folder: Path) -> None:
    shown = {str(one.get("title", "")) for one in page.all("figure")}
    for seed, name in enumerate(NAMES):
        image = f"kind{seed}/{name.replace('/', '⧸')}"
        assert any(title.startswith(f"{image} (") for title in shown)
    assert folder.name in page.text and all(one.get("alt") is not None for one in page.all("img"))


def test_it_has_the_numbers_of_the_evaluations(page: Page, bench: Bench) -> None:
    one, two = bench.evaluate(WHOLE), bench.evaluate(REGIONS)
    for evaluation in (one, two):
        assert f"{100 * evaluation.mean_ap:.1f}" in page.text
        assert evaluation.pipeline in page.text
        for warning in evaluation.warnings:
            assert warning in page.text
    assert "was never trained" in page.text and "pcaw was fitted on the evaluated collection" in page.text
    assert f"Compared with A: {bench.compare([WHOLE, REGIONS]).difference(0, 1).sentence('B')}." in page.text
    assert one.provenance["weights"] in page.text and one.provenance["versions"]["torch"] in page.text
    assert len(page.all("polyline")) == 2  # a pipeline named twice counts once


def test_the_command_names_the_distractors(folder: Path, tmp_path: Path) -> None:
    bench = wb.open(folder, labels="folders", cache=tmp_path, size=64, distractors="synthetic:20")
    assert "--distractors synthetic:20</code>" in report_page.page(bench, [WHOLE])


def test_it_shows_rankings_with_relevance_and_explanations(page: Page, bench: Bench) -> None:
    figures = [one for one in page.all("figure") if one.get("title")]
    sections = len(page.all("section"))
    assert 3 <= sections <= 5
    assert len(figures) == sections * 2 * 10
    ranking = bench.search(
        chosen := next(iter(chosen_queries(bench.compare([WHOLE, REGIONS]).per_query))), pipeline=WHOLE, k=10
    )
    expected = [f"{row.image_id} ({row.relevance})" for row in ranking.itertuples()]
    assert [one["title"] for one in figures[:10]] == expected, chosen
    wrong = {"right" if "(positive)" in str(f["title"]) else str(f["class"]) for f in figures if f["class"]}
    assert wrong == {"right", "wrong"}
    assert page.text.count("ranks a right result at ") >= 1
    assert page.text.count("ranks a wrong result at ") >= 1
    for one in page.all("img"):
        data = base64.b64decode(str(one["src"]).split(",")[1])
        assert data.startswith((b"\xff\xd8", b"\x89PNG"))


def test_an_image_that_is_gone_is_said_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = folder_of(tmp_path / "photos", 6, kinds=2)
    bench = opened(mine, tmp_path / "cache")
    evaluation = bench.evaluate(WHOLE)
    query = evaluation.per_query["query"][0]
    aps = bench.compare([WHOLE]).per_query
    assert "missing" not in section(bench, query, "why", aps, silent)
    ranking = bench.search(query, pipeline=WHOLE)
    monkeypatch.setattr(bench, "search", lambda *_, **__: ranking)  # the file goes after the search
    (mine / query).unlink()
    text = section(bench, query, "why", aps, silent)
    assert (
        text.count(f"image &#x27;{query}&#x27;: the file is missing") >= 2
    )  # the query and the first result


def test_without_ground_truth_there_is_no_report(folder: Path, tmp_path: Path) -> None:
    bench = wb.open(folder, cache=tmp_path, size=128)
    with pytest.raises(WorkbenchError, match="no ground truth"):
        report_page.write_report(bench, [WHOLE], tmp_path / "report.html")
    with pytest.raises(WorkbenchError, match="needs a pipeline"):
        report_page.page(bench, [])
    assert not (tmp_path / "report.html").exists()


def test_a_file_that_cannot_be_written_is_said(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"'.*/nowhere/report\.html' cannot be written"):
        report_page.write_report(bench, [WHOLE], tmp_path / "nowhere" / "report.html")


def test_the_queries_that_tell_most() -> None:
    aps = pd.DataFrame(
        {"a": [0.1, 0.2, 0.5, 0.9, 0.8, np.nan], "b": [0.1, 0.3, 0.5, 0.9, 0.1, np.nan]}, index=[*"uvwxyz"]
    )
    chosen = chosen_queries(aps)
    assert [*chosen] == [
        "y",
        "v",
        "u",
    ]  # 0.7 and 0.1 apart, the lowest; y is in the middle too
    assert chosen["y"] == "the pipelines differ most; in the middle"
    assert chosen["v"] == "the pipelines differ most; among the hardest"
    assert [*chosen_queries(aps[["a"]])] == ["u", "v", "w"]
    assert chosen_queries(aps[5:]) == {}


def test_charts_draw_where_the_numbers_are() -> None:
    chart = query_chart(pd.DataFrame({"<p>": [0.0, 1.0], "q": [1.0, np.nan]}, index=["<i>", "k"]))
    assert "<i>" not in chart and "&lt;i&gt;" in chart and "<p>" not in chart
    discs = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart)
    assert [float(y) for _, y in discs] == [12, 256]  # the better query first: at the top, then at the bottom
    assert len(re.findall("<rect", chart)) == 1  # no mark where there is no AP
    many = query_chart(pd.DataFrame({"a": np.linspace(0, 1, 5 * MOST)}))
    assert many.count("<circle") == MOST
    drawn = curve_chart({"a": np.linspace(1, 0, 101), "b": np.full(101, np.nan)})
    points = re.findall(r'points="([^"]*)"', drawn)
    assert points[0].startswith("52.0,12.0 ") and points[0].endswith(",296.0") and points[1] == ""


def test_the_commands(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--cache", str(tmp_path / "cache")])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    out = tmp_path / "report.html"
    common = (str(folder), WHOLE, REGIONS, "--labels", "folders", "--size", "128", "--precision", "float32")
    status, said, _ = run("report", *common, "--out", str(out))
    assert (status, said) == (0, f"written to {out}\n")
    assert 10_000 < out.stat().st_size < 10_000_000
    assert [file.name for file in tmp_path.glob(".*")] == []
    status, _, said = run("report", *common, "--out", str(tmp_path / "no" / "report.html"))
    assert status == 2 and "does not exist; create it first" in said
    status, said, _ = run("runs")
    assert status == 0 and WHOLE in said and REGIONS in said
    status, said, _ = run("runs", "--json")
    b, a = json.loads(said)
    assert (a["pipeline"], b["pipeline"]) == (WHOLE, REGIONS)
    status, said, _ = run("runs", "nowhere", "--json")
    assert json.loads(said) == []
    status, said, _ = run("runs", "--diff", a["id"][:8], b["id"])
    assert status == 0 and "is better on" in said and REGIONS in said
    status, said, _ = run("runs", "--diff", a["id"], b["id"], "--json")
    difference = json.loads(said)
    (headline,) = [row for row in difference["metrics"] if row["measure"] == "mAP"]
    assert headline["difference"] == pytest.approx(b["mean_ap"] - a["mean_ap"])
    status, _, said = run("runs", "--diff", a["id"], "zzz")
    assert status == 2 and "'zzz' is not known" in said
