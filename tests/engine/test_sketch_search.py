"""Search by sketch: contours are detected by a job that resumes, and every score is a sum of parts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import workbench
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.engine.sketch_search import colour_scores, sketch_notes, sketch_scores
from workbench.explain.sketch import explain_colours, explain_sketch

PIPELINES = ("efficientnet_lite0/max/rmac:2", "efficientnet_lite0/gem:3/whole/pcaw:4", "sift/bow:16/whole")
SHAPES = ("circle", "square", "triangle")


def shape(kind: str, shift: int, fill: str = "", pen: str = "black") -> Image.Image:
    image = Image.new("RGB", (160, 120), "#e8e4dc" if fill else "white")
    pencil = ImageDraw.Draw(image)
    box = (40 + shift, 25, 110 + shift, 95)
    if kind == "circle":
        pencil.ellipse(box, fill=fill or None, outline=pen, width=3)
    elif kind == "square":
        pencil.rectangle(box, fill=fill or None, outline=pen, width=3)
    else:
        corners = [(box[0], box[3]), (75 + shift, box[1]), (box[2], box[3])]
        pencil.polygon(corners, fill=fill or None, outline=pen, width=3)
    return image


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    for kind in SHAPES:
        for number, colour in enumerate(("firebrick", "seagreen", "royalblue")):
            shape(kind, 8 * number - 8, colour).save(folder / f"{kind}{number}.png")
    shutil.copy(folder / "circle0.png", folder / "copy.png")
    return folder


def opened(folder: Path, cache: Path) -> Bench:
    return workbench.open(folder, cache=cache, size=160, precision="float32", device="cpu", contours="canny")


@pytest.fixture(scope="module")
def bench(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return opened(shapes, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("kind", SHAPES)
def test_drawn_shape_retrieves_the_shapes_of_its_kind(bench: Bench, kind: str) -> None:
    scores = sketch_scores(bench.engine, bench.engine.config(PIPELINES[0]), shape(kind, 5))
    images = [bench.collection.images[row] for row in np.argsort(-scores)]
    assert all(image.startswith((kind, "copy")) for image in images[:3])
    assert scores.dtype == np.float32 and scores.shape == (10,)
    assert (
        scores[bench.collection.images.index("copy.png")]
        == scores[bench.collection.images.index("circle0.png")]
    )
    assert sketch_notes(bench.engine) == []


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_explanation_of_a_sketch_sums_to_its_score(bench: Bench, pipeline: str) -> None:
    config, drawing = bench.engine.config(pipeline), shape("square", 0)
    scores = sketch_scores(bench.engine, config, drawing)
    why = explain_sketch(bench.engine, config, drawing, "square2.png")
    assert why.score == pytest.approx(scores[bench.collection.images.index("square2.png")], abs=1e-5)
    for heat in (why.query_heatmap, why.image_heatmap):
        assert heat.sum() + why.constant == pytest.approx(why.score, abs=1e-4)
    assert why.pictures is not None and why.pictures[1].source == bench.collection.path("square2.png")
    assert why.figure().layout.title.text


def test_colours_are_compared_at_their_places(bench: Bench) -> None:
    drawing = Image.new("RGBA", (320, 240), (0, 0, 0, 0))
    ImageDraw.Draw(drawing).ellipse((90, 60, 190, 180), fill="firebrick")
    scores = dict(zip(bench.collection.images, colour_scores(bench.engine, drawing), strict=True))
    assert set(sorted(scores, key=lambda image: -scores[image])[:4]) == {
        "circle0.png", "square0.png", "triangle0.png", "copy.png",
    }  # fmt: skip
    assert min(scores.values()) > 0 and max(scores.values()) <= 1
    why = explain_colours(bench.engine, drawing, "square0.png")
    assert why.score == pytest.approx(scores["square0.png"], abs=1e-6)
    assert why.query_heatmap.sum() == pytest.approx(why.score) and why.query_heatmap[0].sum() == 0
    assert why.region_pairs["contribution"].sum() == pytest.approx(why.score)
    assert why.figure().layout.title.text


def test_bad_drawings_are_one_sentence_before_the_long_work(bench: Bench, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "white").save(tmp_path / "blank.png")
    config = bench.engine.config(PIPELINES[0])
    for score in (
        lambda path: sketch_scores(bench.engine, config, path),
        lambda path: colour_scores(bench.engine, path),
    ):
        with pytest.raises(WorkbenchError, match=r"blank\.png' is empty: draw"):
            score(tmp_path / "blank.png")
        with pytest.raises(WorkbenchError, match=r"drawing '.*gone\.png' is neither a file nor an image"):
            score(tmp_path / "gone.png")
    learned = bench.engine.config("efficientnet_lite0/max/whole/lw:8")
    with pytest.raises(WorkbenchError, match=r"lw:8 learns from photos of one label, .* use pcaw:8$"):
        sketch_scores(bench.engine, learned, shape("circle", 0))
    with pytest.raises(WorkbenchError, match="'nobody' is not an image"):
        explain_sketch(bench.engine, config, shape("circle", 0), "nobody")


def test_contours_are_made_once_and_again_where_files_change(shapes: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shapes, tmp_path / "photos"))
    bench = opened(folder, tmp_path / "cache")
    config, drawing = bench.engine.config(PIPELINES[0]), shape("circle", 0)
    tasks: list[tuple[str, int, int]] = []

    def stop_after_two(task: str, done: int, total: int) -> None:
        if "contours" in task:
            tasks.append((task, done, total))
            if done >= 2:
                raise Cancelled

    with pytest.raises(Cancelled):
        sketch_scores(bench.engine, config, drawing, stop_after_two)
    (edges,) = (tmp_path / "cache" / "edges").iterdir()
    kept = {path.name: path.stat().st_mtime_ns for path in edges.glob("*.png")}
    assert 2 <= len(kept) <= 9 and tasks[0][2] == 9  # of ten images two are the same

    bench = opened(folder, tmp_path / "cache")  # as after a kill
    scores = sketch_scores(bench.engine, config, drawing)
    made = {path.name: path.stat().st_mtime_ns for path in edges.glob("*.png")}
    assert len(made) == 9 and made.items() >= kept.items()

    damaged = next(iter(kept))
    (edges / damaged).write_bytes((edges / damaged).read_bytes()[:100])
    bench = opened(folder, tmp_path / "cache")
    np.testing.assert_array_equal(sketch_scores(bench.engine, config, drawing), scores)

    shutil.copy(shapes / "square0.png", folder / "triangle0.png")
    images = bench.collection.images
    changed = sketch_scores(bench.engine, config, drawing)
    assert changed[images.index("triangle0.png")] == changed[images.index("square0.png")]
    assert changed[images.index("circle1.png")] == pytest.approx(
        scores[images.index("circle1.png")], abs=1e-6
    )
