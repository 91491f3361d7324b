"""The whole workbench on one page: landmarks, a restarted kernel, a reloaded page, missing files."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.lab import RUN_ALL, shown_panel
from tests.browser.notebook import Notebook
from tests.browser.steps import button, photos, ranked, region, select, tab

pytestmark = pytest.mark.browser
PIPELINE = "efficientnet_lite0/max/rmac:2"
BESIDE = ("Explanation", "Attention", "Local matches", "Classes", "Proposals")
BELOW = (
    "Comparison",
    "Embedding map",
    "Index trade-off",
    "Phone budget",
    "Re-rankers",
    "Training",
    "History",
)


def test_panels_are_landmarks_in_tabs_without_axe_violations(
    notebook: Notebook, folder: Path, tmp_path: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, tmp_path, "show", pipeline=PIPELINE)
    ranked(panel)
    for name in ("Configuration", "Query", "Results", "Messages"):
        expect(region(panel, name)).to_have_count(1)
    for tabs in (BESIDE, BELOW):
        expect(tab(panel, tabs[0])).to_have_attribute("aria-selected", "true")
        for before, name in pairwise(tabs):
            tab(panel, name).click()
            expect(region(panel, name)).to_be_visible(timeout=20_000)
            expect(panel.get_by_role("tabpanel", name=re.compile(f"^{name}"))).to_be_visible()
            expect(region(panel, before)).to_have_count(0)
        # By keyboard: the last tab has the focus, and the arrow key goes round to the first.
        page.keyboard.press("ArrowRight")
        expect(tab(panel, tabs[0])).to_be_focused()
        expect(region(panel, tabs[0])).to_be_visible()
        page.keyboard.press("End")
        expect(tab(panel, tabs[-1])).to_be_focused()
        expect(region(panel, tabs[0])).to_have_count(0)
        page.keyboard.press("Home")
    button(panel, "Add to comparison").first.click()
    expect(tab(panel, "Comparison")).to_have_accessible_name("Comparison 1")
    assert serious(page, ".wb-panel") == []


def width_of(part: Locator) -> float:
    width: float = part.evaluate("node => node.getBoundingClientRect().width")
    return width


def test_query_twelve_results_and_explanation_are_in_view_and_columns_can_be_dragged(
    notebook: Notebook, folder: Path, tmp_path: Path
) -> None:
    page = notebook.page
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("jupyterapp.shell.collapseLeft()")
    panel = notebook.show(folder, tmp_path, "show", pipeline=PIPELINE)
    ranked(panel)
    panel.evaluate("node => node.scrollIntoView()")
    expect(region(panel, "Explanation").get_by_text(re.compile("^Score")).first).to_be_in_viewport()
    expect(region(panel, "Query").get_by_role("img").first).to_be_in_viewport()
    results = region(panel, "Results").locator("figure")
    for number in range(12):
        expect(results.nth(number).locator(".wb-frame")).to_be_in_viewport(ratio=1)

    bar = panel.get_by_role("separator", name="Width of the tabs")
    side = panel.locator(".wb-columns > .wb-tabbed")
    width = width_of(side)
    x, y = bar.evaluate("node => [node.getBoundingClientRect().x + 4, node.getBoundingClientRect().y + 4]")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    page.mouse.up()
    assert width_of(side) == pytest.approx(width - 60, abs=2)
    bar.press("ArrowLeft")
    assert width_of(side) == pytest.approx(width - 44, abs=2)
    tab(panel, "Classes").click()

    # The arrangement is kept: a new panel, as after a restart, has it.
    panel = notebook.show(folder, tmp_path, "show", pipeline=PIPELINE)
    expect(tab(panel, "Classes")).to_have_attribute("aria-selected", "true")
    side = panel.locator(".wb-columns > .wb-tabbed")
    assert width_of(side) == pytest.approx(width - 44, abs=2)
    panel.get_by_role("separator", name="Width of the tabs").dblclick()
    assert width_of(side) == pytest.approx(width, abs=2)


def test_reloaded_page_shows_its_panels_and_a_restarted_kernel_is_reported(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    # Cells as a user writes them: a separate bench, opened and shown by the public names.
    panel = notebook.run(
        f"import workbench\nbench = workbench.open({str(folder)!r}, labels='folders', cache={str(cache)!r})",
        "bench.show()",
    )
    string = panel.get_by_label("Pipeline", exact=True)
    string.fill(PIPELINE)
    page.keyboard.press("Enter")
    _, before = ranked(panel)
    select(panel, "Pooling").select_option("mean")
    _, before = ranked(panel, before)

    notebook.reload()
    shown_panel(page, seconds=60)
    expect(select(panel, "Pooling")).to_have_value("mean")
    ranked(panel)
    select(panel, "Pooling").select_option("gem:3")
    ranked(panel, before)

    notebook.restart()
    hint = region(panel, "Messages").get_by_text("run the notebook's cells again")
    expect(hint).to_be_visible()
    page.evaluate(RUN_ALL)
    expect(page.get_by_text("run the notebook's cells again")).to_have_count(0, timeout=60_000)
    _, before = ranked(panel)
    notebook.evaluate("kernel.follow(bench)")
    select(panel, "Pooling").select_option("mean")
    ranked(panel, before)


def test_missing_weights_and_deleted_image_are_reported_and_other_panels_work(
    notebook: Notebook, tmp_path: Path
) -> None:
    page = notebook.page
    photo_folder = photos(tmp_path / "mine", labels=3, each=4, side=96)
    panel = notebook.show(photo_folder, tmp_path / "cache", "show", pipeline=PIPELINE)
    _, before = ranked(panel)
    messages = region(panel, "Messages")

    # Weights that are not on this machine, without a network to download them.
    string = panel.get_by_label("Pipeline", exact=True)
    string.fill(f"file:{tmp_path}/resnet18-lost.pth/max/whole")
    page.keyboard.press("Enter")
    expect(messages.get_by_text(re.compile("resnet18-lost.pth"))).to_be_visible(timeout=60_000)
    string.fill("efficientnet_lite0/mean/rmac:2")
    page.keyboard.press("Enter")
    _, before = ranked(panel, before)
    expect(messages.get_by_text(re.compile("resnet18-lost.pth"))).to_have_count(0)

    # An image that is deleted while the panel is open.
    (photo_folder / "kind 1" / "1.jpg").unlink()
    select(panel, "Query").select_option(label="kind 1/2.jpg")
    _, before = ranked(panel, before)
    expect(region(panel, "Results").get_by_text("kind 1/1.jpg")).to_have_count(0)
