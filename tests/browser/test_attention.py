"""The attention panel in JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import NAUGHTY, button, region, select

pytestmark = pytest.mark.browser
PIPELINE = "efficientnet_lite0/max/rmac:2"


@pytest.fixture
def panel(notebook: Notebook, folder: Path, cache: Path) -> Locator:
    """The attention panel after heat and regions have been shown."""
    panel = notebook.show(folder, cache, "attention_panel", pipeline=PIPELINE)
    expect(region(panel, "Attention").get_by_role("listbox").first).to_be_visible(timeout=60_000)
    expect(panel.locator("canvas.wb-heat-layer").first).to_be_visible()
    return region(panel, "Attention")


def test_regions_are_chosen_by_mouse(panel: Locator, notebook: Notebook) -> None:
    regions = panel.get_by_role("listbox").first.locator("[role=option]:not([hidden])")
    nearest = panel.get_by_role("listbox", name="Nearest regions").get_by_role("option")
    regions.last.hover()  # the one drawn on top
    expect(panel.locator(".wb-heat-value").first).to_contain_text(re.compile(r"region \d+: weight 1"))
    expect(nearest).to_have_count(12, timeout=30_000)
    expect(panel).to_contain_text(re.compile(r"Regions nearest to region \d+:"))
    for kind in ("contribution to the score", "centre prior", "channels with the largest contribution"):
        select(panel, "Heat").select_option(label=kind)
    table = panel.get_by_role("grid", name="Channels with the largest contribution")
    expect(table.locator("tbody tr")).to_have_count(8, timeout=30_000)
    table.locator("tbody tr").nth(2).click()
    expect(panel.locator(".wb-heat-quantity")).to_contain_text(
        f"channel {table.locator('tbody tr').nth(2).locator('td').first.inner_text()}"
    )
    regions.last.click()
    expect(panel.get_by_role("listbox").first.locator("[aria-selected=true]")).to_have_count(1)
    expect(panel).to_contain_text(re.compile(r"score 0\.\d+ with kind"))
    expect(nearest).to_have_count(12, timeout=30_000)
    name = notebook.click(nearest.nth(2)).split(",")[0]
    expect(select(panel, "Image").locator("option:checked")).to_have_text(name)
    expect(panel.locator(".wb-heat-caption .wb-name").first).to_have_text(name, timeout=30_000)
    assert serious(notebook.page, ".wb-attention") == []


def test_regions_are_chosen_by_keyboard(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    cells = page.evaluate(CELLS)
    notebook.evaluate("kernel.search_names('Image')")
    field, listed = select(panel, "Image"), panel.get_by_role("listbox", name="Image").get_by_role("option")
    field.focus()
    page.keyboard.press("ArrowDown")
    expect(listed).to_have_count(26)  # the query, the chosen result, and all images
    field.press_sequentially("2.JPG")
    expect(listed).to_have_count(4)
    assert serious(page, ".wb-attention") == []
    page.keyboard.press("Escape")
    expect(field).to_have_value("the query")
    field.fill("<img SRC")
    page.keyboard.press("Enter")
    expect(field).to_have_value(f"kind 0/{NAUGHTY}")
    expect(panel.locator(".wb-heat-caption .wb-name").first).to_have_text(f"kind 0/{NAUGHTY}", timeout=30_000)
    regions = panel.get_by_role("listbox").first.locator("[role=option]:not([hidden])")
    levels = panel.get_by_role("group", name="Levels")
    count = regions.count()
    levels.get_by_role("button", name="1", exact=True).focus()
    page.keyboard.press("Space")
    expect(regions).not_to_have_count(count)
    panel.locator(".wb-heat-regions [tabindex='0']").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(panel.locator(".wb-heat-value").first).to_contain_text("region 2: weight 1")
    nearest = panel.get_by_role("listbox", name="Nearest regions").get_by_role("option")
    expect(nearest).to_have_count(12, timeout=30_000)
    for key in "abxdd":  # shortcuts of a notebook
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    marked = panel.get_by_role("listbox").first.locator("[aria-selected=true]")
    expect(marked).to_have_attribute("aria-label", "region 2: weight 1")
    assert page.evaluate(CELLS) == cells
    assert page.locator("img[src='x']").count() == 0


def test_parts_of_two_images_have_shared_colours(panel: Locator, notebook: Notebook) -> None:
    select(panel, "Heat").select_option(label="principal components of both images")
    coloured = panel.locator("canvas.wb-heat-layer:visible")
    expect(coloured).to_have_count(2, timeout=30_000)
    legend = panel.locator(".wb-heat-quantity:visible")
    expect(legend).to_contain_text(re.compile(r"red: component 1 \(\d+ %\), green: component 2"))
    select(panel, "Components").select_option(label="2 to 4")
    expect(legend).to_contain_text("red: component 2", timeout=30_000)
    button(panel, "Keep colours").press("Space")
    select(panel, "Second image").select_option(label=f"kind 0/{NAUGHTY}")
    expect(panel.locator(".wb-two-looks .wb-name").nth(1)).to_have_text(f"kind 0/{NAUGHTY}", timeout=30_000)
    expect(legend).to_contain_text("components of ", timeout=30_000)
    assert serious(notebook.page, ".wb-attention") == []
    assert notebook.page.locator("img[src='x']").count() == 0
    select(panel, "Heat").select_option(label="norm of all channels")
    expect(coloured).to_have_count(1)
