"""The lightbox in JupyterLab: opened by mouse and by keys, walked through, with heat, copied from, closed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.notebook import Notebook
from tests.browser.steps import NAUGHTY, photos, ranked, region

pytestmark = pytest.mark.browser


@pytest.fixture
def panel(notebook: Notebook, folder: Path, cache: Path) -> Locator:
    panel = notebook.show(
        folder, cache, "query_panel", options=", size=64", pipeline="efficientnet_lite0/mean/whole"
    )
    ranked(panel, seconds=240)
    return panel


def figures(panel: Locator) -> Locator:
    return region(panel, "Results").get_by_role("figure")


def name_of(figure: Locator) -> str:
    return figure.locator(".wb-name").inner_text()


def box(page: Page) -> Locator:
    return page.get_by_role("dialog")


def test_result_opens_by_double_click_and_is_walked_heated_and_copied(
    panel: Locator, notebook: Notebook, folder: Path
) -> None:
    page, results = notebook.page, figures(panel)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    names = [name_of(results.nth(number)) for number in range(4)]
    results.nth(2).dblclick()
    dialog = box(page)
    title = dialog.get_by_role("heading")
    expect(title).to_have_text(names[2])
    expect(results.nth(2)).to_have_attribute("aria-current", "true")  # the click studies it, too
    expect(dialog).to_contain_text("3 of 24")
    expect(dialog).to_contain_text(re.compile(r"rank 3.*score -?\d\.\d{3}.*(✓ positive|✗ negative)"))
    expect(dialog).to_contain_text("label kind")
    picture = dialog.get_by_role("img", name=names[2])
    expect(picture).to_be_visible()
    # Walk to the ends; other keys of the page behind do nothing.
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(names[3])
    page.keyboard.press("Home")
    expect(title).to_have_text(names[0])
    expect(dialog.get_by_role("button", name="Previous picture")).to_be_disabled()
    page.keyboard.press("End")
    expect(dialog).to_contain_text("24 of 24")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(names[2])
    # Heat with its scale, on the result and on the query beside it.
    heat = dialog.get_by_role("button", name="Heat")
    page.keyboard.press("h")
    expect(heat).to_have_attribute("aria-pressed", "true")
    expect(dialog.locator(".wb-stage-heat:visible")).to_have_count(2, timeout=60_000)
    expect(dialog).to_contain_text("a cell takes away · adds")
    page.keyboard.press("q")
    expect(dialog.locator(".wb-stage-heat:visible")).to_have_count(1)
    page.keyboard.press("q")
    assert serious(page, ".wb-lightbox") == []
    page.keyboard.press("h")
    expect(dialog.locator(".wb-stage-heat:visible")).to_have_count(0)
    # Zoom by keys and by the wheel.
    fitted = picture.bounding_box()
    page.keyboard.press("+")
    zoomed = picture.bounding_box()
    assert fitted and zoomed and zoomed["width"] == pytest.approx(1.5 * fitted["width"], abs=1)
    picture.hover()
    page.mouse.wheel(0, -200)
    closer = picture.bounding_box()
    assert closer and closer["width"] > zoomed["width"]
    page.keyboard.press("Shift+ArrowLeft")
    moved = picture.bounding_box()
    assert moved and moved["x"] == pytest.approx(closer["x"] + 80, abs=1)
    page.keyboard.press("0")
    again = picture.bounding_box()
    assert again and again["width"] == pytest.approx(fitted["width"], abs=1)
    page.keyboard.press("c")
    expect(dialog.get_by_role("status")).to_have_text(f"Copied: {folder / names[2]}")
    assert page.evaluate("navigator.clipboard.readText()") == str(folder / names[2])
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(results.nth(2)).to_be_focused()


def test_pictures_open_by_keys_and_picking_still_works(panel: Locator, notebook: Notebook) -> None:
    page, results = notebook.page, figures(panel)
    results.first.click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    title = box(page).get_by_role("heading")
    expect(title).to_have_text(name_of(results.nth(1)))
    expect(results.nth(1)).not_to_have_attribute("aria-current", "true")  # only looked at
    page.keyboard.press("Tab")
    expect(box(page).get_by_role("button", name="Heat")).to_be_focused()
    box(page).get_by_role("button", name="Close").press("Enter")
    expect(results.nth(1)).to_be_focused()
    page.keyboard.press("Space")
    expect(results.nth(1)).to_have_attribute("aria-current", "true")
    expect(box(page)).to_have_count(0)
    # The query strip: Space picks, Enter picks and opens, as a double click.
    strip = region(panel, "Query").get_by_role("listbox", name="Queries")
    queries = strip.get_by_role("option")
    _, before = ranked(panel)
    queries.nth(1).focus()
    page.keyboard.press("Space")
    expect(queries.nth(1)).to_have_attribute("aria-selected", "true")
    _, before = ranked(panel, before)
    naughty = strip.get_by_role("option", name=f"kind 0/{NAUGHTY}", exact=True)
    naughty.focus()
    page.keyboard.press("Enter")
    expect(title).to_have_text(f"kind 0/{NAUGHTY}")  # a name is text
    expect(box(page)).to_contain_text("the query")
    page.keyboard.press("Escape")
    expect(naughty).to_be_focused()
    # The crop view, and judged results, which a click removes and a double click opens.
    ranked(panel, before)
    stage = region(panel, "Query").get_by_role("application")
    stage.focus()
    page.keyboard.press("f")
    expect(title).to_have_text(f"kind 0/{NAUGHTY}")
    page.keyboard.press("Escape")
    expect(stage).to_be_focused()
    name = name_of(results.nth(3))
    results.nth(3).focus()
    page.keyboard.press("+")
    token = region(panel, "Query").get_by_role("button", name=f"Remove liked: {name}")
    token.dblclick()
    expect(title).to_have_text(name)
    page.keyboard.press("Escape")
    expect(token).to_be_focused()
    page.wait_for_timeout(400)
    expect(token).to_have_count(1)
    token.click()
    expect(token).to_have_count(0)


def test_missing_file_is_one_sentence_in_the_lightbox(
    notebook: Notebook, tmp_path: Path, cache: Path
) -> None:
    folder = photos(tmp_path / "photos", labels=2, each=3, side=96)
    panel = notebook.show(
        folder, cache, "query_panel", options=", size=64", pipeline="efficientnet_lite0/mean/whole"
    )
    ranked(panel, seconds=120)
    last = figures(panel).last
    name = name_of(last)
    (folder / name).unlink()
    last.dblclick()
    expect(box(notebook.page).get_by_role("alert")).to_have_text(
        f"'{name}' cannot be shown: the file is missing."
    )
    notebook.page.keyboard.press("ArrowLeft")
    expect(box(notebook.page).get_by_role("alert")).to_be_hidden()
    notebook.page.keyboard.press("Escape")
    expect(last).to_be_focused()
