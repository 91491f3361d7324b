"""The query panel in JupyterLab: crop box, uploads, several queries and feedback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import BOTH_MODES, NAUGHTY, button, ranked, region, select
from tests.support.pictures import picture

pytestmark = pytest.mark.browser
PASTE = """async () => {
    const canvas = new OffscreenCanvas(900, 60);
    canvas.getContext('2d').fillRect(0, 0, 450, 60);
    const blob = await canvas.convertToBlob({ type: 'image/png' });
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
}"""


@pytest.fixture
def panel(notebook: Notebook, folder: Path, cache: Path) -> Locator:
    panel = notebook.show(folder, cache, "query_panel", pipeline="efficientnet_lite0/max/rmac:2")
    ranked(panel)
    return panel


def stage(panel: Locator) -> Locator:
    return region(panel, "Query").get_by_role("application")


def size(panel: Locator) -> Locator:
    return region(panel, "Query").locator(".wb-crop-size")


def drag(page: Page, element: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag between two points, given as fractions of the element's width and height."""
    element.evaluate("node => node.scrollIntoView({ block: 'center' })")
    box = element.bounding_box()
    assert box
    (x0, y0), (x1, y1) = (
        (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)
    )
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    page.mouse.move(x1, y1)
    page.mouse.up()


def test_box_is_drawn_moved_resized_and_removed_by_mouse(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    expect(size(panel)).to_have_text("whole image, 96 × 72 px")
    _, ranking = ranked(panel)
    drag(page, stage(panel), (0.25, 0.25), (0.75, 0.75))
    expect(size(panel)).to_have_text("box 48 × 36 of 96 × 72 px")
    ranked(panel, before=ranking)
    drag(page, stage(panel), (0.5, 0.5), (0.25, 0.5))  # drag its middle
    expect(stage(panel)).to_have_attribute("aria-label", re.compile("48 × 36 pixels at 0, 18"))
    drag(page, stage(panel), (0.5, 0.5), (0.8, 0.5))  # drag its right edge
    expect(stage(panel)).to_have_attribute("aria-label", re.compile("7[67] × 36 pixels at 0, 18"))
    drag(page, stage(panel), (0.9, 0.9), (0.94, 0.95))  # too small: rejected, and the box stays
    expect(size(panel)).to_have_text("A box needs 8 × 8 pixels.")
    expect(size(panel)).to_have_text(re.compile("box 7[67] × 36 of"))
    button(region(panel, "Query"), "Whole image").click()
    expect(size(panel)).to_have_text("whole image, 96 × 72 px")
    expect(region(panel, "Results").get_by_role("group", name="Ranked images")).to_have_text(ranking)


def test_box_is_drawn_moved_resized_and_removed_by_keyboard(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    cells = page.evaluate(CELLS)
    stage(panel).focus()
    page.keyboard.press("ArrowRight")
    expect(stage(panel)).to_have_attribute("aria-label", re.compile("48 × 36 pixels at 24, 18"))
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    expect(stage(panel)).to_have_attribute("aria-label", re.compile("46 × 38 pixels at 32, 18"))
    expect(size(panel)).to_have_text("box 46 × 38 of 96 × 72 px")
    page.keyboard.press("Escape")
    expect(size(panel)).to_have_text("whole image, 96 × 72 px")
    for key in "abddx":
        page.keyboard.press(key)
    assert page.evaluate(CELLS) == cells


def test_images_can_be_uploaded_and_pasted(panel: Locator, notebook: Notebook, tmp_path: Path) -> None:
    page = notebook.page
    query = region(panel, "Query")
    picture(5, (160, 90)).save(tmp_path / NAUGHTY, "JPEG")
    _, before = ranked(panel)
    with page.expect_file_chooser() as chooser:
        button(query, "Upload").click()
    chooser.value.set_files(tmp_path / NAUGHTY)
    expect(query.locator(".wb-crop-name")).to_have_text("_img_src_x_onerror_alert_1_.jpg", timeout=20_000)
    expect(size(panel)).to_have_text("whole image, 160 × 90 px")
    ranked(panel, before=before)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(PASTE)
    stage(panel).focus()
    page.keyboard.press("Control+V")
    expect(size(panel)).to_have_text("whole image, 900 × 60 px", timeout=20_000)
    chosen = select(panel, "Query").evaluate("node => node.selectedOptions[0].textContent.trim()")
    assert chosen == query.locator(".wb-crop-name").text_content()
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    query.locator("input[type=file]").set_input_files(tmp_path / "broken.jpg")
    messages = region(panel, "Messages")
    expect(messages.locator(".wb-error")).to_contain_text("'broken.jpg' cannot be used as a query")
    expect(size(panel)).to_have_text("whole image, 900 × 60 px")


@BOTH_MODES
def test_queries_are_combined_and_feedback_is_given_and_undone(panel: Locator, notebook: Notebook) -> None:
    page = notebook.page
    query, results = region(panel, "Query"), region(panel, "Results")
    grid = results.get_by_role("group", name="Ranked images")
    _, without = ranked(panel)
    button(query, "Add to query").click()
    query.get_by_role("listbox", name="Queries").get_by_role("option").nth(13).click()
    further = query.get_by_role("group", name="Further queries")
    expect(further.get_by_role("button")).to_have_count(1)
    expect(query).to_contain_text("the mean of 2 descriptors")
    ranked(panel, before=without)
    further.get_by_role("button").focus()
    page.keyboard.press("Space")
    expect(further).to_be_hidden()
    expect(grid).to_have_text(without)

    figures, judgements = results.get_by_role("figure"), query.get_by_role("group", name="Judged results")
    figures.first.focus()
    for key in (*["ArrowRight"] * 4, "+"):
        page.keyboard.press(key)
    expect(judgements.get_by_role("button")).to_have_count(1)
    _, liked = ranked(panel, before=without)
    expect(query).to_contain_text(re.compile(r"\d new in the first 10 · ▲ \d+ to ▼ \d+"))
    for key in (*["ArrowRight"] * 3, "-"):
        page.keyboard.press(key)
    expect(judgements.get_by_role("button")).to_have_count(2)
    ranked(panel, before=liked)
    select(query, "Feedback").select_option("linear SVM")
    assert serious(page, ".wb-query") == []
    undo = button(query, "Undo")
    button(query, "Clear").click()
    expect(judgements).to_be_hidden()
    expect(grid).to_have_text(without)
    undo.click()
    expect(judgements.get_by_role("button")).to_have_count(2)
    select(query, "Feedback").select_option("Rocchio")
    undo.click()
    expect(judgements.get_by_role("button")).to_have_count(1)
    undo.click()
    expect(judgements).to_be_hidden()
    undo.click()  # the further picture, which was removed before anything was judged
    expect(further.get_by_role("button")).to_have_count(1)
    undo.click()
    expect(further).to_be_hidden()
    expect(undo).to_be_disabled()
    expect(grid).to_have_text(without)
