"""Panels of ONE and of proposals in JupyterLab, and the boxes that ONE draws on results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import NAUGHTY, click_bar, photos, ranked, region, select
from tests.support.extraction import NETWORK

pytestmark = pytest.mark.browser
PIPELINE = f"{NETWORK}/mean/grid:2x2/pca:8"
SIZE = ", size=160"
WAIT = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("photos"), 3, 5, 160)


def test_class_vote_and_image_can_be_picked(notebook: Notebook, folder: Path, cache: Path) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "classes_panel", options=SIZE, pipeline=PIPELINE)
    part = region(panel, "Classes")
    select(part, "Sets of regions").select_option("of the pipeline")
    classes = part.get_by_role("grid", name="Classes, nearest first")
    expect(classes.locator("tbody tr")).to_have_count(3, timeout=WAIT)
    expect(part).to_contain_text(re.compile(r"Votes for the class kind \d: score \d\.\d{3}"), timeout=WAIT)
    notebook.settle()  # the answer to the chosen sets may have another order
    count = page.evaluate(CELLS)

    # By keyboard: another class, then a vote, which is marked in both pictures.
    first = classes.locator("tbody tr[tabindex='0']")
    first.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    last = classes.locator("tbody tr").last
    expect(last).to_have_attribute("aria-selected", "true", timeout=WAIT)
    label = last.locator("td").nth(1).inner_text()
    expect(part).to_contain_text(f"Votes for the class {label}: score", timeout=WAIT)
    votes = part.get_by_role("grid", name="Strongest votes")
    expect(votes.locator("tbody tr")).to_have_count(4, timeout=WAIT)
    votes.locator("tbody tr").first.click()
    expect(votes.locator("tbody tr").first).to_have_attribute("aria-selected", "true", timeout=WAIT)
    expect(part.locator(".wb-heat-regions .wb-marked")).to_have_count(2, timeout=WAIT)
    expect(part.locator(".wb-plot .ytick text")).to_have_count(5, timeout=WAIT)  # four votes and the score
    click_bar(part.locator(".wb-plot .barlayer .point").nth(1))
    expect(votes.locator("tbody tr").nth(1)).to_have_attribute("aria-selected", "true", timeout=WAIT)
    assert page.evaluate(CELLS) == count

    # By mouse: an image of the ranking, whose name is shown as text.
    images = part.get_by_role("group", name="Images ranked by ONE")
    images.get_by_role("figure").filter(has_text=NAUGHTY).click()
    expect(part).to_contain_text(f"Votes for kind 0/{NAUGHTY}: score", timeout=WAIT)
    expect(classes.locator("tbody tr[aria-selected='true']")).to_have_count(0, timeout=WAIT)
    assert page.locator("img[src='x']").count() == 0
    assert serious(page, ".wb-classes") == []


def test_boxes_on_the_results_can_be_switched_on_and_off(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    panel = notebook.show(folder, cache, "query_panel", options=SIZE, pipeline=PIPELINE)
    ranked(panel)
    results = region(panel, "Results")
    switch = results.get_by_role("button", name="Boxes", exact=True)
    switch.press("Enter")
    boxes = results.locator(".wb-box")
    expect(boxes).to_have_count(15, timeout=WAIT)
    first = boxes.first
    expect(first).to_have_attribute("style", re.compile("width"), timeout=WAIT)
    box = first.bounding_box()
    picture = results.locator(".wb-frame img").first.bounding_box()
    assert box and picture and picture["x"] - 1 <= box["x"]
    assert 4 < box["width"] < 0.9 * picture["width"]  # a quarter of it
    switch.press("Enter")
    expect(boxes).to_have_count(0, timeout=WAIT)


def test_proposals_of_an_earlier_epoch_are_shown(notebook: Notebook, folder: Path, cache: Path) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "proposals_panel", options=SIZE, pipeline=PIPELINE)
    part = region(panel, "Proposals")
    expect(select(part, "Trained proposals")).to_have_value("shipped, for efficientnet_lite0", timeout=WAIT)
    scene = part.get_by_role("figure").first
    proposals = scene.locator(".wb-region-drawn")
    expect(proposals).to_have_count(8, timeout=WAIT)
    last = proposals.first.get_attribute("aria-label")
    slider = part.get_by_role("slider", name="Epoch shown")
    slider.focus()
    page.keyboard.press("Home")
    expect(proposals.first).not_to_have_attribute("aria-label", str(last), timeout=WAIT)
    expect(part.get_by_role("button", name="Train")).to_be_disabled()
    assert serious(page, ".wb-proposals") == []
