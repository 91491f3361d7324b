"""The panel of index trade-offs in JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import NAUGHTY, button, region

pytestmark = pytest.mark.browser
WAIT = 120_000


@pytest.fixture
def panel(notebook: Notebook, folder: Path, cache: Path) -> Locator:
    return notebook.show(folder, cache, "tradeoff_panel", pipeline="efficientnet_lite0/max/rmac:2/pca:16")


def measure(notebook: Notebook, panel: Locator, *indexes: str) -> Locator:
    """Measure these indexes and no others; return the part of the panel."""
    part = region(panel, "Index trade-off")
    expect(part).to_contain_text("not measured yet", timeout=WAIT)
    chips = part.get_by_role("group", name="Indexes", exact=True)
    field = part.get_by_role("textbox", name="Another index")
    for index in indexes:
        if button(chips, index).count() == 0:
            field.fill(index)
            field.press("Enter")
            expect(button(chips, index)).to_have_attribute("aria-pressed", "true")
    notebook.settle()
    for chip in chips.get_by_role("button").all():
        if (chip.get_attribute("aria-pressed") == "true") != (chip.inner_text().strip("✓ ") in indexes):
            chip.click()
            notebook.settle()
    button(part, "Measure").click()
    rows = part.get_by_role("grid", name="Indexes measured").get_by_role("row")
    expect(rows).to_have_count(len(indexes) + 1, timeout=WAIT)
    unmeasured = part.locator(".wb-sentence", has_text=re.compile("…|not measured yet"))
    expect(unmeasured).to_have_count(0, timeout=WAIT)
    return part


def test_indexes_are_measured_inspected_and_used(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    part = measure(notebook, panel, "exact", "ivf:4", "lsh:64", "ivf:64")
    cells = page.evaluate(CELLS)
    chart = part.get_by_role("application", name=re.compile("^Indexes over two measures"))
    spoken = part.get_by_role("status").filter(has_text=re.compile("recall@10"))
    # 24 images are too few for 64 cells: the row of ivf:64 shows an error.
    expect(chart.locator(".scatterlayer .point")).to_have_count(2 * 3, timeout=WAIT)  # and labels
    expect(chart).to_contain_text("not drawn, as not measured: ivf:64")
    expect(part.get_by_role("row", name=re.compile("ivf:64"))).to_contain_text("64")
    expect(part).to_contain_text("Pareto front of recall@10")
    # By mouse: a row shows the nearest cell of its index.
    part.get_by_role("row", name=re.compile("ivf:4")).click()
    expect(chart.locator(".wb-plot-current")).to_have_count(1)
    members = part.get_by_role("listbox", name="Images in the cell")
    expect(members.get_by_role("option", name=re.compile("score 1.000"))).to_be_visible(timeout=WAIT)
    # By keyboard: another cell, more probes, another index in the chart.
    part.get_by_role("application", name=re.compile("^Images in each cell")).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(part).to_contain_text("The 4th nearest cell (not searched)")
    part.get_by_role("slider", name="nprobe of ivf:4").focus()
    page.keyboard.press("End")
    expect(chart).to_contain_text("ivf:4:4", timeout=WAIT)
    expect(chart.locator(".scatterlayer .point")).to_have_count(2 * 3 + 2)  # with the trail
    expect(part).to_contain_text("The 4th nearest cell (searched)", timeout=WAIT)
    chart.focus()
    page.keyboard.press("ArrowLeft")  # the current one
    expect(spoken).to_contain_text("ivf:4:4: recall@10 100.0 %")
    page.keyboard.press("ArrowLeft")  # by bytes an image
    expect(spoken).to_contain_text("exact: recall@10 100.0 %")
    page.keyboard.press("ArrowLeft")
    expect(spoken).to_contain_text("lsh:64: recall@10")
    page.keyboard.press("Enter")
    expect(part.get_by_role("row", name=re.compile("lsh:64"))).to_have_attribute("aria-selected", "true")
    expect(part.get_by_role("img", name=re.compile("^0 of 64 bits differ"))).to_be_visible(timeout=WAIT)
    expect(part.locator(".wb-bits tr")).to_have_count(25)
    part.get_by_role("combobox", name="Across").select_option("queries a second")
    expect(chart).to_contain_text("queries a second, more is better")
    part.get_by_role("button", name="Use in the pipeline").click()
    expect(region(panel, "Messages").get_by_role("button", name="Cancel")).to_be_hidden(timeout=WAIT)
    assert page.evaluate(CELLS) == cells  # no key edited the notebook
    assert serious(page, ".wb-index-trade-off") == []


def test_file_names_are_text_and_unknown_index_is_rejected(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    part = measure(notebook, panel, "lsh:64")
    expect(part.locator(".wb-bits")).to_contain_text(NAUGHTY, timeout=WAIT)
    assert page.locator("img[src='x']").count() == 0
    field = part.get_by_role("textbox", name="Another index")
    field.fill("<img src=x onerror=alert(1)>")
    field.press("Enter")
    expect(region(panel, "Messages")).to_contain_text("is not an index")
    assert page.locator("img[src='x']").count() == 0
