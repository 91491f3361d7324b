"""A report opened from disk: zoomed, in both colour schemes, and in print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.axe import serious
from tests.browser.watch import Watch
from tests.support.evaluations import evaluation_of
from workbench.report import page as report_page
from workbench.report.frame import document, drawn
from workbench.report.markup import escape

pytestmark = pytest.mark.browser
ACTIVE = "</script><img src=x onerror=alert(1)><a href='javascript:alert(2)'>$x$</a>"
LONG = "long " * 60
RANGE = "chart => chart._fullLayout.xaxis.range"


def test_figures_of_a_report_zoom_and_follow_the_colour_scheme(
    context: BrowserContext, tmp_path: Path
) -> None:
    aps = {f"{ACTIVE} {number} {LONG}": number / 20 for number in range(20)}
    evaluations = [
        evaluation_of(f"file:{ACTIVE}{LONG}/max/whole", aps, collection=ACTIVE),
        evaluation_of("efficientnet_lite0/max/rmac:3", dict.fromkeys(aps, 0.5), collection=ACTIVE),
    ]
    title = escape(f"Image retrieval on {ACTIVE}")
    body = f"<h1>{title}</h1>{''.join(drawn(report_page.figures(evaluations)))}"
    path = tmp_path / "report.html"
    path.write_text(document(ACTIVE, body), encoding="utf-8")
    context.set_offline(True)
    page = context.new_page()
    watch = Watch.on(page)
    page.emulate_media(color_scheme="light")
    page.goto(path.as_uri())
    charts = page.locator(".chart")
    expect(charts.locator(".main-svg").first).to_be_visible()
    expect(page.locator(".chart > .plotly")).to_have_count(3)
    assert serious(page, "main") == []
    assert page.locator("[data-title*='Share'], [data-title*='Produced with']").count() == 0

    precision = charts.nth(2)
    precision.scroll_into_view_if_needed()
    assert precision.evaluate(RANGE) == [0, 100]
    plot: Any = precision.locator(".nsewdrag").bounding_box()
    page.mouse.move(plot["x"] + plot["width"] / 4, plot["y"] + plot["height"] / 2)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2, steps=5)
    page.mouse.up()
    low, high = precision.evaluate(RANGE)
    assert (round(low), round(high)) == (25, 50)

    color = "chart => chart._fullLayout.font.color"
    light = precision.evaluate(color)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "light => [...document.querySelectorAll('.chart')].at(-1)._fullLayout.font.color !== light", arg=light
    )
    assert [round(end) for end in precision.evaluate(RANGE)] == [25, 50]  # still zoomed
    assert serious(page, "main") == []
    printed = page.evaluate(
        """() => {
          dispatchEvent(new Event("beforeprint"));
          const layouts = [...document.querySelectorAll(".chart")].map((chart) => chart._fullLayout);
          return layouts.map(({ font, width }) => [font.color, width]);
        }"""
    )
    assert printed == [[light, 680]] * 3
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert precision.evaluate(color) != light

    reset = precision.get_by_role("button", name="Reset axes")
    reset.focus()
    page.keyboard.press("Enter")
    assert precision.evaluate(RANGE) == [0, 100]
    assert page.locator("img[src='x'], a[href]").count() == 0
    assert (watch.errors, watch.outside, watch.dialogs) == ([], [path.as_uri()], [])
