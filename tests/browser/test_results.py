"""Results in JupyterLab: scroll, filter, judge and select, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import Notebook
from tests.support.pictures import folder_of

pytestmark = pytest.mark.browser
COUNT, LABELS = 450, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shapes = [(64, 48), (48, 64), (160, 12), (12, 160)]
    return folder_of(tmp_path_factory.mktemp("photos"), COUNT, shapes, kinds=LABELS)


@pytest.fixture
def results(notebook: Notebook, folder: Path, cache: Path) -> Locator:
    """Wait for ranking, mAP and the pictures of the first page; return the results."""
    panel = notebook.show(
        folder, cache, "query_panel", options=", size=64", pipeline="efficientnet_lite0/mean/whole"
    )
    results = panel.get_by_role("region", name="Results", exact=True)
    expect(results.locator(".wb-numbers")).to_have_text(re.compile(r"^mAP \d"), timeout=240_000)
    expect(results.locator("figure img")).to_have_count(200, timeout=30_000)
    return results


def grid(results: Locator) -> Locator:
    return results.get_by_role("group", name="Ranked images")


def choose(results: Locator, name: str, value: str) -> None:
    results.get_by_role("combobox", name=name, exact=True).select_option(value)


def test_results_are_scrolled_filtered_judged_and_selected_by_mouse(
    results: Locator, notebook: Notebook
) -> None:
    page = notebook.page
    figures = results.get_by_role("figure")
    expect(figures).to_have_count(200)
    # Scrolling reaches the whole ranking and all of its pictures.
    for _ in range(20):
        grid(results).evaluate("node => node.scrollTo(0, node.scrollHeight)")
        page.wait_for_timeout(100)
        if figures.count() == COUNT:
            break
    expect(figures).to_have_count(COUNT)
    expect(results.locator("figure img")).to_have_count(COUNT, timeout=30_000)
    ranks = figures.locator(".wb-rank").all_inner_texts()
    assert ranks == [str(number) for number in range(1, COUNT + 1)]
    # A click studies an image, Ctrl+click selects one, and a button on an image judges it.
    grid(results).evaluate("node => node.scrollTo(0, 0)")
    figures.nth(2).click()
    expect(figures.nth(2)).to_have_attribute("aria-current", "true")
    name = figures.nth(3).locator(".wb-name").inner_text()
    figures.nth(3).click(modifiers=["Control"])
    expect(figures.nth(3)).to_have_attribute("aria-description", "selected")
    choose(results, "Show", "selection")
    expect(figures).to_have_count(1)
    expect(figures).to_contain_text(name)
    choose(results, "Show", "missed positives")
    expect(results).to_contain_text(re.compile(r"\d+ of 74 positives are below the first 74 places"))
    expect(figures.filter(has_not_text="positive")).to_have_count(0)
    choose(results, "Show", "errors only")
    expect(figures.filter(has_not_text="negative")).to_have_count(0)
    choose(results, "Show", "all")
    expect(figures).to_have_count(200)
    narrow = figures.first.bounding_box()
    choose(results, "Size", "large")
    expect(grid(results)).to_have_class(re.compile("wb-large"))
    wide = figures.first.bounding_box()
    assert narrow and wide and wide["width"] > 1.5 * narrow["width"]
    figures.nth(4).hover()
    figures.nth(4).get_by_role("button", name="More like this").click()
    expect(results.locator("figure[data-judged='+']")).to_have_count(1)
    expect(results.locator(".wb-moved").first).to_have_text(re.compile(r"[▲▼] \d+"), timeout=30_000)
    assert serious(page, ".wb-panel") == []


def test_results_are_scrolled_filtered_judged_and_selected_by_keyboard(
    results: Locator, notebook: Notebook
) -> None:
    page = notebook.page
    figures = results.get_by_role("figure")
    results.get_by_role("combobox", name="Size", exact=True).focus()
    page.keyboard.type("small")
    expect(grid(results)).to_have_class(re.compile("wb-small"))
    page.keyboard.press("Tab")
    expect(results.get_by_role("button", name="Boxes")).to_be_focused()
    for _ in range(3):  # over the explanations of boxes and of keys
        page.keyboard.press("Tab")
    expect(figures.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(figures.nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("s")
    expect(figures.nth(1)).to_have_attribute("aria-description", "selected")
    page.keyboard.press("s")
    expect(figures.nth(1)).not_to_have_attribute("aria-description", "selected")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("-")
    disliked = results.locator("figure[data-judged='−']")
    expect(disliked).to_have_count(1)
    expect(results.locator(".wb-moved").first).to_be_visible(timeout=30_000)
    page.keyboard.press("Tab")  # to the buttons in the figure
    expect(results.get_by_role("button", name="More like this")).to_be_focused()
    while figures.count() < COUNT:
        results.locator("figure[tabindex='0']").focus()
        page.keyboard.press("End")
        page.wait_for_timeout(100)
    expect(results.locator(".wb-rank").last).to_have_text(str(COUNT))


def test_memory_of_the_page_does_not_grow_over_changes(results: Locator, notebook: Notebook) -> None:
    page = notebook.page
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")

    def changed(times: int) -> dict[str, float]:
        notebook.evaluate(f"kernel.change_often({times})")
        expect(grid(results)).to_have_attribute("aria-busy", "false", timeout=30_000)
        expect(results.locator("figure img")).to_have_count(200, timeout=30_000)
        tools.send("HeapProfiler.collectGarbage")
        measured = tools.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in measured} | {"Live": page.evaluate("live.size")}

    before, after = changed(6), changed(20)
    assert after["Live"] == before["Live"] == page.locator(".wb-panel img").count() > 200
    assert after["Nodes"] < before["Nodes"] + 500  # one grid retained at each change would be 50,000
    assert after["JSHeapUsedSize"] < before["JSHeapUsedSize"] + 2.5e6
