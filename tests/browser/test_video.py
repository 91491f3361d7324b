"""The panel of videos in JupyterLab: playing from the file and by frames, seeking by mouse and keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious
from tests.browser.notebook import Notebook
from tests.browser.steps import region
from tests.support.extraction import NETWORK
from tests.support.videos import numbered, write_video

pytestmark = pytest.mark.browser
PIPELINE = f"{NETWORK}/mean/whole"
NAUGHTY = "<img src='x'>.mp4"
PLAYED = "film.webm"
WAIT = 60_000
TIME = "() => document.querySelector('.wb-player-film').currentTime"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that Chromium plays, of 5 seconds, and one that it does not."""
    folder = tmp_path_factory.mktemp("videos")
    writer = cv2.VideoWriter(str(folder / PLAYED), cv2.VideoWriter.fourcc(*"VP80"), 25, (64, 64))
    for number in range(125):
        writer.write(np.full((64, 64, 3), (40, 120, 2 * number), np.uint8))
    writer.release()
    write_video(folder / NAUGHTY, numbered(50))
    return folder


def test_video_is_played_and_a_frame_becomes_the_image_under_study(
    notebook: Notebook, videos: Path, cache: Path
) -> None:
    page = notebook.page
    options = ", labels='none', size=64"
    notebook.show(
        videos,
        cache,
        "video_panel",
        "query_panel",
        options=options,
        pipeline=PIPELINE,
        query=f"{PLAYED}#t=0.00",
    )
    part = region(page.locator("body"), "Video")
    timelines = part.get_by_role("group", name="Timelines of the videos")
    expect(timelines.get_by_role("slider")).to_have_count(2, timeout=WAIT)
    expect(part).to_contain_text("Storyboard:", timeout=WAIT)
    results = region(page.locator("body"), "Results")

    # By mouse: the middle of a timeline. The browser seeks in the file itself.
    film = timelines.get_by_role("slider", name=f"Time in {PLAYED}")
    film.click()
    page.wait_for_function(f"Math.abs(({TIME})() - 2.5) < 0.1", timeout=WAIT)
    expect(results.locator("[aria-current='true']")).to_contain_text(
        f"0:02.0 · shot 1 · {PLAYED}", timeout=WAIT
    )

    # By keyboard: the next moment, then playing.
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Math.abs(({TIME})() - 3) < 0.05", timeout=WAIT)
    expect(film).to_have_attribute("aria-valuetext", re.compile(r"0:03\.0 · similarity \d\.\d{3}"))
    expect(results.locator("[aria-current='true']")).to_contain_text("0:03.0", timeout=WAIT)
    play = part.get_by_role("button", name="Play", exact=True)
    play.press("Enter")
    page.wait_for_function(f"({TIME})() > 3.2", timeout=WAIT)
    part.get_by_role("button", name="Pause", exact=True).press("Enter")
    expect(play).to_be_visible()
    source = page.evaluate("document.querySelector('.wb-player-film').currentSrc")
    assert source.startswith("http://127.0.0.1:") and source.endswith(f"/{PLAYED}")

    # What the browser cannot play is shown frame by frame, and its name is text.
    timelines.get_by_role("button", name=NAUGHTY, exact=True).click()
    expect(part).to_contain_text("The browser cannot play", timeout=WAIT)
    still = part.locator(".wb-player-still").first
    expect(still).to_have_attribute("src", re.compile("^blob:"), timeout=WAIT)
    before = still.get_attribute("src")
    play.press("Enter")
    expect(still).not_to_have_attribute("src", before or "", timeout=WAIT)
    expect(part.locator(".wb-player-time").first).to_contain_text("0:02.0 / 0:02.0", timeout=WAIT)
    assert page.locator("img[src='x']").count() == 0

    # The other one beside it, aligned.
    timelines.get_by_role("button", name=f"Beside: {PLAYED}").click()
    expect(part).to_contain_text(re.compile("aligned segment|No segments"), timeout=WAIT)
    expect(part.locator(".wb-player:visible")).to_have_count(2)
    notebook.settle()
    assert serious(page, ".wb-video") == []
