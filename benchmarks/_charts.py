"""The response times of charts in a real JupyterLab, and what is sent for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.lab import Lab

TIMES, CHARTS, SECONDS = 10, 30, 3
FRAME = round(1000 / 60)
FIGURES = """import ipywidgets as W
import numpy as np
import pandas as pd
from workbench.figures.embedding import embedding
from workbench.figures.style import new_figure
from workbench.panels.widgets.plot import Plot
def cloud(n, kind="scatter", seed=0):
    x, y = np.random.default_rng(seed).normal(size=(2, n)).astype(np.float32)
    figure = new_figure("Cloud", f"n = {n}", x="first", y="second")
    names = [str(k) for k in range(n)]
    return figure.add_trace({"type": kind, "mode": "markers", "x": x, "y": y, "ids": names})
def points(n, labels=20):
    draw = np.random.default_rng(0)
    label = draw.integers(labels, size=n)
    x, y = (4 * draw.normal(size=(labels, 2))[label] + draw.normal(size=(n, 2))).T
    table = {"image_id": [str(k) for k in range(n)], "x": x, "y": y, "cluster": label}
    return embedding(pd.DataFrame(table), named=False)
thousand = [cloud(1000, seed=seed) for seed in range(20)]
many = cloud(20_000, "scattergl")
largest = points(100_000)
W.HTML("<p class=wb-panel></p>")"""
# Run the last cell with another source; milliseconds until its charts are on screen.
SHOW = """async ([source, count, forget]) => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.length - 1;
  await jupyterapp.commands.execute("notebook:clear-cell-output");
  while (document.querySelector(".wb-plot")) await new Promise(requestAnimationFrame);
  if (forget) delete globalThis.workbenchPlotly;
  notebook.activeCell.model.sharedModel.setSource(source);
  const began = performance.now();
  void jupyterapp.commands.execute("notebook:run-cell");
  const drawn = ".wb-plot-chart[aria-busy=false] .main-svg:first-child";
  while (document.querySelectorAll(drawn).length < count) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
# Show another figure in the chart; milliseconds from the request to the kernel to the drawing.
UPDATE = """async (code) => {
  const kernel = jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
  const frame = document.querySelector(".wb-plot-frame");
  const began = performance.now();
  const drawn = new Promise((resolve) => { frame.once("plotly_afterplot", resolve); });
  kernel.requestExecute({ code });
  await drawn;
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
# Move the pointer in each frame, with the button down or up; the milliseconds of each frame, the number of
# points that were hovered, and the milliseconds from the release of the button to the drawing.
MOVE = """async ([seconds, buttons]) => {
  const frame = document.querySelector(".wb-plot-frame");
  const area = frame.querySelector(".nsewdrag");
  const { left, top, width, height } = area.getBoundingClientRect();
  const points = new Set();
  frame.on("plotly_hover", (event) => points.add(event.points[0].pointNumber));
  const times = [];
  const next = () => new Promise(requestAnimationFrame);
  const mouse = (kind, time) => {
    const clientX = left + width * (0.5 + 0.2 * Math.cos(time / 300));
    const clientY = top + height * (0.5 + 0.2 * Math.sin(1.3 * time / 300));
    const over = document.querySelector(".dragcover") ?? area;
    over.dispatchEvent(new MouseEvent(kind, { clientX, clientY, buttons, bubbles: true, view: window }));
  };
  let before = await next();
  if (buttons) mouse("mousedown", before);
  for (const end = before + 1000 * seconds; before < end;) {
    mouse("mousemove", before);
    const now = await next();
    times.push(now - before);
    before = now;
  }
  const drawn = new Promise((resolve) => { buttons ? frame.once("plotly_afterplot", resolve) : resolve(); });
  if (buttons) mouse("mouseup", before);
  await drawn;
  await next();
  await next();
  return { times, points: points.size, release: performance.now() - before };
}"""


def charts(lab: Lab, page: Page) -> list[tuple[str, int, list[float]]]:
    """Rows of the table, as title, aim and times; then prints what is sent for thirty charts."""
    sent: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sent.append(len(frame))))
    lab.run(page, lab.write("charts.ipynb", FIGURES, "0"))

    def show(source: str, count: int = 1, forget: bool = False) -> float:
        time: float = page.evaluate(SHOW, [source, count, forget])
        page.wait_for_timeout(500)
        return time

    first = [show(f"Plot(thousand[{k}])", forget=True) for k in range(TIMES)]
    later = [show(f"Plot(thousand[{k}])") for k in range(TIMES)]
    show("plot = Plot(thousand[0])\nplot")
    updates = []
    for k in range(1, TIMES + 1):
        updates.append(page.evaluate(UPDATE, f"plot.show(thousand[{k}])"))
        page.wait_for_timeout(200)
    show("Plot(many)")
    hovered: dict[str, Any] = page.evaluate(MOVE, [SECONDS, 0])
    show("Plot(largest, describe=lambda name: (name, b''))")
    page.wait_for_timeout(3000)
    among: dict[str, Any] = page.evaluate(MOVE, [SECONDS, 0])
    dragged: dict[str, dict[str, Any]] = {}
    for tool in ("Pan", "Zoom"):
        page.get_by_role("application").hover()
        page.get_by_role("button", name=tool, exact=True).click()
        page.wait_for_timeout(3000)
        dragged[tool] = page.evaluate(MOVE, [SECONDS, 1])
    sent.clear()
    together = f"W.VBox([Plot(figure) for _ in range(2) for figure in thousand[:{CHARTS // 2}]])"
    show(together, CHARTS, forget=True)
    print(f"{CHARTS} charts: {sum(sent) / 1e6:.2f} MB sent, {max(sent) / 1e6:.2f} MB of them plotly.js.\n")
    return [
        ("first chart of a page, 1,000 points: cell run → drawn", 1500, first),
        ("later chart, 1,000 points: cell run → drawn", 150, later),
        ("another figure of 1,000 points → drawn", 50, updates),
        (
            f"frame while the pointer moves over 20,000 points ({hovered['points']} hovered)",
            FRAME,
            hovered["times"],
        ),
        (
            f"frame while the pointer moves over 100,000 points ({among['points']} hovered)",
            FRAME,
            among["times"],
        ),
        ("frame while 100,000 points are moved (Pan)", FRAME, dragged["Pan"]["times"]),
        ("frame while a part of 100,000 points is framed (Zoom)", FRAME, dragged["Zoom"]["times"]),
        (
            "button released → 100,000 points drawn in the new range",
            1000,
            [part["release"] for part in dragged.values()],
        ),
    ]
