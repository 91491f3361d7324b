"""The first notebook and its panel in real JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.browser.lab import ROOT, Lab
from tests.browser.steps import CELLS, ERRORS, NAUGHTY, opening, photos, region, select, shown

pytestmark = pytest.mark.browser
NOTEBOOK = ROOT / "notebooks" / "01_explore_a_collection.ipynb"


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_changing_pooling_and_regions_changes_ranking_and_map(
    labs: Callable[[bool], Lab], subshells: bool, page: Page
) -> None:
    lab = labs(subshells)
    shutil.copy(NOTEBOOK, lab.folder)
    lab.run(page, NOTEBOOK.name)
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    number = next(i for i, cell in enumerate(cells) if cell.source == "bench.query_panel()")
    page.evaluate(f"() => jupyterapp.shell.currentWidget.content.scrollToItem({number}, 'start')")
    panel = page.locator(".wb-panel", has=page.get_by_role("combobox", name="Pooling", exact=True))
    seen = [shown(panel, seconds=300)]
    changes = [("Pooling", "mean"), ("Regions", "whole"), ("Pooling", "gem:3"), ("Regions", "rmac:5")]
    for number, (name, value) in enumerate(changes):
        if number % 2:
            # By keyboard: typing the beginning of an option chooses it.
            select(panel, name).focus()
            page.keyboard.type(value)
        else:
            select(panel, name).select_option(value)
        expect(panel.get_by_label("Pipeline", exact=True)).to_have_value(re.compile(f"/{value}/"))
        seen.append(shown(panel, before=seen[-1][1]))
        assert seen[-1][0] != seen[-2][0]
    assert page.evaluate(ERRORS) == []
    assert page.evaluate(CELLS) == len(nbformat.read(NOTEBOOK, as_version=4).cells)


@pytest.fixture
def panel(lab: Lab, page: Page, folder: Path, cache: Path) -> Locator:
    """The panel on a small folder, with a pipeline that so few images allow."""
    return lab.run(page, lab.write("small.ipynb", opening(folder, cache), SMALL))


SMALL = """from workbench.panels import Session, query_panel
query_panel(bench, Session(bench, pipeline="efficientnet_lite0/max/rmac:2"))"""


def test_keys_move_in_the_grids_and_leave_the_notebook_alone(panel: Locator, page: Page) -> None:
    shown(panel)
    cells = page.evaluate(CELLS)
    figures = region(panel, "Results").get_by_role("figure")
    figures.first.click()
    for key, place in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", -1), ("Home", 0)]:
        page.keyboard.press(key)
        expect(figures.nth(place)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = region(panel, "Results").locator("figure:focus").bounding_box()
    first = figures.first.bounding_box()
    assert below and first and below["x"] == first["x"] and below["y"] > first["y"]
    assert figures.evaluate_all("all => all.filter((one) => one.tabIndex === 0).length") == 1
    for key in "abxddmyz":  # insert, cut, delete, change cells: shortcuts of a notebook
        page.keyboard.press(key)
    for control in (select(panel, "Whitening"), panel.get_by_role("button", name="Run", exact=True)):
        control.focus()
        for key in "abdd":
            page.keyboard.press(key)
    assert page.evaluate(CELLS) == cells


def test_a_query_is_chosen_by_picture_with_mouse_and_keyboard(panel: Locator, page: Page) -> None:
    _, first = shown(panel)
    thumbnails = region(panel, "Query").get_by_role("listbox", name="Queries").get_by_role("option")
    expect(thumbnails).to_have_count(24)
    thumbnails.nth(8).click()
    expect(select(panel, "Query")).to_have_value(thumbnails.nth(8).get_attribute("aria-label") or "")
    _, second = shown(panel, before=first)
    page.keyboard.press("End")
    expect(thumbnails.nth(23)).to_be_focused()
    page.keyboard.press("Enter")
    expect(thumbnails.nth(23)).to_have_attribute("aria-selected", "true")
    shown(panel, before=second)


def test_each_result_has_rank_score_relevance_and_a_picture(panel: Locator) -> None:
    shown(panel)
    captions = region(panel, "Results").get_by_role("figure").all_inner_texts()
    assert len(captions) == 24
    for number, caption in enumerate(captions, start=1):
        assert re.match(rf"{number}\s+-?\d\.\d{{3}}\s", caption)
        assert re.search(r"✓\s+positive|✗\s+negative|query", caption)
    widths = region(panel, "Results").locator("img").evaluate_all("all => all.map((one) => one.naturalWidth)")
    assert len(widths) == len(captions)
    assert min(widths) > 0


def test_a_file_name_is_text(panel: Locator, page: Page) -> None:
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    naughty = f"kind 0/{NAUGHTY}"
    _, before = shown(panel)
    select(panel, "Query").select_option(label="kind 1/1.jpg")
    _, before = shown(panel, before)
    select(panel, "Query").select_option(label=naughty)
    shown(panel, before)
    expect(region(panel, "Results").get_by_text(naughty, exact=True)).to_be_visible()
    expect(region(panel, "Query").get_by_role("figure").get_by_text(naughty, exact=True)).to_be_visible()
    assert page.locator("img[src='x']").count() == 0
    assert dialogs == []


def test_pictures_that_are_gone_are_given_back(lab: Lab, page: Page, folder: Path, cache: Path) -> None:
    page.add_init_script("""
        window.live = new Set();
        const [make, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
        URL.createObjectURL = (blob) => { const url = make.call(URL, blob);
            if (blob.type === "image/jpeg") live.add(url); return url; };
        URL.revokeObjectURL = (url) => { live.delete(url); revoke.call(URL, url); };
    """)
    panel = lab.run(page, lab.write("gone.ipynb", opening(folder, cache), SMALL))
    _, before = shown(panel)
    for number in (3, 9, 15):
        region(panel, "Query").get_by_role("listbox").get_by_role("option").nth(number).click()
        _, before = shown(panel, before)
    assert page.evaluate("live.size") == panel.locator("img").count() > 24
    page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.wait_for_function("live.size === 0")


def test_cancel_stops_extraction_and_run_ends_it(lab: Lab, page: Page, tmp_path: Path) -> None:
    many = photos(tmp_path / "many", labels=4, each=45, side=640)
    panel = lab.run(page, lab.write("many.ipynb", opening(many, tmp_path / "cache"), SMALL))
    messages = region(panel, "Messages")
    expect(messages.get_by_role("progressbar")).to_be_visible(timeout=60_000)
    expect(messages).to_contain_text(re.compile(r"\d+ of \d+"), timeout=60_000)
    messages.get_by_role("button", name="Cancel", exact=True).click()
    expect(messages).to_contain_text("Cancelled.", timeout=2_000)
    expect(messages.get_by_role("progressbar")).to_have_count(0)
    expect(region(panel, "Results").get_by_role("figure")).to_have_count(0)
    panel.get_by_role("button", name="Run", exact=True).click()
    shown(panel, seconds=240)


def test_an_error_is_read_in_the_panel(
    lab: Lab, page: Page, folder: Path, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "alexnet.safetensors").write_bytes(b"no weights at all")
    cell = opening(folder, cache, more=f", weights={str(tmp_path)!r}")
    panel = lab.run(page, lab.write("error.ipynb", cell, SMALL))
    shown(panel)
    select(panel, "Backbone").select_option("alexnet")
    messages = region(panel, "Messages")
    expect(messages.locator(".wb-error")).to_contain_text("alexnet.safetensors", timeout=60_000)
    expect(messages).not_to_contain_text("Traceback")
    expect(region(panel, "Results")).to_contain_text("No mAP for this pipeline yet.")
    select(panel, "Backbone").select_option("efficientnet_lite0")
    shown(panel)
    expect(messages.locator(".wb-error")).to_have_count(0)
