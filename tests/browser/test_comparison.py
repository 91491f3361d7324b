"""The comparison panel in JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import BOTH_MODES, NAUGHTY, button, region, select

pytestmark = pytest.mark.browser
PIPELINE = "efficientnet_lite0/max/rmac:2"
SLOW = 90_000  # milliseconds for a computation on a loaded machine


def press(part: Locator, name: str) -> None:
    button(part, name).click()


def lines(part: Locator) -> Locator:
    """Return the rows of the table of pipelines."""
    return part.get_by_role("grid", name="Pipelines compared").locator("tbody tr")


@BOTH_MODES
def test_grid_search_is_run_and_two_pipelines_are_compared_by_query(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "compare_panel", pipeline=PIPELINE)
    part = region(panel, "Comparison")

    # By mouse: one pipeline, then a grid of variants of it.
    press(part, "Add to comparison")  # in place of the example, which has two rows
    expect(lines(part)).to_have_count(1, timeout=SLOW)
    expect(lines(part)).to_have_text(re.compile(r"max/rmac:2×★ \d+\.\d"), timeout=SLOW)
    press(part, "Grid search")
    press(part.get_by_role("group", name="Poolings"), "mean")
    press(part.get_by_role("group", name="Region grids"), "whole")
    expect(part).to_contain_text("4 pipelines, 1 of them evaluated already")
    press(part, "Run grid")
    expect(lines(part).filter(has_text=re.compile(r"\d\.\d"))).to_have_count(4, timeout=SLOW)
    expect(part.locator(".wb-versus .wb-numbers")).to_have_text(
        re.compile(r"B: .+ mAP on average \(95 % interval .+ to .+\), .+ chance .+; higher on \d+"),
        timeout=SLOW,
    )
    # The best pipeline is B, and its row is marked.
    expect(lines(part).filter(has_text="★")).to_have_count(1)
    expect(lines(part).filter(has_text="★")).to_have_text(re.compile("^B"))
    curves = part.locator(".wb-plot", has_text="Precision over recall")
    expect(curves.locator(".scatterlayer path.js-line")).to_have_count(4, timeout=SLOW)
    expect(curves.locator(".legendtext")).to_have_count(4)
    lines(part).first.click()
    expect(part).to_contain_text("24 images, 24 queries")
    press(part, "Make current")
    press(part, "Remove")
    expect(lines(part)).to_have_count(3)

    # The table is saved as a file, by keyboard.
    button(part, "Download").focus()
    with page.expect_download() as saved:
        for key in ("Enter", "ArrowDown", "Enter"):
            page.keyboard.press(key)
    assert saved.value.suggested_filename.endswith(".tex")
    assert Path(saved.value.path()).read_text(encoding="utf-8").count("\\texttt{") == 3

    # A click on a query's column in the figure opens the query under A and B.
    queries = part.get_by_role("grid", name="AP of each query under A and B").locator("tbody tr")
    expect(queries).to_have_count(24, timeout=SLOW)
    chart = part.get_by_role("application", name=re.compile("^AP of each query under A and B"))
    expect(chart).to_have_attribute("aria-busy", "false", timeout=SLOW)
    box = chart.bounding_box()
    assert box
    chart.click(position={"x": box["width"] - 30, "y": 100})
    expect(queries.last).to_have_attribute("aria-selected", "true", timeout=SLOW)
    last = queries.last.get_attribute("data-id") or ""
    expect(part.locator(".wb-asked figure")).to_contain_text(last, timeout=SLOW)
    chart.focus()
    for key in ("ArrowRight", "ArrowLeft", "Enter"):  # the first key reaches the current query
        page.keyboard.press(key)
    expect(queries.nth(22)).to_have_attribute("aria-selected", "true", timeout=SLOW)

    # By keyboard: another query, then an image in one ranking and the same image in the other.
    cells = page.evaluate(CELLS)
    queries.last.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(queries.first).to_have_attribute("aria-selected", "true", timeout=SLOW)
    rankings = part.get_by_role("listbox")
    expect(rankings).to_have_count(2)
    expect(part.locator(".wb-duel")).to_have_attribute("aria-busy", "false", timeout=SLOW)
    left, right = rankings.nth(0).get_by_role("option"), rankings.nth(1).get_by_role("option")
    expect(left).to_have_count(10)
    expect(right).to_have_count(10)
    left.first.focus()
    for key in ("ArrowDown", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
    expect(right.locator(":scope:focus")).to_have_count(1)
    page.keyboard.press("Space")
    expect(part.locator(".wb-duel-row:focus")).to_have_attribute("aria-selected", "true")
    for key in "abddx":
        page.keyboard.press(key)
    assert page.evaluate(CELLS) == cells

    # Choosing B's pipeline as A swaps the two.
    a, b = select(part, "A"), select(part, "B")
    first, second = a.input_value(), b.input_value()
    a.select_option(second)
    expect(b).to_have_value(first)


def test_failed_pipeline_shows_its_error_and_file_names_are_text(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    naughty = f"kind 0/{NAUGHTY}"
    compared = ("efficientnet_lite0@nolayer/max/whole", PIPELINE, "efficientnet_lite0/mean/whole")
    panel = notebook.show(folder, cache, "compare_panel", pipeline=PIPELINE, query=naughty, compared=compared)
    part = region(panel, "Comparison")
    expect(lines(part).filter(has_text="nolayer")).to_contain_text("layer 'nolayer'", timeout=SLOW)
    expect(lines(part).filter(has_text="★")).to_have_count(1, timeout=SLOW)
    expect(part.locator(".wb-asked figure")).to_contain_text(naughty, timeout=SLOW)
    expect(part.locator(".wb-duel-row").first).to_be_visible(timeout=SLOW)
    assert page.locator("img[src='x']").count() == 0
    press(part, "Grid search")
    lines(part).first.click()
    assert serious(page, ".wb-panel") == []


def test_example_is_compared_and_rows_are_moved_removed_and_explained(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "compare_panel", pipeline=PIPELINE)
    part = region(panel, "Comparison")
    expect(part).to_contain_text("An example:", timeout=SLOW)
    expect(lines(part).filter(has_text="★")).to_have_count(1, timeout=SLOW)
    expect(lines(part)).to_have_count(2)
    expect(part.locator(".wb-versus .wb-numbers")).to_contain_text("on average", timeout=SLOW)
    first, second = lines(part).evaluate_all("rows => rows.map((row) => row.dataset.id)")
    cells = page.evaluate(CELLS)

    # By keyboard: Alt and an arrow move the row, and the focus with it.
    lines(part).first.focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(lines(part).first).to_have_attribute("data-id", second)
    expect(lines(part).last).to_be_focused()
    notebook.settle()
    # By mouse: the handle of a row is dragged above another.
    lines(part).last.locator(".wb-handle").drag_to(lines(part).first, target_position={"x": 80, "y": 2})
    expect(lines(part).first).to_have_attribute("data-id", first)

    # The heading and the interval are explained; the pipeline stays in sight as the others scroll.
    part.get_by_title(re.compile("^mAP")).first.click()
    card = part.locator(".wb-help-card")
    expect(card).to_contain_text("Mean average precision")
    assert serious(page, ".wb-panel") == []
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    page.set_viewport_size({"width": 700, "height": 800})
    frozen = lines(part).first.locator("td").first
    sheet = part.get_by_role("grid", name="Pipelines compared").locator("xpath=..")
    before = frozen.bounding_box()
    sheet.evaluate("sheet => sheet.scrollTo(1000, 0)")
    assert sheet.evaluate("sheet => sheet.scrollLeft") > 0
    after = frozen.bounding_box()
    assert before and after and abs(before["x"] - after["x"]) < 4

    # Removed by keyboard, then by its button.
    lines(part).first.focus()
    page.keyboard.press("Delete")
    expect(lines(part)).to_have_count(1)
    expect(lines(part).first).to_have_attribute("data-id", second)
    expect(lines(part).first).to_be_focused()
    expect(part).not_to_contain_text("An example:")
    button(part, f"Remove {second}").click()
    expect(part).to_contain_text("Press Add to comparison")
    assert page.evaluate(CELLS) == cells


def test_collection_without_ground_truth_has_rankings_but_no_grid_search(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    panel = notebook.show(folder, cache, "compare_panel", options=", labels='none'", pipeline=PIPELINE)
    part = region(panel, "Comparison")
    expect(part).to_contain_text("has no ground truth")
    expect(lines(part)).to_have_count(2, timeout=SLOW)  # an example
    expect(part.locator(".wb-duel-row").first).to_be_visible(timeout=SLOW)
    press(part, "Add to comparison")
    expect(lines(part)).to_have_count(1)
    expect(button(part, "Grid search")).to_be_disabled()
