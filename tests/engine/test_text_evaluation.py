"""Measures of texts by hand, tables of texts with bad rows, and tags."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.benches import opened
from tests.support.pictures import folder_of
from tests.support.texts import concepts_of
from workbench.analysis.tags import rank_tags
from workbench.bench.bench import Bench
from workbench.cli.main import main
from workbench.config.errors import WorkbenchError
from workbench.engine.text_evaluation import measures


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("texts")
    return opened(folder_of(folder / "images", 6, kinds=2), folder / "cache")


def test_measures_by_hand() -> None:
    scores = np.array([0.9, 0.1, 0.5, 0.3], np.float32)
    # Relevant are the first and the third result: (1/1 + 2/3) / 2.
    found = measures(scores, np.array([True, False, False, True]))
    assert found == {"positives": 2, "ap": pytest.approx(5 / 6), "recall_10": 1, "best_rank": 1}
    many = measures(np.arange(30.0, 0, -1), np.arange(30) >= 5)
    assert many["recall_10"] == pytest.approx(5 / 10) and many["best_rank"] == 6
    tied = measures(np.zeros(4, np.float32), np.array([True, False, False, False]))
    assert tied["ap"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)  # the mean over all orders
    assert np.isnan(measures(scores, np.zeros(4, bool))["ap"])


def test_labels_and_paths_name_the_same_images(bench: Bench, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text('text,label\n"a dog, asleep",kind0\nblobs,kind1\n\n')
    paths = pd.DataFrame(
        [("a dog, asleep", f"kind0/{n:03}.jpg") for n in (0, 2, 4)]
        + [("blobs", str(bench.collection.root / f"kind1/{n:03}.jpg")) for n in (1, 3, 5)],
        columns=["text", "path"],
    )
    by_label = bench.studies.text_queries(labels)
    by_path = bench.studies.text_queries(paths)
    pd.testing.assert_frame_equal(pd.DataFrame(by_label.per_query), pd.DataFrame(by_path.per_query))
    assert by_label.per_query["positives"].tolist() == [3, 3]
    assert by_label.mean_ap == pytest.approx(by_label.per_query["ap"].mean())
    assert repr(by_label).startswith("2 texts on images\nmAP ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text;label\na;b\n", "needs text,label or text,path"),
        ("", "an empty file"),
        ("text,label,path\n", "needs text,label or text,path"),
        ("text,label\n", "no rows"),
        ("text,label\na,kind9\n", "line 2: 'kind9' is not a label of 'images'"),
        ("text,path\na,kind0/000.jpg\na,none.jpg\n", "line 3: 'none.jpg' is not an image of 'images'"),
        ("text,label\n,kind0\n", "line 2: the text is empty"),
        ("text,label\na dog, asleep,kind0\n", "line 2: 3 columns in place of 2; quote"),
    ],
)
def test_a_bad_table_names_its_line(bench: Bench, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "texts.csv").write_text(content)
    with pytest.raises(WorkbenchError, match=message):
        bench.studies.text_queries(tmp_path / "texts.csv")
    with pytest.raises(WorkbenchError, match="missing"):
        bench.studies.text_queries(tmp_path / "none.csv")


def test_the_command_prints_the_measures_as_json(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.csv").write_text("text,label\na photo,kind0\n")
    options = ["--labels", "folders", "--cache", str(bench.options.cache), "--size", "128", "--json"]
    command = [
        "evaluate",
        str(bench.collection.root),
        "--text-queries",
        str(tmp_path / "texts.csv"),
        *options,
    ]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert (
        printed["per_query"][0]["text"] == "a photo" and printed["mean_ap"] == printed["per_query"][0]["ap"]
    )
    with pytest.raises(SystemExit):
        main(["evaluate", str(bench.collection.root), *options])
    assert "no pipelines are given" in capsys.readouterr().err


def test_tags_are_concepts_and_what_they_are_kinds_of() -> None:
    table = rank_tags(np.array([0.6, 0.3, 0.1]), concepts_of())
    # beagle 0.6 · ln 3, dog 0.9 · ln 3/2, pug 0.3 · ln 3, cat 0.1 · ln 3, animal 1 · ln 1
    assert table["tag"].tolist() == ["beagle", "dog", "pug", "cat", "animal"]
    assert table["score"].to_numpy() == pytest.approx([0.6, 0.9, 0.3, 0.1, 1.0])
    assert table["kind"].tolist() == ["concept", "parent", "concept", "concept", "parent"]
    assert table["classes"].tolist() == [1, 2, 1, 1, 3]
    # A parent of one probable concept says no more than the concept.
    assert "dog" not in set(rank_tags(np.array([0.9, 0.0, 0.1]), concepts_of())["tag"])


def test_images_of_a_collection_and_others_are_tagged(bench: Bench) -> None:
    image = bench.collection.images[0]
    stored, computed = bench.studies.tags(image, k=3), bench.studies.tags(bench.picture(image), k=3)
    assert stored["tag"].tolist() == computed["tag"].tolist() and len(stored) <= 3
    np.testing.assert_allclose(stored["score"], computed["score"], atol=0.02)  # JPEG is decoded smaller
    assert len(bench.studies.tags(list(bench.collection.images), k=None)) > 0
    with pytest.raises(WorkbenchError, match="no image to tag"):
        bench.studies.tags([])
