"""The figure of a confusion: counts by hand, many labels, ids of cells."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.explanations import confused
from workbench.figures.confusion import MOST

PAIRS = [("cat", "cat"), ("cat", "dog"), ("cat", "dog"), ("cat", "cow"), ("dog", "dog"), ("cow", "dog")]


def test_cells_are_shares_of_the_row_with_their_counts() -> None:
    figure = confused(PAIRS).figure()
    heat, texts = figure.data
    assert list(figure.layout.yaxis.ticktext) == list(figure.layout.xaxis.ticktext) == ["cat", "cow", "dog"]
    np.testing.assert_allclose(heat.z, [[25, 25, 50], [0, 0, 100], [0, 0, 100]])
    assert dict(zip(texts.ids, texts.text, strict=True)) == {
        "0 0": "1", "0 1": "1", "0 2": "2", "1 2": "1", "2 2": "1",
    }  # fmt: skip
    assert heat.hovertext[0][2] == "cat<br>predicted: dog<br>2 of 4 images (50.0 %)"
    said = figure.layout.title.subtitle.text
    assert said == "x, by the nearest image, leave one out<br>accuracy 33.3 % · n = 6 images of 3 labels"


def test_of_many_labels_those_with_the_most_errors_are_drawn() -> None:
    right = [(f"label {n}", f"label {n}") for n in range(40)]
    result = confused([*right, *[("label 7", "label 9")] * 3, ("label 0", "label 39")])
    figure = result.figure()
    names = figure.layout.yaxis.ticktext
    assert len(names) == MOST and set(names[:2]) == {"label 7", "label 9"} and names[-1] == "11 others"
    texts = figure.data[1]
    cells = dict(zip(texts.ids, texts.text, strict=True))
    seven, nine = (result.labels.index(f"label {n}") for n in (7, 9))
    assert cells[f"{seven} {nine}"] == "3" and cells["-1 -1"] == "11"
    assert sum(int(count) for count in cells.values()) == len(result.images)
    assert "the 29 with the most errors, the others summed" in figure.layout.title.subtitle.text


@pytest.mark.parametrize("pairs", [[], [("a", "a")] * 2])
def test_no_errors_and_no_images(pairs: list[tuple[str, str]]) -> None:
    result = confused(pairs)
    assert json.loads(result.figure().to_json())
    assert not len(result.errors()) and ("has another predicted label" in result._repr_html_())
