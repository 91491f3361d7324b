"""Images ranked for texts by vision–language models, with random and with trained weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support import vision_language as tiny
from tests.support.benches import opened
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.text_search import text_boxes, text_scores
from workbench.engine.vision_language import check, text_vector
from workbench.evaluation.precision import average_precision
from workbench.explain.text import explain_text
from workbench.explain.vision_language import text_heat
from workbench.report.text_summary import text_still, text_summary
from workbench.text.vision_language import encode_text

EACH = 5  # pictures of a caption


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Pictures of coloured shapes that no model was trained on, named by their caption."""
    tiny.add_models(tmp_path_factory.mktemp("models"))
    folder, rng = tmp_path_factory.mktemp("shapes"), np.random.default_rng(1)
    for caption in tiny.CAPTIONS:
        (folder / caption).mkdir()
        for number in range(EACH):
            tiny.shape_picture(caption, rng).save(folder / caption / f"{number}.png")
    return opened(folder, tmp_path_factory.mktemp("cache"))


PIPELINES = [
    "code/whole",
    "mean/whole",
    "max/whole",
    "gem:3/grid:2x2",
    "max/rmac:2/pcaw:8",
    "mean/whole/pca:8",
    "mean/rmac:2/centre/pca:6",
    "mean/whole/scales:2",
]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_scores_of_texts_are_cosines_that_split_over_cells(shapes: Bench, pipeline: str) -> None:
    config = Config.parse(f"clip:tiny-ViT@random/{pipeline}")
    scores = text_scores(shapes.engine, config, "a red circle")
    assert scores.shape == (len(shapes.collection.images),) and scores.dtype == np.float32
    assert np.abs(scores).max() <= 1 + 1e-5 and np.ptp(scores) > 0
    for row in (0, 17):
        score, heat = text_heat(shapes.engine, config, "a red circle", shapes.collection.images[row])
        assert score == pytest.approx(float(scores[row]), abs=1e-5)
        assert float(heat.sum()) == pytest.approx(score, abs=1e-4)


def test_whitening_takes_a_text_to_where_it_takes_images_without_their_mean(shapes: Bench) -> None:
    config = Config.parse("clip:tiny-ViT@random/mean/whole/pcaw:8")
    described = shapes.engine.describe(config)
    (whitening,) = described.descriptors.final
    assert whitening is not None
    text = encode_text("clip:tiny-ViT@random", ["a red circle"])[0]
    expected = whitening.projection.numpy() @ text
    assert np.allclose(text_vector(described, "a red circle"), expected / np.linalg.norm(expected), atol=1e-6)


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("clip:tiny-ViT@random/mean/whole/power:0.5", "step power:0.5: it is not linear"),
        (
            "clip:tiny-ViT@block1@random/mean/whole",
            "layer 'block1' of clip:tiny-ViT is before",
        ),
        ("vgg16/max/whole", "'vgg16' has no text encoder; valid: clip:NAME, siglip:NAME"),
    ],
)
def test_pipelines_outside_the_space_of_texts_are_refused(shapes: Bench, pipeline: str, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        check(Config.parse(pipeline))


@pytest.mark.parametrize("text", ["红色的圆", "circle " * 2000, "<img src=x onerror=alert(1)>"])
def test_any_text_has_a_vector(shapes: Bench, text: str) -> None:
    vector = encode_text("clip:tiny-ViT@random", [text])[0]
    assert np.isfinite(vector).all() and float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("pipeline", "notes"),
    [
        ("mean/whole", ["random weights: this backbone was never trained"]),
        ("code/whole", ["random weights", "a code is one vector of the whole image, so there is no heat"]),
    ],
)
def test_an_explanation_has_cells_and_no_concepts(shapes: Bench, pipeline: str, notes: list[str]) -> None:
    config, image = Config.parse(f"clip:tiny-ViT@random/{pipeline}"), "a red square/0.png"
    why = explain_text(shapes.engine, config, "a <b>red</b> circle", image)
    assert float(why.heatmap.sum()) + why.constant == pytest.approx(why.score, abs=1e-6)
    assert abs(why.constant) < 1e-4 and why.concepts.empty
    assert why.sentence == f"a <b>red</b> circle {why.score:.3f}"
    assert [note[: len(part)] for note, part in zip(why.warnings, notes, strict=True)] == notes
    figure = why.figure()
    assert f"{why.score:.3f}" in figure.layout.title.text and "<b>red" not in figure.layout.title.text
    assert f"n = {why.heatmap.size} cells" in json.dumps(figure.to_dict(), default=str)
    assert "circle" in text_summary(why) and "<img" in text_still(why)
    long = explain_text(shapes.engine, config, "circle " * 2000, image)
    assert "fills the 16 tokens that tiny-ViT takes" in long.warnings[0]


def test_an_empty_text_is_refused(shapes: Bench) -> None:
    with pytest.raises(WorkbenchError, match="the text is empty; write what the images should show"):
        text_scores(shapes.engine, Config.parse("clip:tiny-ViT@random/mean/whole"), " ")


def test_a_trained_pair_finds_pictures_by_words(shapes: Bench, tmp_path: Path) -> None:
    """By chance the average precision of 5 among 60 is about 0.12."""
    torch.set_num_threads(1)
    path = tiny.save(tiny.train("tiny-ViT"), tmp_path / "clip-tiny-ViT.safetensors")
    for pooling, least in (("code", 0.4), ("mean", 0.25)):
        config = Config.parse(f"file:{path}/{pooling}/whole")
        precisions = []
        for caption in tiny.CAPTIONS:
            order = np.argsort(-text_scores(shapes.engine, config, caption), kind="stable")
            images = [shapes.collection.images[row] for row in order]
            ranks = [rank for rank, image in enumerate(images) if image.startswith(caption)]
            precisions.append(average_precision(np.array(ranks), EACH))
        assert np.mean(precisions) > least, (pooling, np.mean(precisions))
    score, heat = text_heat(shapes.engine, config, "a red square", "a red square/0.png")
    assert float(heat.sum()) == pytest.approx(score, abs=1e-4)
    place = text_boxes(shapes.engine, config, "a red square", "a red square/0.png")
    assert place.size == (32, 32) and place.score >= score - 1e-4  # the whole image is one of the regions
