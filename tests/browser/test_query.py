"""The Query panel in real JupyterLab: crop box, uploads, several queries and feedback."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.lab import Lab
from tests.browser.steps import CELLS, NAUGHTY, opening, photos, region, select, shown
from tests.pictures import picture

pytestmark = pytest.mark.browser
PANEL = """from workbench.panels import Session, query_panel
query_panel(bench, Session(bench, pipeline="efficientnet_lite0/max/rmac:2"))"""
PASTE = """async () => {
    const canvas = new OffscreenCanvas(900, 60);
    canvas.getContext('2d').fillRect(0, 0, 450, 60);
    const blob = await canvas.convertToBlob({ type: 'image/png' });
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("photos"), labels=4, each=6, side=96)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=[True, False], ids=["subshells", "no subshells"])
def panel(
    request: pytest.FixtureRequest, labs: Callable[[bool], Lab], page: Page, folder: Path, cache: Path
) -> Locator:
    lab = labs(request.param)
    panel = lab.run(page, lab.write("query.ipynb", opening(folder, cache), PANEL))
    shown(panel, seconds=240)
    return panel


def stage(panel: Locator) -> Locator:
    return region(panel, "Query").get_by_role("application")


def size(panel: Locator) -> Locator:
    return region(panel, "Query").locator(".wb-crop-size")


def drag(page: Page, place: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag from one place to another, given as shares of the element."""
    place.evaluate("node => node.scrollIntoView({ block: 'center' })")
    box = place.bounding_box()
    assert box
    (x0, y0), (x1, y1) = (
        (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)
    )
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    page.mouse.move(x1, y1)
    page.mouse.up()


def test_a_box_is_drawn_moved_resized_and_taken_away_by_mouse(panel: Locator, page: Page) -> None:
    expect(size(panel)).to_have_text("whole image, 96 × 72 px")
    _, ranking = shown(panel)
    drag(page, stage(panel), (0.25, 0.25), (0.75, 0.75))
    expect(size(panel)).to_have_text("box 48 × 36 of 96 × 72 px")
    shown(panel, before=ranking)
    drag(page, stage(panel), (0.5, 0.5), (0.25, 0.5))  # by its middle
    expect(stage(panel)).to_have_attribute("aria-label", re.compile("48 × 36 pixels at 0, 18"))
    drag(page, stage(panel), (0.5, 0.5), (0.8, 0.5))  # by its right edge
    expect(stage(panel)).to_have_attribute("aria-label", re.compile("7[67] × 36 pixels at 0, 18"))
    drag(page, stage(panel), (0.9, 0.9), (0.94, 0.95))  # too small: refused, and the box stays
    expect(size(panel)).to_have_text("A box needs 8 × 8 pixels.")
    expect(size(panel)).to_have_text(re.compile("box 7[67] × 36 of"))
    region(panel, "Query").get_by_role("button", name="Whole image", exact=True).click()
    expect(size(panel)).to_have_text("whole image, 96 × 72 px")
    expect(region(panel, "Results").get_by_role("group", name="Ranked images")).to_have_text(ranking)


def test_a_box_is_made_moved_resized_and_taken_away_by_keyboard(panel: Locator, page: Page) -> None:
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


def test_images_are_uploaded_and_pasted(panel: Locator, page: Page, tmp_path: Path) -> None:
    query = region(panel, "Query")
    picture(5, (160, 90)).save(tmp_path / NAUGHTY, "JPEG")
    _, before = shown(panel)
    with page.expect_file_chooser() as chooser:
        query.get_by_role("button", name="Upload", exact=True).click()
    chooser.value.set_files(tmp_path / NAUGHTY)
    expect(query.locator(".wb-crop-name")).to_have_text("_img_src_x_onerror_alert_1_.jpg", timeout=20_000)
    expect(size(panel)).to_have_text("whole image, 160 × 90 px")
    shown(panel, before=before)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(PASTE)
    stage(panel).focus()
    page.keyboard.press("Control+V")
    expect(size(panel)).to_have_text("whole image, 900 × 60 px", timeout=20_000)
    picked = select(panel, "Query").evaluate("node => node.selectedOptions[0].textContent.trim()")
    assert picked == query.locator(".wb-crop-name").text_content()
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    query.locator("input[type=file]").set_input_files(tmp_path / "broken.jpg")
    messages = region(panel, "Messages")
    expect(messages.locator(".wb-error")).to_contain_text("'broken.jpg' cannot be used as a query")
    expect(size(panel)).to_have_text("whole image, 900 × 60 px")


def test_queries_are_combined_and_feedback_is_listed_and_undone(panel: Locator, page: Page) -> None:
    query, results = region(panel, "Query"), region(panel, "Results")
    ranked = results.get_by_role("group", name="Ranked images")
    _, alone = shown(panel)
    query.get_by_role("button", name="Add to query", exact=True).click()
    query.get_by_role("listbox", name="Queries").get_by_role("option").nth(13).click()
    further = query.get_by_role("group", name="Further queries")
    expect(further.get_by_role("button")).to_have_count(1)
    expect(query).to_contain_text("the mean of 2 descriptors")
    shown(panel, before=alone)
    further.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(further).to_be_hidden()
    expect(ranked).to_have_text(alone)

    figures, judged = results.get_by_role("figure"), query.get_by_role("group", name="Judged results")
    figures.first.focus()
    for key in (*["ArrowRight"] * 4, "+"):
        page.keyboard.press(key)
    expect(judged.get_by_role("button")).to_have_count(1)
    _, liked = shown(panel, before=alone)
    expect(query).to_contain_text(re.compile(r"\d new in the first 10 · ▲ \d+ to ▼ \d+"))
    for key in (*["ArrowRight"] * 3, "-"):
        page.keyboard.press(key)
    expect(judged.get_by_role("button")).to_have_count(2)
    shown(panel, before=liked)
    select(query, "Feedback").select_option("linear SVM")
    assert serious(page, ".wb-query") == []
    undo = query.get_by_role("button", name="Undo", exact=True)
    query.get_by_role("button", name="Clear", exact=True).click()
    expect(judged).to_be_hidden()
    expect(ranked).to_have_text(alone)
    undo.click()
    expect(judged.get_by_role("button")).to_have_count(2)
    select(query, "Feedback").select_option("Rocchio")
    undo.click()
    expect(judged.get_by_role("button")).to_have_count(1)
    undo.click()
    expect(undo).to_be_disabled()
    expect(ranked).to_have_text(alone)
