"""The style of figures: contrast of its colours on both grounds, and names that stay text."""

from __future__ import annotations

import html
import itertools
import json
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.common import palette
from workbench.common.palette import PALETTE
from workbench.config.printable import printable
from workbench.figures import style
from workbench.figures.style import DARK, LIGHT, new_figure, notice, subtitle, text

GROUNDS = {LIGHT: "#ffffff", DARK: "#111111"}  # of JupyterLab's themes
SIGNS = {palette.POSITIVE, palette.NEGATIVE, palette.JUNK, palette.NEUTRAL, style.ADDS, style.SUBTRACTS}
COLOURS = {*PALETTE, *SIGNS}


def luminance(colour: str) -> float:
    """The relative luminance of a colour ``#rrggbb`` (WCAG 2.2)."""
    shares = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first: str, second: str) -> float:
    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the lightest grey of level AA


@pytest.mark.parametrize("colour", sorted(COLOURS))
@pytest.mark.parametrize("template", GROUNDS)
def test_every_colour_stands_out_from_both_grounds(colour: str, template: str) -> None:
    assert contrast(colour, GROUNDS[template]) >= 3  # WCAG 2.2, 1.4.11, for graphics


@pytest.mark.parametrize("template", GROUNDS)
def test_text_of_a_template_is_legible_on_its_ground(template: str) -> None:
    layout = pio.templates[template].layout
    for colour in (layout.font.color, layout.title.subtitle.font.color, layout.modebar.color):
        assert contrast(colour, GROUNDS[template]) >= 4.5
    assert contrast(layout.hoverlabel.font.color, layout.hoverlabel.bgcolor) >= 4.5
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_colours_of_the_palette_differ_for_colour_blind_people() -> None:
    """Machado, Oliveira and Fernandes (2009): the matrices of complete deuteranopia and protanopia."""
    matrices = {
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
    }
    shares = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in PALETTE]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    for matrix in (np.eye(3), *map(np.array, matrices.values())):
        seen = (linear @ np.asarray(matrix).T).clip(0, 1)
        lab = _lab(seen)
        for count, least in ((4, 30), (len(PALETTE), 20)):  # most figures use the first four
            distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(lab[:count], 2)]
            assert min(distances) >= least


def _lab(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB [n, 3], white D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ matrix.T / matrix.sum(1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@given(st.text(max_size=300))
def test_a_name_has_no_markup_and_no_formula(name: str) -> None:
    shown = text(name)
    assert not set("<>$") & set(shown)
    decoded = html.unescape(shown)
    assert len(decoded) <= style.MAX_CHARACTERS
    if len(printable(name)) <= style.MAX_CHARACTERS:
        assert decoded == printable(name)
    else:
        end = (style.MAX_CHARACTERS - 1) // 2
        start = style.MAX_CHARACTERS - 1 - end
        assert decoded == f"{printable(name)[:start]}…{printable(name)[-end:]}"


def test_names_of_known_attacks() -> None:
    assert text("<b>x</b>") == "&lt;b&gt;x&lt;/b&gt;"
    assert text("$x^2$ & \x1b[31m") == "&#36;x^2&#36; &amp; \\x1b[31m"
    assert text("a" * 100, 11) == "aaaaa…aaaaa"


def test_subtitles_say_what_the_data_are() -> None:
    assert subtitle("n = 3 queries", "", collection="photos") == "n = 3 queries"
    said = subtitle("n = 60", collection="posters", pipelines=["resnet50@random/max/whole"])
    assert said == "n = 60 · semi-synthetic data · random weights"


def test_a_figure_carries_its_titles_and_opens_from_its_json() -> None:
    figure = new_figure("Title", "n = 1", "x", "y, %")
    assert isinstance(figure, go.Figure)
    layout = json.loads(figure.to_json())["layout"]
    assert layout["title"]["text"] == "Title" and layout["title"]["subtitle"]["text"] == "n = 1"
    assert (layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]) == ("x", "y, %")
    sentence = json.loads(notice("There is nothing.").to_json())["layout"]["annotations"][0]
    assert sentence["text"] == "There is nothing."


def test_pages_of_a_figure_have_no_button_that_uploads_its_data(tmp_path: Path) -> None:
    figure, file = new_figure("T"), tmp_path / "figure.html"
    figure.write_html(file, include_plotlyjs=False)
    for page in (file.read_text("utf-8"), figure.to_html({"scrollZoom": True}, include_plotlyjs=False)):
        config = json.loads(page[page.rindex('{"') :].partition(")")[0].strip())
        assert config["showSendToCloud"] is config["displaylogo"] is False
        assert "sendChartToCloud" in config["modeBarButtonsToRemove"]
    assert config["scrollZoom"] is True
