"""The figure of common principal components: both pictures, their colours, and the shares of variance."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.activations import ramp_components
from workbench.collections.named_picture import NamedPicture
from workbench.config.errors import WorkbenchError
from workbench.figures.pictures import under_colours


def test_figure_names_pictures_components_and_shares() -> None:
    result = ramp_components(collection="posters")
    figure = result.figure(first=2)
    assert [note.text for note in figure.layout.annotations] == ["a.jpg", "b.jpg"]
    assert [trace.name for trace in figure.data] == [
        f"component {2 + n}: {100 * result.shares[1 + n]:.0f} % of the variance" for n in range(3)
    ]
    said = figure.layout.title.subtitle.text
    assert "n = 24 cells" in said and said.endswith("semi-synthetic data")
    with pytest.raises(WorkbenchError, match="valid: 1 to 4"):
        result.figure(first=5)


def test_equal_cells_of_both_pictures_have_one_colour() -> None:
    """On white pictures, the second picture is the first one mirrored."""
    white = Image.new("RGB", (80, 60), "white")
    result = ramp_components()
    result = replace(result, pictures=(NamedPicture("a", white), NamedPicture("b", white)))
    shown = [Image.open(io.BytesIO(base64.b64decode(image.source.split(",")[1]))) for image in
             result.figure().layout.images]  # fmt: skip
    left, right = (np.asarray(image.convert("RGB"), float) for image in shown)
    assert np.abs(left - right[:, ::-1]).mean() < 3  # of 255; JPEG is not symmetric
    assert np.abs(left - right).mean() > 20


def test_colours_lie_over_a_pale_picture() -> None:
    black = Image.new("RGB", (4, 2), "black")  # paled to 64
    blended = np.asarray(under_colours(black, np.ones((1, 2, 3))))
    np.testing.assert_allclose(blended, 0.25 * 64 + 0.75 * 255, atol=1.5)


def test_missing_pictures_are_frames_and_html_names_them_as_text() -> None:
    result = ramp_components("<img src=x onerror=alert(1)>")
    html = result._repr_html_()
    assert html.count("<img") == 1 and "&lt;img src=x" in html and "of the variance" in html
    gone = NamedPicture("gone.jpg", Path("/nowhere/gone.jpg"))
    lost = replace(result, pictures=(gone, gone))
    assert [note.text for note in lost.figure().layout.annotations].count("no picture") == 2
    assert "the file is missing" in lost._repr_html_()
    assert repr(lost).startswith("Components('gone.jpg' and 'gone.jpg': red: component 1 (")
