"""The report file: a complete page without active content for any names of images."""

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
    """Parse a page to its elements with attributes, and its text."""

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
    """Three kinds of pictures in a folder whose name is HTML; three names have active content."""
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


def test_the_page_has_no_active_content_and_no_external_resources(page: Page) -> None:
    assert {tag for tag, _ in page.elements} <= ALLOWED
    for tag, attributes in page.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("href", "srcdoc", "action")
        ]
        assert attributes.get("src", "data:image/") is not None
        assert str(attributes.get("src", "data:image/")).startswith("data:image/"), tag
    (policy,) = [element["content"] for element in page.all("meta") if "http-equiv" in element]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_names_of_images_are_escaped(page: Page, folder: Path) -> None:
    shown = {str(element.get("title", "")) for element in page.all("figure")}
    for seed, name in enumerate(NAMES):
        image = f"kind{seed}/{name.replace('/', '⧸')}"
        assert any(title.startswith(f"{image} (") for title in shown)
    assert folder.name in page.text and all(element.get("alt") is not None for element in page.all("img"))


def test_the_page_has_the_numbers_and_warnings_of_the_evaluations(page: Page, bench: Bench) -> None:
    whole, regional = bench.evaluate(WHOLE), bench.evaluate(REGIONS)
    for evaluation in (whole, regional):
        assert f"{100 * evaluation.mean_ap:.1f}" in page.text
        assert evaluation.pipeline in page.text
        for warning in evaluation.warnings:
            assert warning in page.text
    assert "was never trained" in page.text and "pcaw was fitted on the evaluated collection" in page.text
    assert f"Compared with A: {bench.compare([WHOLE, REGIONS]).difference(0, 1).sentence('B')}." in page.text
    assert whole.provenance["weights"] in page.text and whole.provenance["versions"]["torch"] in page.text
    assert len(page.all("polyline")) == 2  # a pipeline that is given twice is evaluated once


def test_the_command_of_the_page_names_the_distractors(folder: Path, tmp_path: Path) -> None:
    bench = wb.open(folder, labels="folders", cache=tmp_path, size=64, distractors="synthetic:20")
    assert "--distractors synthetic:20</code>" in report_page.page(bench, [WHOLE])


def test_the_page_shows_rankings_with_relevance_and_explanations(page: Page, bench: Bench) -> None:
    figures = [element for element in page.all("figure") if element.get("title")]
    sections = len(page.all("section"))
    assert 3 <= sections <= 5
    assert len(figures) == sections * 2 * 10
    ranking = bench.search(
        chosen := next(iter(chosen_queries(bench.compare([WHOLE, REGIONS]).per_query))), pipeline=WHOLE, k=10
    )
    expected = [f"{row.image_id} ({row.relevance})" for row in ranking.itertuples()]
    assert [element["title"] for element in figures[:10]] == expected, chosen
    marks = {
        "right" if "(positive)" in str(figure["title"]) else str(figure["class"])
        for figure in figures
        if figure["class"]
    }
    assert marks == {"right", "wrong"}
    assert page.text.count("ranks a right result at ") >= 1
    assert page.text.count("ranks a wrong result at ") >= 1
    for element in page.all("img"):
        data = base64.b64decode(str(element["src"]).split(",")[1])
        assert data.startswith((b"\xff\xd8", b"\x89PNG"))


def test_a_missing_image_is_reported_at_its_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = folder_of(tmp_path / "photos", 6, kinds=2)
    bench = opened(photos, tmp_path / "cache")
    evaluation = bench.evaluate(WHOLE)
    query = evaluation.per_query["query"][0]
    aps = bench.compare([WHOLE]).per_query
    assert "missing" not in section(bench, query, "why", aps, silent)
    ranking = bench.search(query, pipeline=WHOLE)
    monkeypatch.setattr(bench, "search", lambda *_, **__: ranking)  # the file is deleted after the search
    (photos / query).unlink()
    text = section(bench, query, "why", aps, silent)
    assert (
        text.count(f"image &#x27;{query}&#x27;: the file is missing") >= 2
    )  # the query and the first result


