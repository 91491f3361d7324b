"""The trade-off panel in real JupyterLab: measured, picked, probed and opened, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.lab import Lab
from tests.browser.steps import CELLS, ERRORS, NAUGHTY, opening, region

pytestmark = pytest.mark.browser
ALONE = """from workbench.panels import Session
from workbench.panels.layout import tradeoff_panel
tradeoff_panel(bench, Session(bench, pipeline="efficientnet_lite0/max/rmac:2/pca:16"))"""
WAIT = 120_000


def measured(panel: Locator, *indexes: str) -> Locator:
    """The panel once these indexes are measured, and no others."""
    part = region(panel, "Index trade-off")
    expect(part).to_contain_text("press Measure", timeout=WAIT)
    chips = part.get_by_role("group", name="Indexes", exact=True)
    field = part.get_by_role("textbox", name="Another index")
    for index in indexes:
        if chips.get_by_role("button", name=index, exact=True).count() == 0:
            field.fill(index)
            field.press("Enter")
            expect(chips.get_by_role("button", name=index, exact=True)).to_be_visible()
    for chip in chips.get_by_role("button").all():
        if (chip.get_attribute("aria-pressed") == "true") != (chip.inner_text().strip("✓ ") in indexes):
            chip.click()
    part.get_by_role("button", name="Measure", exact=True).click()
    rows = part.get_by_role("grid", name="Indexes measured").get_by_role("row")
    expect(rows).to_have_count(len(indexes) + 1, timeout=WAIT)
    expect(part.locator(".wb-sentence", has_text="…")).to_have_count(0, timeout=WAIT)
    return part


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_indexes_are_measured_picked_probed_and_used(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, cache: Path
) -> None:
    lab = labs(subshells)
    panel = lab.run(page, lab.write("tradeoff.ipynb", opening(folder, cache), ALONE))
    part = measured(panel, "exact", "ivf:4", "lsh:64", "ivf:64")
    cells = page.evaluate(CELLS)
    chart = part.get_by_role("group", name="Indexes over two measures")
    expect(chart.get_by_role("button")).to_have_count(3)  # 24 images are too few for 64 cells,
    expect(part.get_by_role("row", name=re.compile("ivf:64"))).to_contain_text("64")  # which is said
    expect(part).to_contain_text("Pareto front of recall@10")
    # By mouse: a row, and the nearest cell of its index.
    part.get_by_role("row", name=re.compile("ivf:4")).click()
    expect(chart.get_by_role("button", name=re.compile("^ivf:4:"))).to_have_attribute("aria-pressed", "true")
    held = part.get_by_role("listbox", name="Images in the cell")
    expect(held.get_by_role("option", name=re.compile("score 1.000"))).to_be_visible(timeout=WAIT)
    # By keyboard: another cell, more probes, another point.
    part.get_by_role("slider", name="Cell", exact=True).focus()
    page.keyboard.press("End")
    expect(part).to_contain_text("The 4th nearest cell (not searched)")
    part.get_by_role("slider", name="nprobe of ivf:4").focus()
    page.keyboard.press("End")
    expect(chart.get_by_role("button", name=re.compile("^ivf:4:4: recall@10 100.0 %"))).to_be_visible(
        timeout=WAIT
    )
    expect(part).to_contain_text("The 4th nearest cell (searched)", timeout=WAIT)
    chart.get_by_role("button", name=re.compile("^exact")).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(part.get_by_role("row", name=re.compile("lsh:64"))).to_have_attribute("aria-selected", "true")
    expect(part.get_by_role("img", name=re.compile("^0 of 64 bits differ"))).to_be_visible(timeout=WAIT)
    expect(part.locator(".wb-bits tr")).to_have_count(25)
    part.get_by_role("combobox", name="Across").select_option("queries a second")
    expect(chart).to_contain_text("queries a second, more is better")
    part.get_by_role("button", name="Use in the pipeline").click()
    expect(region(panel, "Messages").get_by_role("button", name="Cancel")).to_be_hidden(timeout=WAIT)
    assert page.evaluate(CELLS) == cells  # no key has edited the notebook
    assert page.evaluate(ERRORS) == []
    assert serious(page, ".wb-index-trade-off") == []


def test_names_are_text_and_an_index_that_is_none_is_refused(
    lab: Lab, page: Page, folder: Path, cache: Path
) -> None:
    panel = lab.run(page, lab.write("tradeoff_names.ipynb", opening(folder, cache), ALONE))
    part = measured(panel, "lsh:64")
    expect(part.locator(".wb-bits")).to_contain_text(NAUGHTY, timeout=WAIT)
    assert page.locator("img[src='x']").count() == 0
    field = part.get_by_role("textbox", name="Another index")
    field.fill("<img src=x onerror=alert(1)>")
    field.press("Enter")
    expect(region(panel, "Messages")).to_contain_text("is no index")
    assert page.locator("img[src='x']").count() == 0
