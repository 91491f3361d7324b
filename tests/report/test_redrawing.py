"""Figures as pictures without script: redrawn by matplotlib, or by kaleido where it is installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.conftest import system_browser
from workbench.common.palette import PALETTE
from workbench.config.errors import WorkbenchError
from workbench.figures.style import DARK, LIGHT, Figure, new_figure, text
from workbench.report.redrawing import redraw

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("$x^2$", "<img src=x onerror=alert(1)>", "a & b", "画像", "</text><script>alert(2)</script>")


def drawing(figure: Figure, template: str = LIGHT) -> ElementTree.Element:
    copy = go.Figure(figure).update_layout(template=template, width=600, height=400)
    return ElementTree.fromstring(redraw(copy))


def words(root: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]


def paths(root: ElementTree.Element, color: str) -> list[tuple[list[float], list[float]]]:
    """The x and y of the points of each path of a colour."""
    drawn = [path.attrib["d"] for path in root.iter(f"{SVG}path") if color in path.attrib.get("style", "")]
    numbers = [[float(number) for number in re.findall(r"[\d.]+", path)] for path in drawn]
    return [(path[::2], path[1::2]) for path in numbers]


def test_names_are_literal_text() -> None:
    figure = new_figure("title", x="<b>recall</b>, %")
    for name in NAMES:
        figure.add_scatter(x=[0, 1], y=[0, 1], name=text(name))
    figure.update_yaxes(tickvals=[0, 1], ticktext=[text(name) for name in NAMES[:2]])
    root = drawing(figure)
    shown = words(root)
    assert shown.count(NAMES[0]) == shown.count(NAMES[1]) == 2  # on the axis and in the legend
    assert {*NAMES, "recall, %"} <= {*shown}
    assert {element.tag for element in root.iter()}.isdisjoint({f"{SVG}script", f"{SVG}img", f"{SVG}a"})


def test_markers_bars_and_lines_are_at_their_values() -> None:
    figure = new_figure("title")
    marks = {"mode": "lines+markers", "line": {"width": 0}, "marker": {"color": PALETTE[3]}}
    figure.add_scatter(x=[0, 1, 3], y=[10, 30, 20], **marks)
    figure.update_layout(xaxis={"range": [0, 4]}, yaxis={"range": [0, 40]})
    places = [
        [(min(numbers) + max(numbers)) / 2 for numbers in path] for path in paths(drawing(figure), PALETTE[3])
    ]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert (x2 - x0) / (x1 - x0) == pytest.approx(3)  # 0, 1, 3
    assert (y0 - y1) / (y0 - y2) == pytest.approx(2) and y1 < y0  # 10, 30, 20; y points down
    figure = new_figure("title")
    figure.add_bar(x=[2, 3, -1], y=[0, 1, 2], base=[0, 2, 5], orientation="h", marker={"color": PALETTE[2]})
    bars = [x for x, _ in paths(drawing(figure), PALETTE[2])]
    edges = [sorted({*bar}) for bar in bars]
    unit = (edges[0][1] - edges[0][0]) / 2
    zero = edges[0][0]
    assert [[(x - zero) / unit for x in pair] for pair in edges] == [
        pytest.approx([0, 2], abs=1e-4),
        pytest.approx([2, 5]),
        pytest.approx([4, 5]),
    ]


def test_the_text_has_the_colour_of_the_scheme() -> None:
    figure = new_figure("title", x="recall")
    figure.add_heatmap(z=[[1, np.nan], [3, 4]])
    for template, color in ((LIGHT, "#1f2328"), (DARK, "#e6e6e6")):
        (label,) = [t for t in drawing(figure, template).iter(f"{SVG}text") if t.text == "recall"]
        assert color in label.attrib["style"]


def test_what_is_not_drawn_is_named() -> None:
    figure = new_figure("title")
    figure.add_scatter3d(x=[0], y=[0], z=[0])
    assert "not drawn without kaleido: scatter3d" in words(drawing(figure))


def test_an_image_file_without_a_browser_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent")
    figure = new_figure("title").add_scatter(x=[0, 1], y=[0, 1])
    with pytest.raises(WorkbenchError, match="needs kaleido and a browser: "):
        figure.write_image(tmp_path / "figure.png")
    figure.write_html(tmp_path / "figure.html")
    assert (tmp_path / "figure.html").stat().st_size > 4_000_000


@pytest.mark.skipif(
    not find_spec("kaleido") or not system_browser(), reason="needs kaleido and an installed browser"
)
def test_kaleido_writes_image_files(tmp_path: Path) -> None:
    figure = new_figure("title", x="recall").add_scatter(
        x=[0, 1], y=[0, 1], name=text("$x^2$"), showlegend=True
    )
    figure.write_image(tmp_path / "figure.svg")
    shown = words(ElementTree.fromstring((tmp_path / "figure.svg").read_text()))
    assert {"title", "recall", "$x^2$"} <= {*shown}
