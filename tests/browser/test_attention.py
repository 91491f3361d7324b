"""The attention panel in real JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.lab import Lab
from tests.browser.steps import CELLS, NAUGHTY, opening, region, select

pytestmark = pytest.mark.browser
ATTENTION = """from workbench.panels import Session
from workbench.panels.layout import attention_panel
session = Session(bench, pipeline="efficientnet_lite0/max/rmac:2")
attention_panel(bench, session)"""


def opened(lab: Lab, page: Page, folder: Path, cache: Path) -> Locator:
    panel = lab.run(page, lab.write("attention.ipynb", opening(folder, cache), ATTENTION))
    expect(region(panel, "Attention").get_by_role("listbox").first).to_be_visible(timeout=60_000)
    expect(panel.locator("canvas.wb-heat-layer")).to_be_visible()
    return region(panel, "Attention")


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_regions_by_mouse(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, cache: Path
) -> None:
    panel = opened(labs(subshells), page, folder, cache)
    regions = panel.get_by_role("listbox").first.locator("[role=option]:not([hidden])")
    found = panel.get_by_role("listbox", name="Nearest regions").get_by_role("option")
    regions.nth(1).hover()
    expect(panel.locator(".wb-heat-value")).to_contain_text(re.compile(r"region \d+: weight 1"))
    expect(found).to_have_count(12, timeout=30_000)
    expect(panel).to_contain_text(re.compile(r"Regions nearest to region \d+:"))
    for kind in ("contribution to the score", "centre prior", "channels with the largest contribution"):
        select(panel, "Heat").select_option(label=kind)
    table = panel.get_by_role("grid", name="Channels with the largest contribution")
    expect(table.locator("tbody tr")).to_have_count(8, timeout=30_000)
    table.locator("tbody tr").nth(2).click()
    expect(panel.locator(".wb-heat-quantity")).to_contain_text(
        f"channel {table.locator('tbody tr').nth(2).locator('td').first.inner_text()}"
    )
    regions.nth(1).click()
    expect(panel.get_by_role("listbox").first.locator("[aria-selected=true]")).to_have_count(1)
    expect(panel).to_contain_text(re.compile(r"score 0\.\d+ with kind"))
    name = (found.nth(2).get_attribute("aria-label") or "").split(",")[0]
    found.nth(2).click()
    expect(select(panel, "Image").locator("option:checked")).to_have_text(name)
    expect(panel.locator(".wb-heat-caption .wb-name")).to_have_text(Path(name).name, timeout=30_000)
    assert serious(page, ".wb-attention") == []


def test_regions_by_keyboard(lab: Lab, page: Page, folder: Path, cache: Path) -> None:
    panel = opened(lab, page, folder, cache)
    cells = page.evaluate(CELLS)
    select(panel, "Image").select_option(label=f"kind 0/{NAUGHTY}")
    expect(panel.locator(".wb-heat-caption .wb-name")).to_have_text(NAUGHTY, timeout=30_000)
    regions = panel.get_by_role("listbox").first.locator("[role=option]:not([hidden])")
    levels = panel.get_by_role("group", name="Levels")
    few = regions.count()
    levels.get_by_role("button", name="1", exact=True).focus()
    page.keyboard.press("Space")
    expect(regions).not_to_have_count(few)
    panel.locator(".wb-heat-regions [tabindex='0']").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(panel.locator(".wb-heat-value")).to_contain_text("region 2: weight 1")
    found = panel.get_by_role("listbox", name="Nearest regions").get_by_role("option")
    expect(found).to_have_count(12, timeout=30_000)
    for key in "abxdd":  # shortcuts of a notebook
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    marked = panel.get_by_role("listbox").first.locator("[aria-selected=true]")
    expect(marked).to_have_attribute("aria-label", "region 2: weight 1")
    assert page.evaluate(CELLS) == cells
    assert page.locator("img[src='x']").count() == 0
