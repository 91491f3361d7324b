"""The explanation panel in JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import NAUGHTY, region, select

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


def whole(explanation: Locator, number: int = 0) -> Locator:
    """The sum of the bars of one picture: its name and its value."""
    return explanation.locator(".wb-sides .wb-bars").nth(number).locator(".wb-bar-whole")


def values(bars: Locator) -> list[float]:
    return [float(text.replace("−", "-")) for text in bars.locator(".wb-bar-value").all_text_contents()]


def test_regions_are_lit_across_bars_pictures_and_lines(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    select(panel, "Explained image").select_option("kind 1/1.jpg")
    explanation = explained(panel, "kind 1/1.jpg")
    cells = page.evaluate(CELLS)
    # One region at the first level, four at the second.
    query = explanation.get_by_role("listbox", name="Query: 5 regions").get_by_role("option")
    result = explanation.get_by_role("listbox", name="Result: 5 regions").get_by_role("option")
    expect(query).to_have_count(5)
    expect(result).to_have_count(5)
    regions = explanation.get_by_role("listbox", name=re.compile("^Regions of"))
    marked = explanation.locator(".wb-region-drawn.wb-marked")
    expect(regions).to_have_count(2)
    for number in range(2):
        side = explanation.locator(".wb-sides .wb-bars").nth(number)
        total = values(whole(explanation, number))[0]
        assert sum(values(side.locator(".wb-bar-region"))) == pytest.approx(total, abs=1e-9)
        expect(side.locator(".wb-bar-level")).to_have_count(2)
        assert sum(values(side.locator(".wb-bar-level"))) == pytest.approx(total, abs=1e-4)
        expect(side.locator(".wb-bar-place-box")).to_have_count(5)

    # By mouse: pointing at a bar lights its region and its partner, with a line; a click keeps them.
    query.nth(2).hover()
    expect(marked).to_have_count(2)
    expect(query.nth(2)).to_have_attribute("aria-selected", "true")
    expect(explanation.locator(".wb-links g.wb-marked").first).to_have_attribute(
        "data-parts", re.compile("0:2")
    )
    query.nth(2).click()
    whole(explanation).hover()
    notebook.settle()
    expect(marked).to_have_count(2)
    query.nth(2).click()
    whole(explanation).hover()
    expect(marked).to_have_count(0)

    # By keyboard: the arrow keys move between bars and light them, Enter keeps one.
    result.first.focus()
    page.keyboard.press("ArrowDown")
    expect(result.nth(1)).to_be_focused()
    expect(result.nth(1)).to_have_attribute("aria-selected", "true")
    expect(marked).to_have_count(2)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    notebook.settle()
    expect(result.nth(1)).to_have_attribute("aria-selected", "true")

    # The arrow keys move between the regions of a picture too.
    regions.last.get_by_role("option").first.focus()
    page.keyboard.press("Home")
    expect(result.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(result.nth(1)).to_have_attribute("aria-selected", "true")

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


def test_pairs_of_regions_are_listed_behind_a_fold(panel: Locator, notebook: Notebook) -> None:
    select(panel, "Explained image").select_option("kind 1/1.jpg")
    explanation = explained(panel, "kind 1/1.jpg")
    fold = explanation.get_by_text("25 pairs of a query region and a result region")
    pairs = explanation.get_by_role("listbox", name="Pairs of regions").get_by_role("option")
    expect(fold).to_be_visible()
    expect(pairs).to_have_count(0)
    fold.focus()
    notebook.page.keyboard.press("Enter")
    expect(pairs).to_have_count(25)
    assert sum(values(explanation.locator(".wb-bars-fold .wb-bar-region"))) == pytest.approx(
        values(whole(explanation))[0], abs=1e-4
    )
    pairs.nth(7).hover()
    expect(explanation.locator(".wb-region-drawn.wb-marked")).to_have_count(2)
    expect(explanation.locator(".wb-links g.wb-marked")).to_have_count(1)
    expect(pairs.nth(7)).to_have_attribute(
        "aria-label", re.compile(r"region \d of the query with .*region \d")
    )
    assert serious(notebook.page, ".wb-explanation") == []


@pytest.mark.parametrize("width", [300, 480, 1100])
def test_panel_fits_a_narrow_column_and_a_wide_cell(panel: Locator, width: int) -> None:
    explanation = explained(panel, "kind")
    panel.evaluate("(node, width) => { node.style.width = `${width}px`; }", width)
    outer = explanation.bounding_box()
    pictures = explanation.locator(".wb-heat-frame").filter(visible=True)
    bars = explanation.locator(".wb-sides .wb-bars").filter(visible=True)
    boxes = [part.nth(number).bounding_box() for part in (pictures, bars) for number in range(2)]
    assert outer and all(boxes)
    for box in boxes:
        assert (
            box and outer["x"] - 8 <= box["x"] and box["x"] + box["width"] <= outer["x"] + outer["width"] + 8
        )
    # Bars are below the pictures, or beside them.
    picture, query, result = boxes[0], boxes[2], boxes[3]
    assert picture and query and result and result["x"] > query["x"] + query["width"]
    below = query["y"] > picture["y"] + picture["height"]
    assert below == (width < 700)
    if below:
        assert query["y"] - outer["y"] < 480


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
    expect(whole(explanation)).to_have_text(re.compile("^A − B"), timeout=30_000)
    assert values(whole(explanation)) == [pytest.approx(expected, abs=1e-9)]
    expect(explanation.locator(".wb-sides .wb-bars").filter(visible=True)).to_have_count(3)
    inliers = explanation.get_by_role("button", name="Inliers", exact=True)
    inliers.press("Enter")
    expect(explanation.get_by_text("by keypoints of sift")).to_have_count(2, timeout=60_000)
    assert serious(notebook.page, ".wb-explanation") == []
    inliers.press("Enter")
    expect(explanation.get_by_text("by keypoints of sift")).to_have_count(0)
    button.press("Enter")
    expect(whole(explanation)).to_have_text(re.compile("^score"), timeout=30_000)
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
