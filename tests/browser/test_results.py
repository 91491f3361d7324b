"""Results in real JupyterLab: scrolling, filtering, judging and selecting, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.lab import KERNEL, Lab
from tests.pictures import folder_of

pytestmark = pytest.mark.browser
COUNT, LABELS = 450, 6
OPENING = """import workbench
from workbench.panels import Session
from workbench.panels.layout import _panel
from workbench.panels.results import Results
bench = workbench.open({folder!r}, labels="folders", cache={cache!r}, size=64)
session = Session(bench, pipeline="efficientnet_lite0/mean/whole")
_panel(session, Results(session).widget)"""
CHANGES = """import time
for number in range({times}):
    session.pipeline = f"efficientnet_lite0/{{('max', 'mean', 'crow')[number % 3]}}/whole"
    session.choose(list(session.queries)[number * 7 % {count}])
    session.wait()
    time.sleep(0.2)
print("changed")"""
LIVE = """
    window.live = new Set();
    const [make, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
    URL.createObjectURL = (blob) => { const url = make.call(URL, blob);
        if (blob.type === "image/jpeg") live.add(url); return url; };
    URL.revokeObjectURL = (url) => { live.delete(url); revoke.call(URL, url); };
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shapes = [(64, 48), (48, 64), (160, 12), (12, 160)]
    return folder_of(tmp_path_factory.mktemp("photos"), COUNT, shapes, kinds=LABELS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def opened(lab: Lab, page: Page, folder: Path, cache: Path, *more: str) -> Locator:
    """The panel with its ranking, its mAP and the pictures of the first page."""
    opening = OPENING.format(folder=str(folder), cache=str(cache))
    panel = lab.run(page, lab.write("results.ipynb", opening, *more))
    results = panel.get_by_role("region", name="Results", exact=True)
    expect(results.locator(".wb-numbers")).to_have_text(re.compile(r"^mAP \d"), timeout=240_000)
    expect(results.locator("figure img")).to_have_count(200, timeout=30_000)
    return results


def grid(results: Locator) -> Locator:
    return results.get_by_role("group", name="Ranked images")


def choose(results: Locator, name: str, value: str) -> None:
    results.get_by_role("combobox", name=name, exact=True).select_option(value)


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_results_by_mouse(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, cache: Path
) -> None:
    results = opened(labs(subshells), page, folder, cache)
    figures = results.get_by_role("figure")
    expect(figures).to_have_count(200)
    # The whole ranking is reached by scrolling, and its pictures come.
    for _ in range(20):
        grid(results).evaluate("node => node.scrollTo(0, node.scrollHeight)")
        page.wait_for_timeout(100)
        if figures.count() == COUNT:
            break
    expect(figures).to_have_count(COUNT)
    expect(results.locator("figure img")).to_have_count(COUNT, timeout=30_000)
    ranks = figures.locator(".wb-rank").all_inner_texts()
    assert ranks == [str(number) for number in range(1, COUNT + 1)]
    # A click studies an image, Ctrl+click selects one, and a button on it judges it.
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


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_results_by_keyboard(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, cache: Path
) -> None:
    results = opened(labs(subshells), page, folder, cache)
    figures = results.get_by_role("figure")
    results.get_by_role("combobox", name="Size", exact=True).focus()
    page.keyboard.type("small")
    expect(grid(results)).to_have_class(re.compile("wb-small"))
    page.keyboard.press("Tab")
    expect(results.get_by_role("button", name="Boxes")).to_be_focused()
    page.keyboard.press("Tab")
    expect(figures.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(figures.nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("s")
    expect(figures.nth(1)).to_have_attribute("aria-description", "selected")
    page.keyboard.press("s")
    expect(figures.nth(1)).not_to_have_attribute("aria-description", "selected")
    page.keyboard.press("ArrowRight")
    name = figures.nth(2).locator(".wb-name").inner_text()
    page.keyboard.press("-")
    disliked = results.locator("figure[data-judged='−']")
    expect(disliked).to_have_count(1)
    expect(results.locator(".wb-moved").first).to_be_visible(timeout=30_000)
    page.keyboard.press("Tab")  # to the buttons in the figure
    expect(results.get_by_role("button", name="More like this")).to_be_focused()
    assert name  # what was judged may have moved to another page
    while figures.count() < COUNT:
        results.locator("figure[tabindex='0']").focus()
        page.keyboard.press("End")
        page.wait_for_timeout(100)
    expect(results.locator(".wb-rank").last).to_have_text(str(COUNT))


def test_memory_of_the_page_stays_flat_over_changes(lab: Lab, page: Page, folder: Path, cache: Path) -> None:
    page.add_init_script(LIVE)
    results = opened(lab, page, folder, cache)
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")

    def changed(times: int) -> dict[str, float]:
        code = CHANGES.format(times=times, count=COUNT)
        page.evaluate(f"async (code) => {{ await ({KERNEL})().requestExecute({{ code }}).done; }}", code)
        expect(grid(results)).to_have_attribute("aria-busy", "false", timeout=30_000)
        expect(results.locator("figure img")).to_have_count(200, timeout=30_000)
        tools.send("HeapProfiler.collectGarbage")
        measured = tools.send("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in measured} | {"Live": page.evaluate("live.size")}

    before, after = changed(10), changed(40)
    assert after["Live"] == before["Live"] == 200
    assert after["Nodes"] < before["Nodes"] + 1_000  # a grid left behind at each change would be 100,000
    assert after["JSHeapUsedSize"] < before["JSHeapUsedSize"] + 5e6
