"""The embedding map in JupyterLab: computing it, lasso selection and navigation, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import NAUGHTY, button, ranked, region, select

pytestmark = pytest.mark.browser
PIPELINE = "efficientnet_lite0/max/rmac:2"
# The number of painted pixels of a canvas.
INKED = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((count, value, i) => count + (i % 4 === 3 && value > 0), 0)"""


def make_map(panel: Locator) -> Locator:
    """Compute the map and return its plot."""
    # A stored map is shown without a click, and then the button is disabled.
    button(panel, "Make map").dispatch_event("click")
    plot = panel.get_by_role("application", name=re.compile("^Map of the images"))
    expect(plot).to_be_visible(timeout=120_000)
    plot.scroll_into_view_if_needed()
    return plot


def lasso(page: Page, plot: Locator, *corners: tuple[float, float]) -> None:
    """Draw a line around a part of the plot; corners are fractions of its width and height."""
    box = plot.bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def test_map_is_computed_selected_on_and_coloured(notebook: Notebook, folder: Path, cache: Path) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "map_panel", pipeline=PIPELINE)
    plot = make_map(panel)
    cells = page.evaluate(CELLS)
    assert plot.locator("canvas").first.evaluate(INKED) > 24
    legend = panel.locator(".wb-legend")
    expect(legend).to_contain_text("kind 3")
    # By mouse: select all images, then none.
    lasso(page, plot, (0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99))
    expect(legend).to_contain_text(re.compile(r"selected\s*24"))
    lasso(page, plot, (0.002, 0.002), (0.01, 0.002), (0.01, 0.01))
    expect(legend).not_to_contain_text("selected")
    # By keyboard: move, select an image, study it, clear the selection.
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
    assert page.evaluate(CELLS) == cells  # no key edited the notebook
    assert serious(page, ".wb-embedding-map") == []


def test_map_and_results_share_selection_and_file_names_are_text(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "query_panel", "map_panel", pipeline=PIPELINE)
    query_panel = page.locator(".wb-panel").first
    _, before = ranked(query_panel)
    plot = make_map(panel)
    legend = panel.locator(".wb-legend")
    expect(legend).to_contain_text("the query")
    select(query_panel, "Query").select_option(label="kind 1/1.jpg")
    _, before = ranked(query_panel, before)
    select(query_panel, "Query").select_option(label=f"kind 0/{NAUGHTY}")
    ranked(query_panel, before)
    plot.focus()
    page.keyboard.press("ArrowRight")  # the first key moves to the image of the query
    expect(plot.locator(".wb-card")).to_contain_text(NAUGHTY)
    page.keyboard.press("Enter")
    current = region(query_panel, "Results").locator("figure[aria-current=true]")
    expect(current).to_contain_text(NAUGHTY)
    lasso(page, plot, (0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99))
    expect(legend).to_contain_text(re.compile(r"selected\s*24"))
    # Another pipeline, without a map: the map of the first one is dimmed and named.
    select(query_panel, "Pooling").select_option("mean")
    expect(plot).to_have_attribute("aria-busy", "true")
    expect(region(panel, "Embedding map")).to_contain_text("This is the map of")
    make_map(panel)
    expect(plot).to_have_attribute("aria-busy", "false", timeout=60_000)
    assert page.locator("img[src='x']").count() == 0
