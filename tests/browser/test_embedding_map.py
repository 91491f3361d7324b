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
OTHER = "efficientnet_lite0/mean/whole"


def make_map(panel: Locator) -> Locator:
    """Compute the map and return its plot."""
    # A stored map is shown without a click, and the button is disabled once the map is made.
    button(panel, "Make map").dispatch_event("click")
    expect(button(panel, "Make map")).to_be_disabled(timeout=120_000)
    plot = panel.locator(".wb-plot .plot-container")
    expect(plot).to_be_visible(timeout=120_000)
    expect(panel.locator(".wb-plot-chart")).to_have_attribute("aria-busy", "false", timeout=120_000)
    plot.scroll_into_view_if_needed()
    return plot


def still(notebook: Notebook, panel: Locator) -> None:
    """Wait until the map is drawn: one that is drawn again ends a lasso, and hides the card of a point."""
    notebook.settle()
    expect(panel.locator(".wb-plot-chart")).to_have_attribute("aria-busy", "false", timeout=30_000)
    notebook.page.wait_for_timeout(1000)


def lasso(page: Page, plot: Locator, *corners: tuple[float, float]) -> None:
    """Draw a line around a part of the first map; corners are fractions of its width and height."""
    box = plot.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


ALL = ((0.005, 0.005), (0.995, 0.005), (0.995, 0.995), (0.005, 0.995))


def test_map_is_computed_selected_on_and_coloured(notebook: Notebook, folder: Path, cache: Path) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "map_panel", pipeline=PIPELINE)
    plot = make_map(panel)
    cells = page.evaluate(CELLS)
    expect(plot.locator(".trace .point")).to_have_count(24 + 1)  # with the square around the query
    expect(plot.locator(".legend")).to_contain_text("kind 3 (6)")
    marks = region(panel, "Embedding map")
    # By mouse: select all images, then none.
    still(notebook, panel)
    lasso(page, plot, *ALL)
    expect(marks).to_contain_text("24 selected")
    still(notebook, panel)
    lasso(page, plot, (0.002, 0.002), (0.006, 0.002), (0.006, 0.006))
    expect(marks).not_to_contain_text("selected ·")
    find = panel.get_by_role("textbox", name="Find")
    find.fill("kind 2/")
    expect(marks).to_contain_text("6 of 24 names contain 'kind 2/'")
    find.fill("")
    for colour, title in (("AP", "AP of the image's query"), ("similarity to the query", "Similarity")):
        select(panel, "Colour").select_option(colour)
        expect(plot).to_contain_text(title)
    assert page.evaluate(CELLS) == cells  # no key edited the notebook
    assert serious(page, ".wb-embedding-map") == []


def test_methods_dimensions_and_two_pipelines(notebook: Notebook, folder: Path, cache: Path) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "map_panel", pipeline=PIPELINE, compared=(PIPELINE, OTHER))
    part = region(panel, "Embedding map")
    make_map(panel)
    button(part, "Parameters").click()
    neighbours = part.get_by_role("spinbutton", name="Neighbours", exact=True)
    expect(neighbours).to_be_visible()
    select(panel, "Method").select_option("PCA")
    expect(neighbours).to_be_hidden()
    plot = make_map(panel)
    expect(plot).to_contain_text("% of the variance")
    select(panel, "Dimensions").select_option("3-D")
    make_map(panel)
    expect(plot.locator(".gl-container canvas").first).to_be_attached(timeout=60_000)
    select(panel, "Dimensions").select_option("2-D")
    select(panel, "Compare with").select_option(OTHER)
    make_map(panel)
    expect(part).to_contain_text("Mean agreement", timeout=60_000)
    expect(plot.locator(".nsewdrag")).to_have_count(2)
    # A lasso on one map selects on both; a click on a picture studies it.
    still(notebook, panel)
    lasso(page, plot, *ALL)
    expect(part).to_contain_text("24 selected")
    expect(plot.locator(".trace .point")).to_have_count(2 * (24 + 1))
    strip = part.get_by_role("listbox", name="Images whose neighbours differ most")
    picture = strip.get_by_role("option").first
    name = picture.get_attribute("aria-label") or picture.inner_text()
    picture.click()
    notebook.settle()
    assert notebook.evaluate("kernel._sessions[-1].image") in name
    assert serious(page, ".wb-embedding-map") == []


def test_map_and_results_share_selection_and_file_names_are_text(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "query_panel", "map_panel", pipeline=PIPELINE)
    query_panel = page.locator(".wb-panel").first
    _, before = ranked(query_panel)
    plot = make_map(panel)
    marks = region(panel, "Embedding map")
    expect(marks).to_contain_text("the query")
    select(query_panel, "Query").select_option(label="kind 1/1.jpg")
    _, before = ranked(query_panel, before)
    select(query_panel, "Query").select_option(label=f"kind 0/{NAUGHTY}")
    ranked(query_panel, before)
    still(notebook, panel)
    # The point of the query is inside its square, which is drawn last.
    plot.locator(".trace .point").last.scroll_into_view_if_needed()
    square = plot.locator(".trace .point").last.bounding_box()
    assert square is not None
    at = square["x"] + square["width"] / 2, square["y"] + square["height"] / 2
    page.mouse.move(at[0] - 1, at[1])
    page.mouse.move(*at)
    card = panel.locator(".wb-plot-card")
    expect(card).to_contain_text(NAUGHTY)
    expect(card.locator("img")).to_be_visible()
    page.mouse.click(*at)
    current = region(query_panel, "Results").locator("figure[aria-current=true]")
    expect(current).to_contain_text(NAUGHTY)
    still(notebook, panel)
    lasso(page, plot, *ALL)
    expect(marks).to_contain_text("24 selected")
    # Another pipeline, without a map: the map of the first one is dimmed and named.
    select(query_panel, "Pooling").select_option("mean")
    chart = panel.locator(".wb-plot-chart")
    expect(chart).to_have_attribute("aria-busy", "true")
    expect(panel.locator(".wb-plot")).to_have_class(re.compile("wb-stale"))
    expect(marks).to_contain_text("This is the map of")
    make_map(panel)
    expect(panel.locator(".wb-plot")).not_to_have_class(re.compile("wb-stale"), timeout=60_000)
    expect(chart).to_have_attribute("aria-busy", "false")
    assert page.locator("img[src='x']").count() == 0
