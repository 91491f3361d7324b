"""Charts in JupyterLab: loading, theme, keyboard, selection, tools, and names as text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import Notebook

pytestmark = pytest.mark.browser
SETUP = """
import io
import numpy as np
from PIL import Image
from tests.browser import kernel
from tests.support.benches import live_widgets
from workbench.figures.style import new_figure, text
from workbench.panels.widgets import plot as plots
from workbench.panels.widgets.plot import Plot
import ipywidgets as W

NAUGHTY = "<img src=x onerror=alert(1)>"
kernel.live_widgets = live_widgets
kernel.heard = []
kernel.sent = 0
if not hasattr(kernel, "script"):
    kernel.script = plots.plotly_script
def counted():
    kernel.sent += 1
    return kernel.script()
plots.plotly_script = counted

def jpeg():
    file = io.BytesIO()
    Image.new("RGB", (32, 24)).save(file, "JPEG")
    return file.getvalue()

def cloud(n=20, title="Cloud"):
    figure = new_figure(title, f"n = {n}", x="first", y="second")
    for k in range(2):
        names = [f"{k}/{i}" for i in range(n)]
        hovertext = [text(f"{NAUGHTY} {name}") for name in names]
        figure.add_scatter(x=np.arange(n), y=np.arange(n) % 5 + 6.0 * k, mode="markers",
                           name=text(f"{NAUGHTY} {k}"), ids=names, hovertext=hovertext)
    return figure

kernel.cloud = cloud

def shown(*plots):
    box = W.VBox(plots)
    box.add_class("wb-panel")
    kernel._record_threads()
    return box
"""
HEARD = "kernel.heard"
FILL = "node => node.querySelector('.gtitle').style.fill"
THEME = "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })"


def charts(panel: Locator) -> Locator:
    return panel.get_by_role("application")


def drawn(chart: Locator) -> Locator:
    expect(chart).to_have_attribute("aria-busy", "false", timeout=60_000)
    expect(chart.locator(".main-svg").first).to_be_attached()
    return chart


@pytest.fixture
def theme(notebook: Notebook) -> Iterator[None]:
    yield
    notebook.page.evaluate(THEME, "JupyterLab Light")


def test_chart_is_used_by_mouse_and_keyboard(notebook: Notebook) -> None:
    page = notebook.page
    panel = notebook.run(
        SETUP,
        """
plot = Plot(cloud(), describe=lambda name: (f"caption of {name}", jpeg()), label="Map of <b>points")
plot.on_pick(lambda name: kernel.heard.append(name))
plot.on_select(lambda names: kernel.heard.append(sorted(names)))
kernel.plot = plot
shown(plot)""",
    )
    chart = drawn(charts(panel))
    expect(chart).to_have_accessible_name(re.compile("^Map of <b>points"))
    # By keyboard: from point to point, in the plane.
    chart.focus()
    status, card = panel.get_by_role("status"), panel.locator(".wb-plot-card")
    page.keyboard.press("ArrowRight")
    expect(status).to_contain_text("caption of 0/0")
    page.keyboard.press("ArrowUp")
    expect(status).to_contain_text("caption of 1/0")
    expect(card).to_contain_text("<img src=x onerror=alert(1)> 1/0")
    expect(card.locator("img")).to_be_visible()
    expect(chart.locator(".wb-plot-cursor")).to_have_count(1)
    page.keyboard.press("Enter")
    page.keyboard.press("s")
    notebook.settle()
    assert notebook.evaluate(HEARD) == ["1/0", ["1/0"]]
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    notebook.settle()
    assert notebook.evaluate(HEARD)[-1] == []
    # By mouse: a lasso around all points, then around none.
    button = chart.get_by_role("button", name="Lasso Select")
    chart.hover()
    button.click()
    area = chart.locator(".nsewdrag").first.bounding_box()
    assert area is not None

    def lasso(*corners: tuple[float, float]) -> None:
        for number, (x, y) in enumerate(corners):
            page.mouse.move(area["x"] + x * area["width"], area["y"] + y * area["height"], steps=3)
            if number == 0:
                page.mouse.down()
        page.mouse.up()
        notebook.settle()

    lasso((0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.02))
    assert len(notebook.evaluate(HEARD)[-1]) == 40 == notebook.evaluate("len(kernel.plot.selected)")
    lasso((0.3, 0.45), (0.4, 0.45), (0.4, 0.5), (0.3, 0.5))
    assert notebook.evaluate(HEARD)[-1] == []
    # By the program: a ring and a selection, without an echo.
    before = notebook.evaluate("len(kernel.heard)")
    notebook.evaluate("setattr(kernel.plot, 'current', '0/3')")
    notebook.evaluate("setattr(kernel.plot, 'selected', ['1/4', '0/9'])")
    expect(chart.locator(".wb-plot-current")).to_have_count(1)
    assert notebook.evaluate("len(kernel.heard)") == before
    faded = chart.locator(".scatterlayer .point").evaluate_all(
        "points => points.filter((point) => point.style.opacity < 0.5).length"
    )
    assert faded == 38
    # Marks above the figure are in no selection, and are never dimmed by one.
    notebook.evaluate("kernel.plot.mark([dict(type='scatter', mode='markers', x=[2.5], y=[9.0])])")
    expect(chart.locator(".scatterlayer .point")).to_have_count(41)
    lasso((0.01, 0.01), (0.5, 0.01), (0.5, 0.99), (0.01, 0.99), (0.01, 0.02))
    assert len(notebook.evaluate(HEARD)[-1]) == 20
    expect(chart.locator(".scatterlayer .trace").last.locator(".point")).to_have_css("opacity", "1")
    assert serious(page, ".wb-plot") == []


def test_card_of_a_point_stays_when_its_chart_is_drawn_again(notebook: Notebook) -> None:
    panel = notebook.run(
        SETUP,
        """
