"""Explanations of queries of parts add up to the scores of the search."""

from __future__ import annotations

import numpy as np
import pytest

import workbench as wb
from tests.support.pictures import picture
from workbench.bench.bench import Bench
from workbench.explain.combined import CombinedExplanation, added
from workbench.explain.score import Explanation
from workbench.query.query import Query

PIPELINE = "efficientnet_lite0/max/rmac:2/pca:8"
A, B, C = (Query.image(f"kind{n}/{n:03}.jpg") for n in range(3))
IMAGE = "kind1/005.jpg"


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Query:
    path = tmp_path_factory.mktemp("drawing") / "my drawing.png"
    picture(5).save(path)
    return Query.colours(path)


@pytest.mark.parametrize(
    "query",
    [
        A + 0.5 * B - 0.3 * C,
        A - Query.image("kind1/001.jpg", (20, 10, 90, 80)),
        A - 0.5 * Query.text("a striped cloth"),
        A & B,
        (A | B) + C,
        (A & (B | C)) - 0.1 * B,
        2 * A + 0 * B + C,
        A.left_of(B),
        C + A.above(B),
    ],
    ids=str,
)
def test_parts_add_up_to_the_score_of_the_search(bench24: Bench, query: Query) -> None:
    table = bench24.search(query, pipeline=PIPELINE, k=None).set_index("image_id")
    for image in (IMAGE, "kind2/006.jpg", table.index[0], table.index[-1]):
        why = bench24.explain(query, image, pipeline=PIPELINE)
        assert isinstance(why, CombinedExplanation)
        assert why.score == pytest.approx(table.loc[image, "score"], abs=1e-4)
        assert why.table["contribution"].sum() + why.penalty == pytest.approx(why.score, abs=1e-6)
        assert why.image_heatmap.sum() + why.constant == pytest.approx(why.score, abs=1e-6)
        assert sum(why.sum().groups) == pytest.approx(why.score, abs=1e-6)
        assert [part.number for part in why.parts] == [
            n for n, (_, weight) in enumerate(query.parts, start=1) if weight
        ]
        for part in why.parts:
            assert part.value == pytest.approx(table.loc[image, f"part {part.number}"], abs=1e-4)
            assert part.value == pytest.approx(part.leaf.weight * (part.score - part.mean) / part.std)
            assert part.heatmap.sum() + part.constant == pytest.approx(part.value)
            # The heat is that of the part's own explanation, and so is the score.
            assert part.why.score == pytest.approx(part.score, abs=1e-5)
            own = part.why.image_heatmap if part.leaf.part.kind == "image" else part.why.heatmap
            np.testing.assert_allclose(part.heatmap, part.leaf.weight / part.std * own)


def test_both_and_either_are_decided_by_one_part(bench24: Bench) -> None:
    for query, choose in ((A & B, np.argmin), (A | B, np.argmax)):
        why = bench24.explain(query, IMAGE, pipeline=PIPELINE)
        values = [part.value for part in why.parts]
        assert [part.counts for part in why.parts] == [n == choose(values) for n in range(2)]
        assert why.score == pytest.approx(values[choose(values)])
        assert "not decisive" in repr(why) and len(why.sum().groups) == 1


def test_an_arrangement_that_does_not_hold_is_subtracted(bench24: Bench) -> None:
    query = A.left_of(B)
    table = bench24.search(query, pipeline=PIPELINE, k=None)
    why = bench24.explain(query, table["image_id"].iloc[-1], pipeline=PIPELINE)
    both = np.minimum(table["part 1"], table["part 2"])
    assert why.penalty == pytest.approx(-(both.max() - both.min() + 1), abs=1e-4)
    boxes = [part.box for part in why.parts]
    assert all(box is not None and 0 <= box[0] < box[2] <= 1.001 for box in boxes)
    assert not boxes[0][0] + boxes[0][2] < boxes[1][0] + boxes[1][2]
    assert "arrangement" in repr(why)


def test_colours_have_heat_of_another_size(bench24: Bench, drawing: Query) -> None:
    query = A + 0.5 * drawing
    table = bench24.search(query, pipeline=PIPELINE, k=None).set_index("image_id")
    why = bench24.explain(str(query), IMAGE, pipeline=PIPELINE)
    assert why.score == pytest.approx(table.loc[IMAGE, "score"], abs=1e-4)
    assert why.image_heatmap.shape == (8, 8)
    assert why.image_heatmap.sum() + why.constant == pytest.approx(why.score)


def test_heat_of_different_sizes_is_added_at_its_place() -> None:
    coarse, fine = np.array([[4.0, 8.0]]), np.arange(8.0).reshape(2, 4)
    expected = np.array([[1, 1, 2, 2], [1, 1, 2, 2]]) + fine
    np.testing.assert_allclose(added([coarse, fine]), expected, atol=1e-6)


def test_equal_scores_of_all_images_add_nothing(bench24: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.engine import part_scores

    real = part_scores.part_scores
    monkeypatch.setattr(
        part_scores,
        "part_scores",
        lambda engine, config, part, progress: (
            0 * real(engine, config, part, progress) + 0.5
            if part.value.startswith("kind1")
            else real(engine, config, part, progress)
        ),
    )
    why = bench24.explain(A + B, IMAGE, pipeline=PIPELINE)
    assert why.parts[1].contribution == 0 and not why.parts[1].heatmap.any()
    assert why.score == pytest.approx(why.parts[0].contribution)


def test_a_single_image_is_explained_as_always(bench24: Bench) -> None:
    plain = bench24.explain("kind0/000.jpg", IMAGE, pipeline=PIPELINE)
    for query in (A, 0.5 * A + 0 * B, str(A)):
        why = bench24.explain(query, IMAGE, pipeline=PIPELINE)
        assert isinstance(why, Explanation) and why.score == plain.score


@pytest.mark.parametrize(
    ("query", "image", "said"),
    [
        (A + B, "gone.jpg", "'gone.jpg' is not an image of"),
        (-A, IMAGE, "nothing is searched for"),
        (A + Query.image("gone.jpg"), IMAGE, "neither a query nor an image"),
        (A.left_of(Query.colours("kind0/000.jpg")), IMAGE, "has none"),
    ],
)
def test_wrong_input(bench24: Bench, query: Query, image: str, said: str) -> None:
    with pytest.raises(wb.WorkbenchError, match=said):
        bench24.explain(query, image, pipeline=PIPELINE)
