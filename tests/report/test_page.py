"""The report file: a complete page, in which no name is active content."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from tests.support.evaluations import evaluation_of
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, picture
from workbench.bench.bench import Bench
from workbench.cli.main import main
from workbench.common.progress import silent
from workbench.config.errors import WorkbenchError
from workbench.report import page as report_page
from workbench.report.frame import drawn, plotly_script
from workbench.report.queries import chosen_queries, section

NAMES = ("<img src=x onerror=alert(1)>.jpg", "\" onmouseover=\"alert(2)' x='.jpg", "</style><script>3.jpg")
WHOLE, REGIONS = f"{NETWORK}/max/whole", f"{NETWORK}/mean/rmac:2/pcaw:8"
ALLOWED = set(
    "html meta title style main h1 h2 h3 p span div table tr th td b code wbr svg rect text figure img "
    "figcaption section details summary dl dt dd br script noscript".split()
)


class Page(HTMLParser):
    """Parse a page to its elements with attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.cdata_elem == "script":
            self.scripts.append((data, self.elements[-1][1]))
        else:
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


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kaleido finds no browser."""
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent")


def test_the_page_has_no_active_content_and_no_external_resources(page: Page) -> None:
    assert {tag for tag, _ in page.elements} <= ALLOWED
    for tag, attributes in page.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("href", "srcdoc", "action")
        ]
        assert attributes.get("src", "data:image/") is not None
        assert str(attributes.get("src", "data:image/")).startswith("data:image/"), tag
    (policy,) = [element["content"] for element in page.all("meta") if "http-equiv" in element]
    assert str(policy).startswith("default-src 'none'; ") and "script-src 'sha256-" in str(policy)
    assert "unsafe-eval" not in str(policy) and "http" not in str(policy)


def test_only_two_scripts_run_and_data_cannot_end_its_element(page: Page) -> None:
    (policy,) = [str(element["content"]) for element in page.all("meta") if "http-equiv" in element]
    scripts = [text for text, attributes in page.scripts if attributes.get("type") != "application/json"]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.findall(r"'sha256-(.*?)'", policy) == hashes and len(scripts) == 2
    assert scripts[0] == plotly_script()  # once
    data = [text for text, attributes in page.scripts if attributes.get("type") == "application/json"]
    assert all(not set(text) & set("<>&\u2028\u2029") for text in data)
    titles = [json.loads(text)["layout"]["title"]["text"] for text in data[:-1]]
    assert titles[0] == "mAP of each pipeline" and titles[-1] == "Precision over recall"
    assert set(json.loads(data[-1])) == {"light", "dark", "above"}


def test_a_static_page_has_pictures_in_place_of_scripts(bench: Bench, no_browser: None) -> None:
    page = Page(report_page.page(bench, [WHOLE, REGIONS], static=True))
    assert {tag for tag, _ in page.elements} <= ALLOWED - {"script", "noscript"}
    (policy,) = [str(element["content"]) for element in page.all("meta") if "http-equiv" in element]
    assert "script" not in policy
    for scheme in ("light", "dark"):
        images = [element for element in page.all("img") if element.get("class") == scheme]
        assert [image["alt"] for image in images][::2] == ["mAP of each pipeline", "Precision over recall"]
        assert all(str(image["src"]).startswith("data:image/svg+xml;base64,") for image in images)
    assert "n = 12 queries" in page.text and REGIONS in page.text


def test_a_page_of_many_pipelines_and_queries_stays_small() -> None:
    aps = np.random.default_rng(0).random((40, 10_000))
    name = "efficientnet_lite0/max/" + "/".join(["norm"] * 60) + "/pcaw:{}"
    evaluations = [evaluation_of(name.format(n), row) for n, row in enumerate(aps, start=8)]
    figures = report_page.figures(evaluations)
    assert len(figures) == 3
    assert sum(map(len, drawn(figures))) + len(plotly_script()) < 5_500_000


@pytest.mark.parametrize("aps", [{"q": 0.5}, {"q": np.nan}, {}])
@pytest.mark.parametrize("curves", [True, False])
def test_one_query_no_positives_or_no_curves_leave_sentences(
    aps: dict[str, float], curves: bool, no_browser: None
) -> None:
    evaluations = [evaluation_of(pipeline, aps) for pipeline in (WHOLE, REGIONS)]
    if not curves:
        for evaluation in evaluations:
            evaluation.curves.clear()
    figures = report_page.figures(evaluations)
    assert len(figures) == 2 + curves
    for block in (*drawn(figures), *drawn(figures, static=True)):
        assert block.startswith('<figure class="plot">') and "NaN" not in block


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
    assert page.text.count("bytes an image") == 1 and page.text.count("C: AP") == 0  # given twice, shown once


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
    assert status == 0 and "mAP on average" in output and REGIONS in output
    status, output, _ = run("runs", "--diff", a["id"], b["id"], "--json")
    difference = json.loads(output)
    (headline,) = [row for row in difference["metrics"] if row["measure"] == "mAP"]
    assert headline["difference"] == pytest.approx(b["mean_ap"] - a["mean_ap"])
    status, _, output = run("runs", "--diff", a["id"], "zzz")
    assert status == 2 and "'zzz' is not known" in output
