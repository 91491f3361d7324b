"""Search by text on four photographs: rankings, places, explanations, and the stored class probabilities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.benches import opened
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.engine import class_probabilities
from workbench.engine.text_search import text_boxes, text_scores
from workbench.explain.text import explain_text, split
from workbench.text.bridge import TextQuery, text_query
from workbench.text.classifier import Classifier, image_probabilities, views
from workbench.text.concepts import load_concepts

PHOTOS = {"chelsea.png": "a kitten", "coffee.png": "a hot drink", "rocket.jpg": "spacecraft"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs of scikit-image, and one of a cat and of coffee beside each other."""
    import skimage

    folder = tmp_path_factory.mktemp("photos")
    for name in PHOTOS:
        picture = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
        picture.thumbnail((224, 224))
        picture.save(folder / name)
    both = Image.new("RGB", (448, 150))
    for place, name in enumerate(("chelsea.png", "coffee.png")):
        both.paste(Image.open(folder / name).resize((224, 150)), (224 * place, 0))
    both.save(folder / "both.png")
    return folder


@pytest.fixture(scope="module")
def bench(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return opened(photos, tmp_path_factory.mktemp("cache"), "none", size=448)


def scores(bench: Bench, text: str) -> dict[str, float]:
    values = text_scores(bench.engine, bench.engine.config(None), text)
    return dict(zip(bench.collection.images, values.tolist(), strict=True))


@pytest.mark.parametrize(("name", "text"), PHOTOS.items())
def test_a_text_ranks_first_what_it_describes(bench: Bench, name: str, text: str) -> None:
    ranked = scores(bench, text)
    assert max(ranked, key=ranked.__getitem__) == name
    assert all(0 <= score <= 1 for score in ranked.values())


@pytest.mark.parametrize(("text", "side"), [("a kitten", 0), ("a hot drink", 1)])
def test_the_box_is_on_what_the_text_names(bench: Bench, text: str, side: int) -> None:
    place = text_boxes(bench.engine, bench.engine.config(None), text, "both.png")
    x0, y0, x1, y1 = place.box
    assert int((x0 + x1) / 2 > 224) == side
    assert 0 <= x0 < x1 <= 448 and 0 <= y0 < y1 <= 150 and place.size == (448, 150)


@pytest.mark.parametrize("text", ["a hot drink", "animal", "the philosophy of mind"])
def test_the_explanation_sums_to_the_score_of_the_ranking(bench: Bench, text: str) -> None:
    for name, score in scores(bench, text).items():
        why = explain_text(bench.engine, bench.engine.config(None), text, name)
        assert why.score == pytest.approx(score, abs=1e-5)
        assert why.concepts["contribution"].sum() == pytest.approx(score, abs=1e-5)
        assert why.heatmap.sum() + why.constant == pytest.approx(score, abs=1e-5)
        product = why.concepts["weight"] * why.concepts["probability"]
        np.testing.assert_allclose(why.concepts["contribution"], product, atol=1e-7)


def test_the_heat_of_a_concept_is_where_it_is(bench: Bench) -> None:
    why = explain_text(bench.engine, bench.engine.config(None), "espresso", "both.png")
    heat = why.heatmap_of("espresso")
    half = heat.shape[1] // 2
    assert heat[:, half:].sum() > 2 * heat[:, :half].sum()
    assert why.sentence.startswith("espresso ") and " = espresso " in why.sentence
    with pytest.raises(WorkbenchError, match="not a concept"):
        why.heatmap_of("unicorn")


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    spread=st.sampled_from([0.0, 0.1, 3.0, 30.0]),
)
def test_any_map_is_divided_exactly(seed: int, shape: tuple[int, int], spread: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(1, 4, *shape, generator=generator).relu()
    weight, bias = torch.randn(1000, 4, generator=generator), torch.randn(1000, generator=generator)
    classifier = Classifier(spread * (weight - weight.mean(0)), spread * (bias - bias.mean()))
    query = text_query("a dog")
    why = split(query, maps, classifier)
    expected = float(image_probabilities(maps, classifier)[0].numpy() @ query.weights)
    assert why.score == pytest.approx(expected, abs=1e-5)
    assert why.heatmap.sum() + why.constant == pytest.approx(expected, abs=1e-4)
    assert np.isfinite(why.heatmap).all()
    total = sum(why.concept_heatmaps.values(), np.zeros(shape))
    np.testing.assert_allclose(total, why.heatmap, atol=1e-6)


def test_the_part_of_a_cell_is_its_share_of_the_logit_by_hand() -> None:
    # One channel, two cells of 1 and 3, in whose mean the logits of three classes are 4, -2 and -2.
    maps = torch.tensor([[[[1.0, 3.0], [1.0, 3.0]]]])
    classifier = Classifier(torch.tensor([[2.0], [-1.0], [-1.0]]), torch.zeros(3))
    boxes, weights = views(2, 2)
    assert weights.sum() == pytest.approx(1)
    assert boxes[0].tolist() == [0, 0, 2, 2]
    table = replace(load_concepts(), titles=("a", "b", "c"))
    query = TextQuery("dog", table, np.zeros(3), np.array([1.0, 0, 0]), np.zeros(3, int))
    why = split(query, maps, classifier)
    # The whole: e⁴ / (e⁴ + 2 e⁻²), of which cells have 1/8, 3/8, 1/8, 3/8. Regions are single cells.
    whole = np.exp(4) / (np.exp(4) + 2 * np.exp(-2))
    cell = {v: np.exp(2 * v) / (np.exp(2 * v) + 2 * np.exp(-v)) for v in (1, 3)}
    singles = [int(box[0]) for box in boxes[1:]]
    left, right = (
        2 / 3 * whole * v / 4 + sum(cell[v] for x in singles if x == side) / (3 * len(singles))
        for side, v in ((0, 1), (1, 3))
    )
    np.testing.assert_allclose(why.heatmap.sum(0), [left, right], atol=1e-6)


def test_stored_probabilities_are_used_again_and_changed_files_noticed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = tmp_path / "photos", tmp_path / "cache"
    folder.mkdir()
    for name in ("coffee.png", "rocket.jpg"):
        (folder / name).write_bytes((photos / name).read_bytes())
    first = scores(opened(folder, cache, "none", size=224), "a hot drink")

    computed: list[int] = []
    compute = class_probabilities.image_probabilities

    def counted(maps: torch.Tensor, classifier: Classifier) -> torch.Tensor:
        computed.append(len(maps))
        return compute(maps, classifier)

    monkeypatch.setattr(class_probabilities, "image_probabilities", counted)
    bench = opened(folder, cache, "none", size=224)
    assert scores(bench, "a hot drink") == first and not computed
    (folder / "rocket.jpg").write_bytes((photos / "coffee.png").read_bytes())
    changed = scores(bench, "a hot drink")
    assert changed["rocket.jpg"] == changed["coffee.png"] == first["coffee.png"] and not computed
    for path in (cache / "classes").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-8])  # truncated
    assert scores(opened(folder, cache, "none", size=224), "a hot drink") == changed and computed


def test_an_unreadable_image_moves_to_the_report(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    content = (photos / "coffee.png").read_bytes()
    (tmp_path / "photos" / "coffee.png").write_bytes(content)
    (tmp_path / "photos" / "half.png").write_bytes(content[: len(content) // 2])
    bench = opened(tmp_path / "photos", tmp_path / "cache", "none", size=224)
    assert set(scores(bench, "coffee")) == {"coffee.png"}
    with pytest.raises(WorkbenchError, match=r"'half.png' is not an image"):
        explain_text(bench.engine, bench.engine.config(None), "coffee", "half.png")
