"""The page that explains one score."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from PIL import Image

from workbench.explain.score import Explanation
from workbench.report.explanation import page


def test_the_strongest_pairs_are_drawn_with_numbers_in_both_pictures() -> None:
    pairs = pd.DataFrame(
        {"query_region": [1, 0, 0, 1], "image_region": [0, 1, 0, 1], "contribution": [0.4, 0.3, 0.2, 0.1]}
    )
    query_regions = np.array([[0, 0, 0.5, 1], [0.25, 0.5, 1, 1]])
    image_regions = np.array([[0, 0, 1, 0.125], [0, 0.5, 1, 1]])
    heat = np.full((2, 2), 0.25)
    explanation = Explanation(1.0, heat, heat, pairs, query_regions, image_regions)
    picture = Image.new("RGB", (40, 30), "teal")
    text = page(explanation, "<b>a</b>.jpg", "b.jpg", "efficientnet_lite0/max/rmac:2", picture, picture)
    query, result = re.findall(r"<svg.*?</svg>", text)
    labels = r'<text x="([\d.]+)%" y="([\d.]+)%" dx="\d+" dy="16">(\d)</text>'
    assert re.findall(labels, query) == [
        ("25.00", "50.00", "1"),
        ("0.00", "0.00", "2"),
        ("0.00", "0.00", "3"),
    ]
    assert [label[2] for label in re.findall(labels, result)] == ["1", "2", "3"]
    assert '<rect x="25.00%" y="50.00%" width="75.00%" height="50.00%"/>' in query
    assert '<rect x="0.00%" y="0.00%" width="100.00%" height="12.50%"/>' in result
    assert "<b>a</b>" not in text and "<script" not in text
