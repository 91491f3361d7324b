"""The response times of charts in a real JupyterLab, and what is sent for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.lab import Lab

TIMES, CHARTS, SECONDS = 10, 30, 3
FRAME = 1000 / 60
FIGURES = """import ipywidgets as W
import numpy as np
from workbench.figures.style import new_figure
from workbench.panels.widgets.plot import Plot
def cloud(n, kind="scatter", seed=0):
    x, y = np.random.default_rng(seed).normal(size=(2, n)).astype(np.float32)
    figure = new_figure("Cloud", f"n = {n}", x="first", y="second")
    names = [str(k) for k in range(n)]
    return figure.add_trace({"type": kind, "mode": "markers", "x": x, "y": y, "ids": names})
thousand = [cloud(1000, seed=seed) for seed in range(20)]
many = cloud(20_000, "scattergl")
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
# Move the pointer in each frame; the milliseconds of each, and the number of points that were hovered.
HOVER = """async (seconds) => {
  const frame = document.querySelector(".wb-plot-frame");
  const area = frame.querySelector(".nsewdrag");
  const { left, top, width, height } = area.getBoundingClientRect();
  const points = new Set();
  frame.on("plotly_hover", (event) => points.add(event.points[0].pointNumber));
  const times = [];
  const next = () => new Promise(requestAnimationFrame);
  let before = await next();
  for (const end = before + 1000 * seconds; before < end;) {
    const angle = before / 300;
    const clientX = left + width * (0.5 + 0.2 * Math.cos(angle));
    const clientY = top + height * (0.5 + 0.2 * Math.sin(1.3 * angle));
    area.dispatchEvent(new MouseEvent("mousemove", { clientX, clientY, bubbles: true, view: window }));
    const now = await next();
    times.push(now - before);
    before = now;
  }
  return { times, points: points.size };
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
    hovered: dict[str, Any] = page.evaluate(HOVER, SECONDS)
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
            round(FRAME),
            hovered["times"],
        ),
    ]
