"""Searches for queries of several parts, against values computed from searches for each part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import workbench as wb
from tests.support.benches import opened
from tests.support.pictures import folder_of, picture
from workbench.bench.bench import Bench
from workbench.engine import part_scores
from workbench.query.query import Query
from workbench.search.relevance_feedback import Feedback

PIPELINE = "efficientnet_lite0/max/rmac:2"
A, B, C = (Query.image(f"kind{n}/{n:03}.jpg") for n in range(3))


@pytest.fixture
def scores(bench24: Bench) -> Callable[[Query], pd.Series]:
    """The standardised scores of a single image, by image id."""

    def standardised(query: Query) -> pd.Series:
        table = bench24.search(query, pipeline=PIPELINE, k=None).set_index("image_id")["score"]
        return (table - table.mean()) / table.std(ddof=0)

    return standardised


def test_a_single_image_is_searched_for_as_always(bench24: Bench) -> None:
    box = (10.0, 10.0, 80.0, 60.0)
    plain = bench24.search("kind0/000.jpg", pipeline=PIPELINE, box=box, k=None)
    line = "image:kind0/000.jpg[10,10,80,60]"
    for query in (
        line,
        Query.parse(line),
        0.5 * Query.parse(line),
        Query.parse(f"{line} + 0 image:gone.jpg"),
    ):
        table = bench24.search(query, pipeline=PIPELINE, k=None)
        pd.testing.assert_frame_equal(table, plain, check_exact=True)
        assert table.attrs["ap"] == plain.attrs["ap"] and "text" in table.attrs
    index = f"{PIPELINE}/ivf:2,pq:4/aqe:3"
    pd.testing.assert_frame_equal(
        bench24.search("kind0/000.jpg", pipeline=index), bench24.search(A, pipeline=index), check_exact=True
    )


def test_a_sum_adds_standardised_scores(bench24: Bench, scores: Callable[[Query], pd.Series]) -> None:
    query = A + 0.5 * B - 0.3 * C
    table = bench24.search(str(query), pipeline=PIPELINE, k=None)
    a, b, c = (scores(part).loc[table["image_id"]].to_numpy() for part in (A, B, C))
    np.testing.assert_allclose(table["part 1"], a, atol=1e-5)
    np.testing.assert_allclose(table["part 2"], 0.5 * b, atol=1e-5)
    np.testing.assert_allclose(table["part 3"], -0.3 * c, atol=1e-5)
    np.testing.assert_allclose(table["score"], a + 0.5 * b - 0.3 * c, atol=1e-5)
    assert table["score"].is_monotonic_decreasing and table["rank"].tolist() == list(range(1, 25))
    assert table.attrs["text"] == str(query)
    assert table.attrs["parts"] == [f"image:kind{n}/{n:03}.jpg" for n in range(3)]
    assert table.attrs["query"] == "kind0/000.jpg"
    assert (
        bench24.search(query, pipeline=PIPELINE, k=5)["image_id"].tolist() == table["image_id"].tolist()[:5]
    )


def test_both_and_either(bench24: Bench, scores: Callable[[Query], pd.Series]) -> None:
    for query, join in ((A & B, np.minimum), (A | B, np.maximum)):
        table = bench24.search(query, pipeline=PIPELINE, k=None).set_index("image_id")
        expected = pd.Series(join(scores(A), scores(B)), scores(A).index).loc[table.index]
        np.testing.assert_allclose(table["score"], expected, atol=1e-5)
        assert set(table["relevance"]) == {"unknown"} and table.attrs["query"] == ""


def test_feedback_and_further_images_are_summands(
    bench24: Bench, scores: Callable[[Query], pd.Series]
) -> None:
    base = A + B
    also = bench24.search(base, pipeline=PIPELINE, k=None, also=["kind2/002.jpg"])
    same = bench24.search(base + C, pipeline=PIPELINE, k=None)
    pd.testing.assert_frame_equal(also.drop(columns="moved"), same, check_exact=True)
    liked, disliked = ("kind3/003.jpg", "kind3/007.jpg"), ("kind1/001.jpg",)
    table = bench24.search(base, pipeline=PIPELINE, k=None, feedback=Feedback(liked, disliked))
    vectors = dict(zip(bench24.collection.images, _database(bench24), strict=True))
    direction = 0.75 * np.mean([vectors[i] for i in liked], 0) - 0.15 * vectors[disliked[0]]
    raw = np.array([vectors[i] @ direction for i in table["image_id"]])
    np.testing.assert_allclose(table["feedback"], (raw - raw.mean()) / raw.std(), atol=1e-4)
    np.testing.assert_allclose(table["score"], table[["part 1", "part 2", "feedback"]].sum(axis=1), atol=1e-5)
    before = bench24.search(base, pipeline=PIPELINE, k=None).set_index("image_id")["rank"]
    assert (before.loc[table["image_id"]].to_numpy() - table["rank"] == table["moved"]).all()
    svm = bench24.search(base, pipeline=PIPELINE, feedback=Feedback(liked, disliked, "svm"), k=None)
    assert svm.set_index("image_id")["feedback"].loc[[*liked, *disliked]].is_monotonic_decreasing


def _database(bench: Bench) -> np.ndarray:
    return bench.engine.describe(bench.engine.config(PIPELINE)).database.numpy()


def test_text_keeps_its_scores_alone_and_is_standardised_with_others(
    bench24: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(bench24.collection.images)
    given = np.linspace(1, 0, count, dtype=np.float32) ** 2
    real = part_scores.part_scores
    monkeypatch.setattr(
        part_scores,
        "part_scores",
        lambda engine, config, part, progress: (
            given if part.kind == "text" else real(engine, config, part, progress)
        ),
    )
    for table in (
        bench24.search(text="at night", pipeline=PIPELINE, k=None),
        bench24.search(0.3 * Query.text("at night"), pipeline=PIPELINE, k=None),
    ):
        np.testing.assert_array_equal(table["score"], given)
        assert list(table.columns) == ["rank", "image_id", "score", "relevance"]
        assert set(table["relevance"]) == {"unknown"}
    line = 'image:kind0/000.jpg + 0.5 text:"at night"'
    table = bench24.search(line, pipeline=PIPELINE, k=None)
    rows = [bench24.collection.images.index(image) for image in table["image_id"]]
    np.testing.assert_allclose(table["part 2"], 0.5 * ((given - given.mean()) / given.std())[rows], atol=1e-5)
    assert "ap" in table.attrs


def test_a_string_is_an_id_or_a_file_before_it_is_a_line(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 4)
    odd = 'image:000.jpg + text:"x"'
    picture(9).save(folder / "a.jpg")
    (folder / "a.jpg").rename(folder / odd)
    (folder / "000.jpg").rename(folder / "a b + [1] 'ü\".jpg")
    bench = opened(folder, tmp_path / "cache", labels="none")
    assert len(bench.collection.images) == 4  # the odd name has no ending of an image
    table = bench.search(str(folder / odd), pipeline=PIPELINE)
    assert "text" not in table.attrs and len(table) == 4
    name = next(image for image in bench.collection.images if image.startswith("a b"))
    for query in (
        Query.image(name) - Query.image(folder / "001.jpg"),
        Query.image(name) | Query.image(folder / odd),
    ):
        pd.testing.assert_frame_equal(
            bench.search(str(query), pipeline=PIPELINE), bench.search(query, pipeline=PIPELINE)
        )


def test_arrangements_order_the_located_boxes(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    things = [picture(seed, (96, 96)) for seed in range(3)]
    for name, left, right in (("ab", 0, 1), ("ba", 1, 0), ("ac", 0, 2), ("ca", 2, 0), ("cb", 2, 1)):
        pair = Image.new("RGB", (192, 96))
        pair.paste(things[left], (0, 0))
        pair.paste(things[right], (96, 0))
        pair.save(folder / f"{name}.png")
        pair.transpose(Image.Transpose.ROTATE_270).resize((96, 192)).save(folder / f"{name}-down.png")
    for name, thing in zip("abc", things, strict=True):
        thing.save(tmp_path / f"{name}.png")
    bench = opened(folder, tmp_path / "cache", labels="none", size=192)
    a, b = Query.image(tmp_path / "a.png"), Query.image(tmp_path / "b.png")
    pipeline = "efficientnet_lite0/max/rmac:2"
    table = bench.search(a.left_of(b), pipeline=pipeline, k=None)
    assert table["image_id"].iloc[0] == "ab.png"
    located = bench.search(a, pipeline=pipeline, k=None, locate=True).set_index("image_id")
    others = bench.search(b, pipeline=pipeline, k=None, locate=True).set_index("image_id")
    centres = [(frame["x0"] + frame["x1"]).to_dict() for frame in (located, others)]
    holds = np.array([centres[0][image] < centres[1][image] for image in table["image_id"]])
    both = np.asarray(table[["part 1", "part 2"]].min(axis=1))
    assert holds.any() and not holds.all()
    assert not np.diff(holds.astype(int)).max() > 0  # all that hold come first
    np.testing.assert_allclose(table["score"][holds], both[holds], atol=1e-5)
    np.testing.assert_allclose(table["score"][~holds], both[~holds] - np.ptp(both) - 1, atol=1e-5)
    mirrored = bench.search(b.right_of(a), pipeline=pipeline, k=None)
    assert mirrored["image_id"].tolist() == table["image_id"].tolist()


@pytest.mark.parametrize(
    ("query", "arguments", "said"),
    [
        (None, {}, "give either a query or text"),
        (A, {"text": "x"}, "not both"),
        (None, {"text": "  "}, "text: is empty"),
        ("image:kind0/000.jpg + 0.5 image:gone.jpg", {}, "'gone.jpg' is neither a query nor an image"),
        ("image:kind0/000.jpg + 0.5 image:a\nb", {}, "does not join"),
        (-A - B, {}, "nothing is searched for"),
        (0 * A + 0 * B, {}, "nothing is searched for"),
        (0 * A - B, {}, "nothing is searched for"),
        (A + B, {"box": (0, 0, 9, 9)}, "has no box of its own"),
        (None, {"text": "x", "box": (0, 0, 9, 9)}, "has no box of its own"),
        (A + Query.image("kind0/000.jpg", (900, 900, 990, 990)), {}, "holds no pixel"),
        (A + B, {"also": [picture(0)]}, "give its file"),
        (A + B, {"feedback": Feedback((), ("kind0/000.jpg",), "svm")}, "negatives only"),
        (A + B, {"feedback": Feedback(("gone.jpg",))}, "'gone.jpg' is not an image"),
        (A.left_of(-B), {}, "negative weight"),
        (A.left_of(B), {"pipeline": "sift/bow:16/whole"}, "has none"),
        (A + B, {"k": 0}, "k is 0"),
        ("image:kind0/000.jpg + beside", {}, "is no part"),
        ("x" * 5000 + " image:", {}, "shorten it"),
    ],
)
def test_wrong_queries(bench24: Bench, query: object, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(wb.WorkbenchError) as caught:
        bench24.search(query, **{"pipeline": PIPELINE, **arguments})  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert str(caught.value).count("\n") in (0, 2)  # a sentence, or with the line and its caret
