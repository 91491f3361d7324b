"""The map in real JupyterLab: made, lassoed and walked, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.lab import Lab
from tests.browser.steps import CELLS, ERRORS, NAUGHTY, opening, region, select, shown

pytestmark = pytest.mark.browser
WITH_RESULTS = """from workbench.panels import Session, query_panel
from workbench.panels.layout import map_panel
import ipywidgets as W
session = Session(bench, pipeline="efficientnet_lite0/max/rmac:2")
W.VBox([query_panel(bench, session), map_panel(bench, session)])"""
ALONE = """from workbench.panels import Session
from workbench.panels.layout import map_panel
map_panel(bench, Session(bench, pipeline="efficientnet_lite0/max/rmac:2"))"""
# How many pixels of a canvas are painted.
INKED = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((count, value, i) => count + (i % 4 === 3 && value > 0), 0)"""


def made(panel: Locator) -> Locator:
    """The plot of the map, once it is made."""
    # Where the map was made before it comes by itself, and the button is disabled.
    panel.get_by_role("button", name="Make map", exact=True).dispatch_event("click")
    plot = panel.get_by_role("application", name=re.compile("^Map of the images"))
    expect(plot).to_be_visible(timeout=120_000)
    plot.scroll_into_view_if_needed()
    return plot


def lasso(page: Page, plot: Locator, *corners: tuple[float, float]) -> None:
    """Draw round a part of the plot, corners as shares of its width and height."""
    box = plot.bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_a_map_is_made_lassoed_walked_and_coloured(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, cache: Path
) -> None:
    lab = labs(subshells)
    panel = lab.run(page, lab.write("map.ipynb", opening(folder, cache), ALONE))
    plot = made(panel)
    cells = page.evaluate(CELLS)
    assert plot.locator("canvas").first.evaluate(INKED) > 24
    legend = panel.locator(".wb-legend")
    expect(legend).to_contain_text("kind 3")
    # By mouse: everything, then nothing.
    lasso(page, plot, (0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99))
    expect(legend).to_contain_text(re.compile(r"selected\s*24"))
    lasso(page, plot, (0.002, 0.002), (0.01, 0.002), (0.01, 0.01))
    expect(legend).not_to_contain_text("selected")
    # By keyboard: walk, select two, study one, clear.
    plot.focus()
    card = plot.locator(".wb-card")
    names = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
        expect(card).to_be_visible()
        names.append(card.inner_text())
    assert len(set(names)) > 1
    expect(card.locator("img")).to_be_visible()
    page.keyboard.press("s")
    expect(legend).to_contain_text(re.compile(r"selected\s*1"))
    page.keyboard.press("Enter")
    expect(legend).to_contain_text("image under study")
    page.keyboard.press("Escape")
    expect(legend).not_to_contain_text("selected")
    for colour, title in (("AP", "AP of the image's query"), ("similarity to the query", "Similarity")):
        select(panel, "Colour").select_option(colour)
        expect(legend).to_contain_text(title)
    assert page.evaluate(CELLS) == cells  # no key has edited the notebook
    assert page.evaluate(ERRORS) == []
    assert serious(page, ".wb-embedding-map") == []


def test_map_and_results_are_linked_and_names_are_text(
    lab: Lab, page: Page, folder: Path, cache: Path
) -> None:
    panel = lab.run(page, lab.write("linked.ipynb", opening(folder, cache), WITH_RESULTS))
    asking = page.locator(".wb-panel").first
    _, before = shown(asking)
    plot = made(panel)
    legend = panel.locator(".wb-legend")
    expect(legend).to_contain_text("the query")
    select(asking, "Query").select_option(label="kind 1/1.jpg")
    _, before = shown(asking, before)
    select(asking, "Query").select_option(label=f"kind 0/{NAUGHTY}")
    shown(asking, before)
    plot.focus()
    page.keyboard.press("ArrowRight")  # from nowhere, to the query's own image
    expect(plot.locator(".wb-card")).to_contain_text(NAUGHTY)
    page.keyboard.press("Enter")
    current = region(asking, "Results").locator("figure[aria-current=true]")
    expect(current).to_contain_text(NAUGHTY)
    lasso(page, plot, (0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99))
    expect(legend).to_contain_text(re.compile(r"selected\s*24"))
    # Another pipeline, of which no map was made: the old one is dimmed and says so.
    select(asking, "Pooling").select_option("mean")
    expect(plot).to_have_attribute("aria-busy", "true")
    expect(region(panel, "Embedding map")).to_contain_text("This is the map of")
    made(panel)
    expect(plot).to_have_attribute("aria-busy", "false", timeout=60_000)
    assert page.locator("img[src='x']").count() == 0
