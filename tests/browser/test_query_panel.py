"""The first notebook and the ranked results of its query panel, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import ROOT
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import BOTH_MODES, NAUGHTY, button, photos, ranked, region, select

pytestmark = pytest.mark.browser
FIRST_NOTEBOOK = ROOT / "notebooks" / "01_explore_a_collection.ipynb"
PIPELINE = "efficientnet_lite0/max/rmac:2"


def test_pooling_and_regions_change_ranking_and_map_in_the_first_notebook(notebook: Notebook) -> None:
    cells = nbformat.read(FIRST_NOTEBOOK, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    panel = notebook.run(*sources[: sources.index("bench.query_panel()") + 1])
    notebook.evaluate("kernel.follow(bench)")
    states = [ranked(panel, seconds=300)]
    for name, value in (("Pooling", "mean"), ("Regions", "whole")):
        select(panel, name).select_option(value)
        expect(panel.get_by_label("Pipeline", exact=True)).to_have_value(re.compile(f"/{value}/"))
        states.append(ranked(panel, before=states[-1][1]))
        assert states[-1][0] != states[-2][0]


@pytest.fixture
def panel(notebook: Notebook, folder: Path, cache: Path) -> Locator:
    """The query panel on a small folder, with a pipeline that needs no more images than the folder has."""
    panel = notebook.show(folder, cache, "query_panel", pipeline=PIPELINE)
    ranked(panel)
    return panel


def test_keys_move_in_the_grid_and_do_not_edit_the_notebook(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    cells = page.evaluate(CELLS)
    figures = region(panel, "Results").get_by_role("figure")
    figures.first.click()
    for key, position in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", -1), ("Home", 0)]:
        page.keyboard.press(key)
        expect(figures.nth(position)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = region(panel, "Results").locator("figure:focus").bounding_box()
    first = figures.first.bounding_box()
    assert below and first and below["x"] == first["x"] and below["y"] > first["y"]
    assert figures.evaluate_all("all => all.filter((figure) => figure.tabIndex === 0).length") == 1
    for key in "abxddmyz":  # insert, cut, delete, change cells: shortcuts of a notebook
        page.keyboard.press(key)
    for control in (select(panel, "Whitening"), button(panel, "Run")):
        control.focus()
        for key in "abdd":
            page.keyboard.press(key)
    assert page.evaluate(CELLS) == cells


@BOTH_MODES
def test_query_is_chosen_by_its_picture_and_the_pipeline_changed(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    _, first = ranked(panel)
    thumbnails = region(panel, "Query").get_by_role("listbox", name="Queries").get_by_role("option")
    expect(thumbnails).to_have_count(24)
    thumbnails.nth(8).click()
    expect(select(panel, "Query")).to_have_value(thumbnails.nth(8).get_attribute("aria-label") or "")
    _, second = ranked(panel, before=first)
    page.keyboard.press("End")
    expect(thumbnails.nth(23)).to_be_focused()
    page.keyboard.press("Space")
    expect(thumbnails.nth(23)).to_have_attribute("aria-selected", "true")
    _, before = ranked(panel, before=second)
    # Each select twice, as later messages may arrive on another thread than the first. (Typing twice in one
    # select within a second would be one search for both texts.)
    changes = [("Pooling", "mean"), ("Regions", "whole"), ("Regions", "rmac:5"), ("Pooling", "gem:3")]
    for number, (name, value) in enumerate(changes):
        if number % 2:
            # By keyboard: typing the first letters of an option chooses it.
            select(panel, name).focus()
            page.keyboard.type(value)
        else:
            select(panel, name).select_option(value)
        expect(panel.get_by_label("Pipeline", exact=True)).to_have_value(re.compile(f"/{value}"))
        _, before = ranked(panel, before)


def test_results_have_rank_score_relevance_and_picture(panel: Locator) -> None:
    captions = region(panel, "Results").get_by_role("figure").all_inner_texts()
    assert len(captions) == 24
    for number, caption in enumerate(captions, start=1):
        assert re.match(rf"{number}\s+-?\d\.\d{{3}}\s", caption)
        assert re.search(r"✓\s+positive|✗\s+negative|query", caption)
    pictures = region(panel, "Results").locator("img")
    expect(pictures).to_have_count(len(captions), timeout=30_000)
    widths = pictures.evaluate_all(
        "async all => { await Promise.all(all.map((image) => image.decode()));"
        " return all.map((image) => image.naturalWidth); }"
    )
    assert len(widths) == len(captions)
    assert min(widths) > 0


def test_file_names_are_text(panel: Locator, notebook: Notebook) -> None:
    naughty = f"kind 0/{NAUGHTY}"
    _, before = ranked(panel)
    select(panel, "Query").select_option(label="kind 1/1.jpg")
    _, before = ranked(panel, before)
    select(panel, "Query").select_option(label=naughty)
    ranked(panel, before)
    expect(region(panel, "Results").get_by_text(naughty, exact=True)).to_be_visible()
    expect(region(panel, "Query").get_by_role("figure").get_by_text(naughty, exact=True)).to_be_visible()
    assert notebook.page.locator("img[src='x']").count() == 0


def test_removed_pictures_are_released(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    _, before = ranked(panel)
    for number in (3, 9, 15):
        region(panel, "Query").get_by_role("listbox").get_by_role("option").nth(number).click()
        _, before = ranked(panel, before)
    assert page.evaluate("live.size") == panel.locator("img").count() > 24
    page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.wait_for_function("live.size === 0")


def test_cancel_stops_extraction_and_run_continues_it(notebook: Notebook, tmp_path: Path) -> None:
    many = photos(tmp_path / "many", labels=4, each=12, side=640)
    panel = notebook.show(many, tmp_path / "cache", "query_panel", pipeline=PIPELINE)
    messages = region(panel, "Messages")
    expect(messages.get_by_role("progressbar")).to_be_visible(timeout=60_000)
    expect(messages).to_contain_text(re.compile(r"\d+ of \d+"), timeout=60_000)
    button(messages, "Cancel").click()
    expect(messages).to_contain_text("Cancelled.", timeout=2_000)
    expect(messages.get_by_role("progressbar")).to_have_count(0)
    expect(region(panel, "Results").get_by_role("figure")).to_have_count(0)
    button(panel, "Run").click()
    ranked(panel, seconds=240)


def test_error_is_shown_in_the_panel(notebook: Notebook, folder: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "alexnet.safetensors").write_bytes(b"no weights at all")
    options = f", weights={str(tmp_path)!r}"
    panel = notebook.show(folder, cache, "query_panel", options=options, pipeline=PIPELINE)
    ranked(panel)
    select(panel, "Backbone").select_option("alexnet")
    messages = region(panel, "Messages")
    expect(messages.locator(".wb-error")).to_contain_text("alexnet.safetensors", timeout=60_000)
    expect(messages).not_to_contain_text("Traceback")
    expect(region(panel, "Results")).to_contain_text("No mAP for this pipeline yet.")
    select(panel, "Backbone").select_option("efficientnet_lite0")
    ranked(panel)
    expect(messages.locator(".wb-error")).to_have_count(0)