kernel.time = "first"
kernel.plot = Plot(cloud(), describe=lambda name: (f"{name} the {kernel.time} time", b""))
shown(kernel.plot)""",
    )
    chart, card = drawn(charts(panel)), panel.locator(".wb-plot-card")
    point = chart.locator(".scatterlayer .point").nth(7).bounding_box()
    assert point is not None
    notebook.page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2, steps=3)
    expect(card).to_contain_text("0/7 the first time")
    notebook.evaluate("setattr(kernel, 'time', 'second')")
    notebook.evaluate("kernel.plot.show(kernel.cloud().update_layout(title_subtitle_text='other'))")
    expect(card).to_contain_text("0/7 the second time")
    expect(card).to_be_visible()
    notebook.evaluate("kernel.plot.show(kernel.cloud(3))")
    expect(card).to_be_hidden()


def test_picture_of_webgl_points_moves_while_they_are_slow_to_draw(notebook: Notebook) -> None:
    page = notebook.page
    panel = notebook.run(
        SETUP,
        """
figure = new_figure("Many points", dragmode="pan")
figure.add_scattergl(x=np.arange(100) % 10, y=np.arange(100) // 10, mode="markers")
shown(Plot(figure))""",
    )
    chart = drawn(charts(panel))
    ranges = (
        "node => ['x', 'y'].map((axis) => node.querySelector('.wb-plot-frame')._fullLayout[`${axis}axis`])"
    )
    before, length = chart.evaluate(f"node => ({ranges})(node).map((axis) => [axis.range, axis._length])[0]")
    page.evaluate(
        "() => { globalThis.frameOf = requestAnimationFrame;"
        " globalThis.requestAnimationFrame = (work) => setTimeout(() => frameOf(work), 100); }"
    )
    area = chart.locator(".nsewdrag").bounding_box()
    assert area is not None
    x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 10, steps=2)
    picture = chart.locator(".wb-plot-glide canvas")
    expect(picture).to_be_visible()
    page.mouse.move(x + 80, y + 50, steps=3)
    moved = "node => { const { a, d, e, f } = new DOMMatrix(node.style.transform); return [a, d, e, f]; }"
    assert picture.evaluate(moved) == pytest.approx([1, 1, 60, 40], abs=0.01)
    page.mouse.up()
    expect(picture).to_have_count(0)
    page.evaluate("() => { globalThis.requestAnimationFrame = frameOf; }")
    after, _ = chart.evaluate(f"node => ({ranges})(node).map((axis) => [axis.range, axis._length])[0]")
    step = 80 / length * (before[1] - before[0])
    assert after == pytest.approx([end - step for end in before])
    layers = chart.locator(".gl-container canvas")
    assert set(layers.evaluate_all("all => all.map((layer) => getComputedStyle(layer).visibility)")) == {
        "visible"
    }


def test_wheel_scrolls_the_page_until_the_chart_has_the_focus(notebook: Notebook) -> None:
    page = notebook.page
    show = "figure = cloud()\nfigure.update_layout(meta={'scroll_zoom': True})\nshown(Plot(figure))"
    panel = notebook.run(SETUP, "\n".join(["0"] * 60), show)
    chart = drawn(charts(panel))
    shown = "() => document.querySelector('.wb-plot-frame')._fullLayout.xaxis.range"
    scrolled = "() => document.querySelector('.jp-WindowedPanel-outer').scrollTop"
    before, top = page.evaluate(shown), page.evaluate(scrolled)
    chart.hover()
    page.mouse.wheel(0, -120)
    page.wait_for_function(f"{scrolled[6:]} < {top}")
    assert page.evaluate(shown) == before
    chart.click(position={"x": 200, "y": 150})
    page.wait_for_timeout(300)
    top = page.evaluate(scrolled)
    page.mouse.wheel(0, -120)
    page.wait_for_function(f"String({shown[6:]}) !== '{','.join(map(str, before))}'")
    assert page.evaluate(scrolled) == top


def test_widgets_on_the_page_are_dimmed(notebook: Notebook) -> None:
    panel = notebook.run(
        SETUP,
        """
from workbench.panels.widgets.region import Text, line
from workbench.panels.widgets.table import Table, column
table = Table(columns=[column("a", "A")], rows=[{"id": "1", "cells": {"a": "b"}}])
kernel.parts = [Plot(cloud()), Text(lines=[line("words")]), table]
shown(*kernel.parts)""",
    )
    drawn(charts(panel))
    for stale, count in (("True", 3), ("False", 0)):
        notebook.evaluate(f"[setattr(part, 'stale', {stale}) for part in kernel.parts]")
        expect(panel.locator(".wb-stale")).to_have_count(count)


def test_tools_save_images_and_copy_data(notebook: Notebook) -> None:
    page = notebook.page
    panel = notebook.run(SETUP, "shown(Plot(cloud(3)))")
    chart = drawn(charts(panel))
    chart.hover()
    names = chart.locator(".modebar-btn").evaluate_all("tools => tools.map((tool) => tool.ariaLabel)")
    moving, saving = ["Zoom", "Pan", "Box Select", "Lasso Select", "Reset axes"], ["PNG", "SVG"]
    assert names == [*moving, *(f"Download as {kind}" for kind in saving), "Copy data as CSV"]
    for kind in saving:
        with page.expect_download() as download:
            chart.get_by_role("button", name=f"Download as {kind}").click()
        assert download.value.suggested_filename == f"Cloud.{kind.lower()}"
    notebook.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chart.get_by_role("button", name="Copy data as CSV").click()
    expect(panel.get_by_role("status")).to_have_text("The data is in the clipboard.")
    rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert rows[:2] == [
        ["trace", "id", "x", "y", "text"],
        ["<img src=x onerror=alert(1)> 0", "0/0", "0", "0.0", "<img src=x onerror=alert(1)> 0/0"],
    ]
    assert len(rows) == 7
    notebook.context.clear_permissions()


def test_theme_zoom_and_size_follow_the_page(notebook: Notebook, theme: None) -> None:
    page = notebook.page
    panel = notebook.run(SETUP, "kernel.plot = Plot(cloud())\nkernel.box = shown(kernel.plot)\nkernel.box")
    chart = drawn(charts(panel))
    light = chart.evaluate(FILL)
    page.evaluate(THEME, "JupyterLab Dark")
    expect(chart.locator(".gtitle").first).not_to_have_css("fill", light)
    page.wait_for_timeout(500)  # the page is hidden and laid out again with its theme
    drawn(chart)
    # The zoom stays on an update of the same figure, and goes with another.
    ranged = "node => node.querySelector('.wb-plot-frame')._fullLayout.xaxis.range.map(Math.round)"
    area = chart.locator(".nsewdrag").first.bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + 0.25 * area["width"], area["y"] + 0.2 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.8 * area["height"], steps=5)
    page.mouse.up()
    zoomed = chart.evaluate(ranged)
    assert zoomed[1] < 15
    notebook.evaluate("kernel.plot.show(kernel.cloud(30))")
    expect(chart.locator(".gtitle-subtitle, .g-gtitle").first).to_contain_text("n = 30")
    drawn(chart)
    assert chart.evaluate(ranged) == zoomed
    notebook.evaluate("kernel.plot.show(kernel.cloud(30, 'Another'))")
    expect(chart.locator(".gtitle").first).to_contain_text("Another")
    assert chart.evaluate(ranged) != zoomed
    # Hidden and shown again in another width.
    notebook.evaluate("setattr(kernel.box.layout, 'display', 'none')")
    notebook.evaluate("setattr(kernel.box.layout, 'width', '480px')")
    expect(chart).to_be_hidden()
    notebook.evaluate("setattr(kernel.box.layout, 'display', None)")
    expect(chart).to_be_visible()
    page.wait_for_function("() => document.querySelector('.wb-plot .main-svg').clientWidth < 485")
    assert chart.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_thirty_charts_load_the_script_once_and_survive_a_reload(notebook: Notebook) -> None:
    page = notebook.page
    page.evaluate("() => { delete globalThis.workbenchPlotly; }")
    gone = "gone = Plot(cloud())\nfirst = shown(gone)\nhandle = display(first, display_id=True)"
    thirty = "first.close(), gone.close()\nhandle.update('')\nshown(*[Plot(cloud()) for _ in range(30)])"
    panel = notebook.run(SETUP, gone, thirty)
    expect(panel.locator(".main-svg >> nth=0")).to_be_attached(timeout=60_000)
    for number in range(30):
        drawn(charts(panel).nth(number))
    assert notebook.evaluate("kernel.sent") == 1
    notebook.reload()
    panel = page.locator(".wb-panel").last
    for number in range(30):  # a view that is removed while it is made is an error of ipywidgets
        drawn(charts(panel).nth(number))
    assert notebook.evaluate("kernel.sent") == 2


@pytest.mark.parametrize("notebook", [False], indirect=True)
def test_chart_waits_for_a_kernel_that_computes_and_not_for_one_that_is_gone(
    notebook: Notebook, tmp_path: Path
) -> None:
    page = notebook.page
    forget = "() => { delete globalThis.workbenchPlotly; }"
    page.evaluate(forget)
    seen = tmp_path / "seen"  # the kernel computes until the test has seen the sentence
    work = f"import os, time\nwhile not os.path.exists({str(seen)!r}): time.sleep(0.1)"
    panel = notebook.run(SETUP, "shown(Plot(cloud()))", work)
    expect(panel.get_by_text("Waiting for the kernel")).to_be_visible(timeout=30_000)
    seen.touch()
    drawn(charts(panel))
    expect(panel.get_by_text("Waiting for the kernel")).to_have_count(0)
    page.evaluate(forget)
    panel = notebook.run(SETUP, "shown(Plot(cloud()))", "import time\ntime.sleep(60)")
    expect(charts(panel)).to_have_attribute("aria-busy", "true")
    notebook.restart()
    expect(panel.get_by_text("The kernel of this chart does not answer")).to_be_visible()
    expect(charts(panel)).to_have_attribute("aria-busy", "false")
    panel = notebook.run(SETUP, "shown(Plot(cloud()))")
    drawn(charts(panel))
    assert notebook.evaluate("kernel.sent") == 1


def test_cell_run_again_closes_its_earlier_widgets(notebook: Notebook) -> None:
    notebook.run(SETUP, "W.HTML('<p class=wb-panel>')", "cloud()")
    page = notebook.page
    drawn(page.get_by_role("application"))
    before = notebook.evaluate("kernel.live_widgets()")
    for _ in range(3):
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
        notebook.settle()
    drawn(page.get_by_role("application"))
    assert notebook.evaluate("kernel.live_widgets()") == before
