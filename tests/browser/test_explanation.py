"""The explanation panel in JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import NAUGHTY, click_bar, region, select

pytestmark = pytest.mark.browser


@pytest.fixture
def panel(notebook: Notebook, folder: Path, cache: Path) -> Locator:
    return notebook.show(folder, cache, "explanation_panel", pipeline="efficientnet_lite0/max/rmac:2")


def explained(panel: Locator, name: str) -> Locator:
    """Wait for the explanation of the result ``name``, and return it."""
    explanation = region(panel, "Explanation")
    expect(explanation.locator("figcaption", has_text=name).first).to_be_visible(timeout=60_000)
    expect(explanation.locator("figure[aria-busy=true]")).to_have_count(0, timeout=60_000)
    return explanation


def steps(explanation: Locator) -> Locator:
    """The names of the bars of the sum."""
    return explanation.locator(".wb-plot .ytick text")


def test_regions_are_linked_across_pictures_table_and_sum(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    select(panel, "Explained image").select_option("kind 1/1.jpg")
    explanation = explained(panel, "kind 1/1.jpg")
    cells = page.evaluate(CELLS)
    rows = explanation.get_by_role("grid").locator("tbody tr")
    regions = explanation.get_by_role("listbox")
    marked = explanation.locator(".wb-region-drawn.wb-marked")
    expect(rows).to_have_count(5)  # one region at the first level, four at the second
    expect(regions).to_have_count(2)
    expect(explanation.locator(".wb-links g")).to_have_count(5)

    # By mouse: a row of the table marks the region in both pictures and its line; so does its bar.
    rows.nth(2).click()
    expect(marked).to_have_count(2)
    expect(explanation.locator(".wb-links g.wb-marked")).to_have_attribute("data-part", "2")
    rows.nth(2).click()
    expect(marked).to_have_count(0)
    expect(steps(explanation)).to_have_count(7, timeout=30_000)
    names = steps(explanation).all_text_contents()
    assert sum(name.startswith("level ") for name in names) == 2 and names[-1] == "score"
    bars = explanation.locator(".wb-plot .barlayer .point")
    click_bar(bars.nth(1))  # the second level, which is no region
    expect(marked).to_have_count(0)
    click_bar(bars.nth(2))
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    expect(marked).to_have_count(2)
    click_bar(bars.nth(2))
    expect(marked).to_have_count(0)

    # By keyboard: the arrow keys move between regions, and Enter marks one.
    regions.last.get_by_role("option", name=re.compile("^region 1:")).focus()
    page.keyboard.press("ArrowRight")
    expect(regions.last.get_by_role("option", name=re.compile("^region 2:"))).to_be_focused()
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    slider = explanation.get_by_role("slider", name="Opacity")
    slider.focus()
    page.keyboard.press("Home")
    expect(explanation.locator("canvas.wb-heat-layer").first).to_have_css("opacity", "0")
    expect(explanation.locator("canvas.wb-heat-layer").nth(1)).to_have_css("opacity", "0")
    explanation.get_by_role("button", name="Cells").press("Enter")
    expect(explanation.get_by_role("button", name="Cells")).to_have_attribute("aria-pressed", "true")
    for key in "abdd":
        page.keyboard.press(key)
    assert page.evaluate(CELLS) == cells


def test_negative_is_compared_with_the_first_true_positive(panel: Locator, notebook: Notebook) -> None:
    select(panel, "Explained image").select_option("kind 2/3.jpg")
    explanation = explained(panel, "kind 2/3.jpg")
    expect(explanation).to_contain_text("negative")
    button = explanation.get_by_role("button", name="Why this one before that one?")
    expect(explanation).to_contain_text("Against the first true positive")
    button.click()
    expect(explanation.get_by_role("figure")).to_have_count(3, timeout=30_000)
    difference = explanation.locator(".wb-numbers")
    expect(difference).to_have_text(re.compile(r"^Score of A .* − score of B .* = 0\.\d{4}$"))
    a, b, expected = map(float, re.findall(r"-?\d\.\d{4}", difference.inner_text()))
    assert round(a - b, 4) == expected
    expect(steps(explanation).last).to_have_text("A − B", timeout=30_000)
    inliers = explanation.get_by_role("button", name="Inliers", exact=True)
    inliers.press("Enter")
    expect(explanation.get_by_text("by keypoints of sift")).to_have_count(2, timeout=60_000)
    assert serious(notebook.page, ".wb-explanation") == []
    inliers.press("Enter")
    expect(explanation.get_by_text("by keypoints of sift")).to_have_count(0)
    button.press("Enter")
    expect(steps(explanation).last).to_have_text("score", timeout=30_000)
    expect(explanation.get_by_role("figure").filter(visible=True)).to_have_count(2)


def test_value_under_the_pointer_is_shown_and_file_names_are_text(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    name = f"kind 0/{NAUGHTY}"
    select(panel, "Explained query").select_option("kind 0/1.jpg")
    select(panel, "Explained image").select_option(name)
    explanation = explained(panel, name)
    expect(explanation.get_by_text(name, exact=True).filter(visible=True).first).to_be_visible()
    assert page.locator("img[src='x']").count() == 0
    explanation.locator(".wb-heat-frame").filter(visible=True).first.hover()
    expect(explanation.locator(".wb-heat-value").first).to_have_text(re.compile(r"^cell [+−]?\d"))
    assert serious(page, ".wb-explanation") == []
