"""ONE in real JupyterLab, a query as a class and as a ranking; boxes on results; proposals over epochs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import serious
from tests.browser.lab import Lab
from tests.browser.steps import CELLS, ERRORS, NAUGHTY, opening, photos, region, select, shown
from tests.extracting import NETWORK

pytestmark = pytest.mark.browser
PANEL = f"""from workbench.panels import Session
from workbench.panels.layout import {{panel}}
session = Session(bench, pipeline="{NETWORK}/mean/grid:2x2/pca:8")
{{panel}}(bench, session)"""
WAIT = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("photos"), 3, 5, 160)


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_a_class_an_image_and_a_vote_are_picked(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, cache: Path
) -> None:
    lab = labs(subshells)
    cells = opening(folder, cache, more=", size=160"), PANEL.format(panel="classes_panel")
    panel = lab.run(page, lab.write("classes.ipynb", *cells))
    part = region(panel, "Classes")
    select(part, "Sets of regions").select_option("of the pipeline")
    classes = part.get_by_role("grid", name="Classes, nearest first")
    expect(classes.locator("tbody tr")).to_have_count(3, timeout=WAIT)
    expect(part).to_contain_text(re.compile(r"Votes for the class kind \d: score \d\.\d{3}"), timeout=WAIT)
    count = page.evaluate(CELLS)

    # By keyboard: another class, then a vote, which stands out in both pictures.
    first = classes.locator("tbody tr[tabindex='0']")
    first.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    last = classes.locator("tbody tr").last
    expect(last).to_have_attribute("aria-selected", "true")
    label = last.locator("td").nth(1).inner_text()
    expect(part).to_contain_text(f"Votes for the class {label}: score", timeout=WAIT)
    votes = part.get_by_role("grid", name="Strongest votes")
    expect(votes.locator("tbody tr")).to_have_count(4, timeout=WAIT)
    votes.locator("tbody tr").first.click()
    expect(votes.locator("tbody tr").first).to_have_attribute("aria-selected", "true", timeout=WAIT)
    expect(part.locator(".wb-heat-regions .wb-marked")).to_have_count(2, timeout=WAIT)
    assert page.evaluate(CELLS) == count

    # By mouse: an image of the ranking, whose hostile name is text.
    ranked = part.get_by_role("group", name="Images ranked by ONE")
    ranked.get_by_role("figure").filter(has_text=NAUGHTY).click()
    expect(part).to_contain_text(f"Votes for kind 0/{NAUGHTY}: score", timeout=WAIT)
    expect(classes.locator("tbody tr[aria-selected='true']")).to_have_count(0, timeout=WAIT)
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate(ERRORS) == []
    assert serious(page, ".wb-classes") == []


def test_boxes_are_drawn_on_the_results_and_go_again(lab: Lab, page: Page, folder: Path, cache: Path) -> None:
    cells = opening(folder, cache, more=", size=160"), PANEL.format(panel="query_panel")
    panel = lab.run(page, lab.write("boxes.ipynb", *cells))
    shown(panel)
    results = region(panel, "Results")
    where = results.get_by_role("button", name="Boxes")
    where.press("Enter")
    boxes = results.locator(".wb-box")
    expect(boxes).to_have_count(15, timeout=WAIT)
    first = boxes.first
    expect(first).to_have_attribute("style", re.compile("width"), timeout=WAIT)
    box, picture = (one.bounding_box() for one in (first, results.locator(".wb-frame img").first))
    assert box and picture and picture["x"] - 1 <= box["x"]
    assert 4 < box["width"] < 0.9 * picture["width"]  # a quarter of it
    where.press("Enter")
    expect(boxes).to_have_count(0, timeout=WAIT)
    assert page.evaluate(ERRORS) == []


def test_epochs_of_the_shipped_proposals_are_walked(lab: Lab, page: Page, folder: Path, cache: Path) -> None:
    cells = opening(folder, cache, more=", size=160"), PANEL.format(panel="proposals_panel")
    panel = lab.run(page, lab.write("proposals.ipynb", *cells))
    part = region(panel, "Proposals")
    expect(select(part, "Trained proposals")).to_have_value("shipped, for efficientnet_lite0", timeout=WAIT)
    scene = part.get_by_role("figure").first
    drawn = scene.locator(".wb-region-drawn")
    expect(drawn).to_have_count(8, timeout=WAIT)
    sharp = drawn.first.get_attribute("aria-label")
    slider = part.get_by_role("slider", name="Epoch shown")
    slider.focus()
    page.keyboard.press("Home")
    expect(drawn.first).not_to_have_attribute("aria-label", str(sharp), timeout=WAIT)
    expect(part.get_by_role("button", name="Train")).to_be_disabled()
    assert page.evaluate(ERRORS) == []
    assert serious(page, ".wb-proposals") == []
