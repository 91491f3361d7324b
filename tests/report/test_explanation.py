"""The page that explains one score."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.explain.score import Explanation
from workbench.report.explanation import page

PICTURE = Image.new("RGB", (40, 30), "teal")
NAME = "<b>a</b></script><script>alert(1)</script>.jpg"


@pytest.fixture
def explanation() -> Explanation:
    """Two regions on each side: those of the query add 0.5 each, those of the image 0.6 and 0.4."""
    pairs = pd.DataFrame(
        {"query_region": [1, 0, 0, 1], "image_region": [0, 1, 0, 1], "contribution": [0.4, 0.3, 0.2, 0.1]}
    )
    query_regions = np.array([[0, 0, 0.5, 1], [0.25, 0.5, 1, 1]])
    image_regions = np.array([[0, 0, 1, 0.125], [0, 0.5, 1, 1]])
    heat = np.full((3, 4), 1 / 12)
    return Explanation(1.0, heat, heat, pairs, query_regions, image_regions)


def test_the_strongest_regions_are_drawn_and_listed_with_their_numbers(explanation: Explanation) -> None:
    text = page(explanation, NAME, "b.jpg", "efficientnet_lite0/max/rmac:2", PICTURE, PICTURE)
    query, result = re.findall(r"<svg aria-hidden.*?</svg>", text.partition("<h2>")[0])
    labels = r'<text x="([\d.]+)%" y="([\d.]+)%" dx="\d+" dy="16">(\d)</text>'
    assert re.findall(labels, query) == [("0.00", "0.00", "1"), ("25.00", "50.00", "2")]
    assert re.findall(labels, result) == [("0.00", "0.00", "1"), ("0.00", "50.00", "2")]
    assert '<rect x="25.00%" y="50.00%" width="75.00%" height="50.00%"/>' in query
    assert '<rect x="0.00%" y="0.00%" width="100.00%" height="12.50%"/>' in result
    _, _, listed = text.split("The same as a table")
    rows = re.findall(r"<tr>(<td>.*?)</tr>", listed)
    small = r'<svg aria-hidden="true" width="24" height="18".*?</svg>'
    places = [re.findall(small, row) for row in rows]
    assert [len(place) for place in places] == [1, 1, 0]
    assert 'x="0.000" y="0.500" width="1.000" height="0.500"' in places[1][0]
    plain = [re.sub(small, "", row) for row in rows]
    cells = [re.findall(r"<td[^>]*>(?:<\w+>)?(.*?)(?:</\w+>)?</td>", row) for row in plain]
    assert cells == [
        ["1", "region 1", "+0.6000", "60.0 %"],
        ["2", "region 2", "+0.4000", "40.0 %"],
        ["", "score", "1.0000", "100.0 %"],
    ]


@pytest.mark.parametrize("static", [False, True])
def test_names_are_text(explanation: Explanation, static: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent")  # of kaleido
    text = page(explanation, NAME, NAME, f"efficientnet_lite0/{NAME}", PICTURE, PICTURE, static)
    assert "<b>a" not in text and text.count("&lt;b&gt;a&lt;/b&gt;") >= 4
    scripts = len(re.findall(r"<script[ >]", text))
    assert scripts == (0 if static else 2 + 1 + 2)  # plotly.js and ours, the templates, two figures
