"""The history panel in JupyterLab, by mouse and by keyboard, and the page of its report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.lab import Lab
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import NAUGHTY, button, region

pytestmark = pytest.mark.browser
FIRST, SECOND = "efficientnet_lite0/max/rmac:2", "efficientnet_lite0/mean/whole"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the runs of this module only."""
    return tmp_path_factory.mktemp("cache")


def show_history(notebook: Notebook, folder: Path, cache: Path) -> tuple[Locator, Locator]:
    """Show the panel; return it and the rows of its table, which hold both evaluations."""
    before = f"_ = bench.evaluate({SECOND!r})"
    panel = notebook.show(folder, cache, "history_panel", before=before, pipeline=FIRST)
    rows = region(panel, "History").get_by_role("grid", name="Runs").locator("tbody tr")
    expect(rows).to_have_count(2, timeout=120_000)
    return panel, rows


def test_two_runs_are_compared_and_the_session_is_saved_and_opened(
    notebook: Notebook, lab: Lab, folder: Path, cache: Path
) -> None:
    page = notebook.page
    panel, rows = show_history(notebook, folder, cache)
    history, messages = region(panel, "History"), region(panel, "Messages")
    expect(rows.filter(has_text="of <b>mine")).to_have_count(2)
    # By mouse: two runs, and a query in the table of their differences.
    rows.filter(has_text=FIRST).click()
    expect(history).to_contain_text("24 images, 24 queries")
    rows.filter(has_text=SECOND).click()
    expect(history).to_contain_text(re.compile(r"B: .+ mAP on average .+; higher on \d+ quer"))
    queries = history.get_by_role("grid", name="AP of each query").locator("tbody tr")
    expect(queries).to_have_count(24)
    queries.filter(has_text=NAUGHTY).click()
    assert page.locator("img[src='x']").count() == 0
    assert serious(page, ".wb-panel") == []
    # By keyboard: save the session, reopen a run, open the saved session.
    cells = page.evaluate(CELLS)
    notebook.fill(history.get_by_label("Session file"), "work")
    page.keyboard.press("Enter")  # on the next button, Save session
    expect(messages).to_contain_text("The session is saved in work.json.")
    state = json.loads((lab.folder / "work.json").read_text())["state"]
    assert (state["pipeline"], state["query"]) == (FIRST, f"kind 0/{NAUGHTY}")
    rows.filter(has_text=FIRST).focus()
    page.keyboard.press("Enter")
    expect(button(history, "Reopen")).to_be_enabled()
    button(history, "Reopen").press("Enter")
    button(history, "Open session").press("Enter")
    expect(messages).to_contain_text("The session is as it was saved in work.json.")
    notebook.fill(history.get_by_label("Session file"), "missing.ipynb")
    button(history, "Open session").press("Enter")
    expect(messages.locator(".wb-error")).to_contain_text("missing.ipynb.json' does not exist")
    assert page.evaluate(CELLS) == cells


def test_report_is_saved_and_its_page_opens(
    notebook: Notebook, lab: Lab, page: Page, folder: Path, cache: Path
) -> None:
    panel, _ = show_history(notebook, folder, cache)
    history = region(panel, "History")
    notebook.fill(history.get_by_label("Report file"), "handed in")
    button(history, "Save report").click()
    expect(region(panel, "Messages")).to_contain_text("is saved in handed in.html", timeout=120_000)
    text = (lab.folder / "handed in.html").read_text()
    link = history.get_by_role("link", name="Open handed in.html in a new tab")
    with notebook.page.context.expect_page() as opened:
        link.press("Enter")
    report = opened.value
    expect(report.get_by_role("heading", level=1)).to_have_text("Image retrieval on of <b>mine")
    chart = report.locator(".chart").first
    chart.scroll_into_view_if_needed()
    expect(chart.locator(".main-svg").first).to_be_visible()
    chart.get_by_role("button", name="Zoom in").press("Enter")  # its script works
    report.wait_for_function("() => document.querySelector('.chart')._fullLayout.yaxis.range[1] !== 102")
    assert report.evaluate("window.opener") is None
    report.close()
    # Served from loopback, as the page may request nothing else.
    page.route("**/handed-in", lambda route: route.fulfill(body=text, content_type="text/html"))
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{lab.url}/handed-in")
        expect(page.get_by_role("heading", level=1)).to_have_text("Image retrieval on of <b>mine")
        page.locator("summary").first.click()
        pictures = page.locator("img").evaluate_all(
            "all => all.map((image) => image.complete && image.naturalWidth)"
        )
        assert len(pictures) > 20 and all(pictures)
        assert serious(page, "main") == []
    assert page.locator("img[src='x']").count() == 0
    assert page.locator(".chart .main-svg").count() > 0
