"""The configuration panel in JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import Notebook
from tests.browser.steps import button, ranked, region, select

pytestmark = pytest.mark.browser


def press(part: Locator, name: str) -> None:
    button(part, name).click()


def test_pipeline_is_set_by_slider_string_slot_and_favourite(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "query_panel", pipeline="efficientnet_lite0/max/rmac:2")
    part = region(panel, "Configuration")
    _, before = ranked(panel)
    string = part.get_by_label("Pipeline", exact=True)

    # By keyboard: a slider, and the string itself.
    levels = part.get_by_role("slider", name="Regions: levels", exact=True)
    levels.focus()
    page.keyboard.press("ArrowRight")
    expect(string).to_have_value("efficientnet_lite0/max/rmac:3")
    _, before = ranked(panel, before)
    string.fill("efficientnet_lite0/fancy/whole")
    page.keyboard.press("Enter")
    expect(part.get_by_text(re.compile("fancy.*valid: max"))).to_be_visible()
    expect(string).to_have_value("efficientnet_lite0/fancy/whole")
    string.fill("efficientnet_lite0/gem:4/grid:2x2")
    page.keyboard.press("Enter")
    expect(part.get_by_text(re.compile("fancy"))).to_have_count(0)
    expect(select(panel, "Pooling")).to_have_value("gem:4")
    expect(part.get_by_role("slider", name="Regions: columns", exact=True)).to_have_attribute(
        "aria-valuetext", "2"
    )
    _, before = ranked(panel, before)

    # By mouse: two slots and a favourite.
    expect(select(panel, "Favourite")).to_have_count(0)
    press(part, "More")
    press(part, "Set A")
    part.get_by_role("slider", name="Pooling: p", exact=True).click(position={"x": 2, "y": 8})
    expect(string).to_have_value("efficientnet_lite0/gem:1/grid:2x2")
    press(part, "Set B")
    press(part, "Use A")
    expect(string).to_have_value("efficientnet_lite0/gem:4/grid:2x2")
    expect(part.get_by_text("generalised mean over 4 regions")).to_be_visible()
    notebook.fill(part.get_by_label("Name", exact=True), "mine")
    press(part, "Save")
    select(panel, "Favourite").select_option("MAC")
    expect(string).to_have_value("efficientnet_lite0/max/whole/pcaw:256")
    select(panel, "Favourite").select_option("mine")
    expect(string).to_have_value("efficientnet_lite0/gem:4/grid:2x2")
    ranked(panel)
    assert serious(page, ".wb-configuration") == []


def test_suggested_pipeline_is_used(notebook: Notebook, folder: Path, cache: Path) -> None:
    page = notebook.page
    quick = "from workbench.panels.configuration import suggestion; suggestion.SECONDS = 1.0"
    other = "efficientnet_lite0/mean/whole"
    panel = notebook.show(folder, cache, "query_panel", before=quick, pipeline=other)
    part = region(panel, "Configuration")
    _, before = ranked(panel)
    use = button(part, "Use")
    expect(use).to_be_hidden()
    press(part, "Suggest")
    expect(part.get_by_text(re.compile("Pipelines tried: "))).to_be_visible(timeout=60_000)
    assert serious(page, ".wb-panel") == []
    use.press("Enter")
    expect(use).to_be_hidden()
    expect(part.get_by_label("Pipeline", exact=True)).not_to_have_value(other)
    ranked(panel, before)
