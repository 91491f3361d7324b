"""The History panel in real JupyterLab, by mouse and by keyboard, and its report as a page of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.lab import Lab
from tests.browser.steps import CELLS, NAUGHTY, opening, photos, region

pytestmark = pytest.mark.browser
FIRST, SECOND = "efficientnet_lite0/max/rmac:2", "efficientnet_lite0/mean/whole"
SHOW = f"""from workbench.panels import Session
from workbench.panels.layout import history_panel
bench.evaluate({SECOND!r})
history_panel(bench, Session(bench, pipeline={FIRST!r}))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("photos") / "of <b>mine", labels=3, each=4, side=96)


def opened(lab: Lab, page: Page, folder: Path, cache: Path) -> tuple[Locator, Locator]:
    """The panel and the rows of its table, once both evaluations are in it."""
    panel = lab.run(page, lab.write("history.ipynb", opening(folder, cache), SHOW))
    rows = region(panel, "History").get_by_role("grid", name="Runs").locator("tbody tr")
    expect(rows).to_have_count(2, timeout=120_000)
    return panel, rows


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_runs_are_compared_and_the_session_is_saved_and_opened(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, tmp_path: Path
) -> None:
    lab = labs(subshells)
    panel, rows = opened(lab, page, folder, tmp_path)
    history, messages = region(panel, "History"), region(panel, "Messages")
    expect(rows.filter(has_text="of <b>mine")).to_have_count(2)
    # By mouse: two runs, their difference, and a query of it.
    rows.filter(has_text=FIRST).click()
    expect(history).to_contain_text("12 images, 12 queries")
    rows.filter(has_text=SECOND).click()
    expect(history).to_contain_text(re.compile(r"B is better on \d+ of 12 queries"))
    queries = history.get_by_role("grid", name="AP of each query").locator("tbody tr")
    expect(queries).to_have_count(12)
    queries.filter(has_text=NAUGHTY).click()
    assert page.locator("img[src='x']").count() == 0
    assert serious(page, ".wb-panel") == []
    # By keyboard: save, go elsewhere, come back.
    cells = page.evaluate(CELLS)
    history.get_by_label("Session file").fill("work")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(messages).to_contain_text("The session is saved in work.json.")
    state = json.loads((lab.folder / "work.json").read_text())["state"]
    assert (state["pipeline"], state["query"]) == (FIRST, f"kind 0/{NAUGHTY}")
    rows.filter(has_text=FIRST).focus()
    page.keyboard.press("Enter")
    expect(history.get_by_role("button", name="Reopen", exact=True)).to_be_enabled()
    history.get_by_role("button", name="Reopen", exact=True).press("Enter")
    history.get_by_role("button", name="Open session", exact=True).press("Enter")
    expect(messages).to_contain_text("The session is as it was saved in work.json.")
    history.get_by_label("Session file").fill("history.ipynb")
    history.get_by_role("button", name="Open session", exact=True).press("Enter")
    expect(messages.locator(".wb-error")).to_contain_text("history.ipynb.json' does not exist")
    assert page.evaluate(CELLS) == cells


def test_a_report_is_saved_and_opens_by_itself(lab: Lab, page: Page, folder: Path, tmp_path: Path) -> None:
    panel, _ = opened(lab, page, folder, tmp_path)
    history = region(panel, "History")
    history.get_by_label("Report file").fill("handed in")
    history.get_by_role("button", name="Save report", exact=True).click()
    expect(region(panel, "Messages")).to_contain_text("is saved in handed in.html", timeout=120_000)
    dialogs: list[str] = []

    def answer(dialog: Dialog) -> None:
        if dialog.type != "beforeunload":  # the notebook's, which is not saved
            dialogs.append(dialog.message)
        dialog.accept()

    page.on("dialog", answer)
    text = (lab.folder / "handed in.html").read_text()
    # Served as it stands, for a page of ``file:`` would count as leaving loopback.
    page.route("**/handed-in", lambda route: route.fulfill(body=text, content_type="text/html"))
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{lab.url}/handed-in")
        expect(page.get_by_role("heading", level=1)).to_have_text("Image retrieval on of <b>mine")
        page.locator("summary").first.click()
        pictures = page.locator("img").evaluate_all(
            "all => all.map((one) => one.complete && one.naturalWidth)"
        )
        assert len(pictures) > 20 and all(pictures)
        assert serious(page, "main") == []
    assert page.locator("img[src='x'], script").count() == 0
    assert dialogs == []
