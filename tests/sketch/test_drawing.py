"""Drawings on any paper give the same contours; distortions and colour layouts by hand-computed values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.sketch.canny import canny_lines
from workbench.sketch.colour_layout import CELLS, cell_colours, contributions, drawn_layout
from workbench.sketch.contours import thin_edges
from workbench.sketch.distortion import break_lines, distort, leave_out
from workbench.sketch.drawing import read_drawing
from workbench.sketch.operators import edge_operator

CANNY = edge_operator(Options(contours="canny"))


def house(mode: str = "RGB", paper: object = "white", pen: object = "black", width: int = 4) -> Image.Image:
    """A house drawn with a pen."""
    image = Image.new(mode, (400, 300), paper)  # type: ignore[arg-type]
    pencil = ImageDraw.Draw(image)
    pencil.rectangle((120, 140, 280, 260), outline=pen, width=width)  # type: ignore[arg-type]
    pencil.line((110, 140, 200, 60, 290, 140), fill=pen, width=width)  # type: ignore[arg-type]
    return image


@pytest.mark.parametrize(
    "drawing",
    [
        house(pen="red"),
        house(paper="black", pen="white"),
        house(paper="#f0e0a0", pen="#204080"),
        house("RGBA", (0, 0, 0, 0), (10, 10, 10, 255)),
        house("RGBA", (0, 0, 0, 0), (255, 255, 255, 255)),
        house("L", 255, 0),
        house("1", 1, 0),
        house().quantize(8),
        house(pen=(205, 205, 205)),
    ],
    ids=["red", "inverted", "coloured", "transparent", "white pen", "grey", "bits", "palette", "faint"],
)
def test_pen_and_paper_do_not_change_the_contours(drawing: Image.Image, tmp_path: Path) -> None:
    expected = read_drawing(house()).contours(CANNY)
    drawing.save(tmp_path / "drawing.png")
    for source in (drawing, tmp_path / "drawing.png"):
        np.testing.assert_array_equal(read_drawing(source).contours(CANNY), expected)


def test_place_size_and_width_of_pen_hardly_change_the_contours() -> None:
    expected = read_drawing(house()).contours(CANNY) > 127
    moved = Image.new("RGB", (700, 900), "white")
    moved.paste(house(width=9), (250, 500))
    contours = read_drawing(moved).contours(CANNY) > 127
    # The wider pen reaches a few pixels further, so the drawing is cropped a little wider.
    assert abs(np.array(contours.shape) - expected.shape).max() <= 4
    assert abs(contours.mean() - expected.mean()) < 0.1 * expected.mean()


def test_filled_area_becomes_its_outline() -> None:
    image = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(image).rectangle((100, 100, 299, 199), fill="blue")
    contours = read_drawing(image).contours(CANNY) > 127
    height, width = contours.shape
    assert not contours[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3].any()
    assert contours[: height // 4].any() and contours[-height // 4 :].any()


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (300, 200), "white"),
        Image.new("RGBA", (300, 200)),
        Image.new("L", (300, 200)),
        Image.new("RGB", (1, 1)),
    ],
)
def test_empty_canvas_is_one_sentence(image: Image.Image) -> None:
    drawing = read_drawing(image, "mine.png")
    for read in (lambda: drawing.contours(CANNY), drawing.require_ink):
        with pytest.raises(WorkbenchError, match=r"drawing 'mine\.png' is empty: draw some lines"):
            read()


def test_photograph_has_no_paper() -> None:
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)).resize((320, 240))
    drawing = read_drawing(photo)
    assert not drawing.has_paper and drawing.ink.all()
    np.testing.assert_array_equal(drawing.contours(CANNY), CANNY.picture(np.asarray(photo)))


def test_file_that_is_no_image_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(WorkbenchError, match=r"drawing 'a.png': "):
        read_drawing(tmp_path / "a.png")


# Edges


def test_ridge_of_an_edge_map_is_thinned_to_its_middle() -> None:
    x = np.arange(60, dtype=np.float32)
    edge = np.tile(0.9 * np.exp(-((x - 24) ** 2) / 18), (40, 1)).astype(np.float32)
    faint = np.tile(0.2 * np.exp(-((x - 48) ** 2) / 18), (40, 1)).astype(np.float32)
    lines = thin_edges(np.maximum(edge, faint))
    assert lines[5:-5, 24].all() and set(np.nonzero(lines[5:-5])[1]) <= {23, 24, 25}


def test_canny_detects_a_step_between_colours_of_equal_lightness() -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, :40], picture[:, 40:] = (200, 80, 80), (80, 141, 80)
    columns = np.nonzero(canny_lines(picture))[1]
    assert set(columns) <= {38, 39, 40, 41} and len(columns) >= 50
    assert not canny_lines(np.full((20, 20, 3), 7, np.uint8)).any()


# Distortion


def test_distortions_leave_out_the_share_that_they_name() -> None:
    lines = np.zeros((200, 300), bool)
    lines[10:190:12, 20:280] = True
    assert np.array_equal(distort(lines, 0, np.random.default_rng(0)), lines)
    kept = [leave_out(lines, 0.35, np.random.default_rng(n)).sum() / lines.sum() for n in range(60)]
    assert np.mean(kept) == pytest.approx(0.65, abs=0.05)
    broken = break_lines(lines, 1.0, np.random.default_rng(0))
    assert 0.5 < broken.sum() / lines.sum() < 0.95 and not (broken & ~lines).any()


@given(st.floats(0, 1), st.integers(0, 9))
def test_distorted_lines_stay_thin(strength: float, seed: int) -> None:
    lines = np.zeros((48, 64), bool)
    lines[10:40, 20] = lines[10, 20:50] = True
    drawn = distort(lines, strength, np.random.default_rng(seed))
    assert drawn.shape == lines.shape and drawn.dtype == bool
    assert not (drawn[:-1, :-1] & drawn[1:, :-1] & drawn[:-1, 1:] & drawn[1:, 1:]).any()


# Colour layout


def test_colour_layout_by_hand() -> None:
    """White paper, red ink (L*a*b* 53.24, 80.09, 67.20) on the left quarter of the upper half."""
    pixels = np.full((64, 64, 3), 255, np.uint8)
    ink = np.zeros((64, 64), bool)
    pixels[:32, :16], ink[:32, :16] = (255, 0, 0), True
    drawn = drawn_layout(pixels, ink)
    assert drawn.colours[0, 0] == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert drawn.weights.sum() == pytest.approx(1) and np.count_nonzero(drawn.weights) == 8
    red = cell_colours(np.full((64, 64, 3), (255, 0, 0), np.uint8))
    grey = cell_colours(np.full((64, 64, 3), 119, np.uint8))  # L*a*b* 50.03, 0, 0
    parts = contributions(drawn, np.stack([red, grey]))
    assert parts[0].sum() == pytest.approx(1, abs=1e-4)
    distance = np.sqrt((53.24 - 50.03) ** 2 + 80.09**2 + 67.20**2)
    assert parts[1].sum() == pytest.approx(np.exp(-distance / 20), rel=0.01)
    assert parts[0][0, 0] == pytest.approx(1 / 8, abs=1e-4) and parts[0][CELLS - 1, 0] == 0