def test_a_collection_without_ground_truth_is_refused(folder: Path, tmp_path: Path) -> None:
    bench = wb.open(folder, cache=tmp_path, size=128)
    with pytest.raises(WorkbenchError, match="no ground truth"):
        report_page.write_report(bench, [WHOLE], tmp_path / "report.html")
    with pytest.raises(WorkbenchError, match="needs a pipeline"):
        report_page.page(bench, [])
    assert not (tmp_path / "report.html").exists()


def test_a_file_that_cannot_be_written_is_reported(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"'.*/nowhere/report\.html' cannot be written"):
        report_page.write_report(bench, [WHOLE], tmp_path / "nowhere" / "report.html")


def test_chosen_queries_differ_most_or_are_hardest() -> None:
    aps = pd.DataFrame(
        {"a": [0.1, 0.2, 0.5, 0.9, 0.8, np.nan], "b": [0.1, 0.3, 0.5, 0.9, 0.1, np.nan]}, index=[*"uvwxyz"]
    )
    chosen = chosen_queries(aps)
    assert [*chosen] == [
        "y",
        "v",
        "u",
    ]  # differences of 0.7 and 0.1, then the lowest; y is also in the middle
    assert chosen["y"] == "the pipelines differ most; in the middle"
    assert chosen["v"] == "the pipelines differ most; among the hardest"
    assert [*chosen_queries(aps[["a"]])] == ["u", "v", "w"]
    assert chosen_queries(aps[5:]) == {}


def test_charts_draw_values_at_their_positions() -> None:
    chart = query_chart(pd.DataFrame({"<p>": [0.0, 1.0], "q": [1.0, np.nan]}, index=["<i>", "k"]))
    assert "<i>" not in chart and "&lt;i&gt;" in chart and "<p>" not in chart
    discs = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart)
    assert [float(y) for _, y in discs] == [
        12,
        256,
    ]  # the better query first, AP 1 at the top and 0 at the bottom
    assert len(re.findall("<rect", chart)) == 1  # no mark without an AP
    many = query_chart(pd.DataFrame({"a": np.linspace(0, 1, 5 * MOST)}))
    assert many.count("<circle") == MOST
    curves = curve_chart({"a": np.linspace(1, 0, 101), "b": np.full(101, np.nan)})
    points = re.findall(r'points="([^"]*)"', curves)
    assert points[0].startswith("52.0,12.0 ") and points[0].endswith(",296.0") and points[1] == ""


def test_the_report_and_runs_commands(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--cache", str(tmp_path / "cache")])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    out = tmp_path / "report.html"
    common = (str(folder), WHOLE, REGIONS, "--labels", "folders", "--size", "128", "--precision", "float32")
    status, output, _ = run("report", *common, "--out", str(out))
    assert (status, output) == (0, f"written to {out}\n")
    assert 10_000 < out.stat().st_size < 10_000_000
    assert [file.name for file in tmp_path.glob(".*")] == []
    status, _, output = run("report", *common, "--out", str(tmp_path / "no" / "report.html"))
    assert status == 2 and "does not exist; create it first" in output
    status, output, _ = run("runs")
    assert status == 0 and WHOLE in output and REGIONS in output
    status, output, _ = run("runs", "--json")
    b, a = json.loads(output)
    assert (a["pipeline"], b["pipeline"]) == (WHOLE, REGIONS)
    status, output, _ = run("runs", "nowhere", "--json")
    assert json.loads(output) == []
    status, output, _ = run("runs", "--diff", a["id"][:8], b["id"])
    assert status == 0 and "is better on" in output and REGIONS in output
    status, output, _ = run("runs", "--diff", a["id"], b["id"], "--json")
    difference = json.loads(output)
    (headline,) = [row for row in difference["metrics"] if row["measure"] == "mAP"]
    assert headline["difference"] == pytest.approx(b["mean_ap"] - a["mean_ap"])
    status, _, output = run("runs", "--diff", a["id"], "zzz")
    assert status == 2 and "'zzz' is not known" in output
