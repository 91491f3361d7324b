"""A path to an image of the collection is that image, however it is written."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import picture
from workbench.bench.bench import Bench
from workbench.collections.lookup import image_at

PIPELINE = f"{NETWORK}/mean/whole"
CAFE = unicodedata.normalize("NFC", "x/café.jpg")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("paths") / "photos"
    for seed, name in enumerate(("x/a.jpg", CAFE, "y/c.jpg", "y/D.jpg")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed, (640, 480)).save(root / name, quality=90)
    cache = root.parent / "cache"
    return wb.open(root, "folders", cache=cache, size=96, device="cpu", precision="float32")


def spellings(root: Path, other: Path) -> dict[str, str]:
    """Other ways to write the paths of images: {path: image}."""
    (other / "link").symlink_to(root)
    (other / "link.jpg").symlink_to(root / "x" / "a.jpg")
    os.link(root / "x" / "a.jpg", other / "hard.jpg")
    return {
        "x/a.jpg": "x/a.jpg",
        str(root / "x" / "a.jpg"): "x/a.jpg",
        f"{root}/y/../x/./a.jpg": "x/a.jpg",
        str(other / "link" / "x" / "a.jpg"): "x/a.jpg",
        str(other / "link.jpg"): "x/a.jpg",
        str(other / "hard.jpg"): "x/a.jpg",
        os.path.relpath(root / "y" / "c.jpg"): "y/c.jpg",
        str(root / "y" / "d.JPG"): "y/D.jpg",
        str(root / unicodedata.normalize("NFD", CAFE)): CAFE,
        str(root / "x" / "a.jpg").replace("/x/", "\\x\\"): "x/a.jpg",
    }


def test_every_spelling_is_the_image(bench: Bench, tmp_path: Path) -> None:
    for path, image in spellings(bench.collection.root, tmp_path).items():
        assert image_at(bench.collection, path) == image, path
    for path in ("x", "", "x/none.jpg", "\0", "a" * 300, str(tmp_path), "~nosuchuser/a.jpg"):
        assert image_at(bench.collection, path) is None, path


def test_a_new_file_with_the_number_of_a_deleted_one_is_another(bench: Bench, tmp_path: Path) -> None:
    picture(99).save(tmp_path / "new.jpg")
    status = os.stat(tmp_path / "new.jpg")
    collection = bench.collection
    files = dict(collection.files) | {(status.st_dev, status.st_ino): "x/a.jpg"}
    collection.__dict__["files"] = files
    assert image_at(collection, tmp_path / "new.jpg") is None


def test_commands_treat_the_path_as_the_image(bench: Bench) -> None:
    path = bench.collection.root / "x" / "a.jpg"
    by_path, by_id = (bench.search(query, pipeline=PIPELINE) for query in (path, "x/a.jpg"))
    pd.testing.assert_frame_equal(by_path, by_id)
    first = by_path.iloc[0]
    assert (first["image_id"], first["relevance"]) == ("x/a.jpg", "query")
    assert first["score"] == pytest.approx(1, abs=1e-6)
    assert set(by_path["relevance"]) == {"query", "positive", "negative"}
    other = bench.collection.root / "y" / "c.jpg"
    why = bench.explain(path, str(other), pipeline=PIPELINE)
    assert why.score == pytest.approx(bench.explain("x/a.jpg", "y/c.jpg", pipeline=PIPELINE).score)
    place = bench.locate(path, str(other), pipeline=f"{NETWORK}/mean/grid:2x2")
    assert place == bench.locate("x/a.jpg", "y/c.jpg", pipeline=f"{NETWORK}/mean/grid:2x2")
    classes = bench.classify(path, pipeline=f"{NETWORK}/mean/grid:2x2")
    assert set(classes["images"]) == {1, 2}  # the image itself does not vote
    assert bench.match(path, str(other)).inliers == bench.match("x/a.jpg", "y/c.jpg").inliers


@pytest.mark.parametrize(
    "query", ["", " ", "a" * 300, "x\0y", "~nosuchuser", "~$x.jpg", "x", 5, None, "\ud800"]
)
def test_what_is_no_query_is_said(bench: Bench, query: object) -> None:
    with pytest.raises(wb.WorkbenchError) as error:
        bench.search(query, pipeline=PIPELINE)  # type: ignore[arg-type]
    assert "\n" not in str(error.value) and str(error.value).encode()
    with pytest.raises(wb.WorkbenchError):
        bench.explain("x/a.jpg", query, pipeline=PIPELINE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "box", [(1, 2, 3), (0, 0, float("nan"), 9), (0, 0, float("inf"), 9), (9, 9, 1, 1), "x", 5]
)
def test_what_is_no_box_is_said(bench: Bench, box: object) -> None:
    for call in (
        lambda: bench.search("x/a.jpg", pipeline=PIPELINE, box=box),  # type: ignore[arg-type]
        lambda: bench.explain("x/a.jpg", "y/c.jpg", pipeline=PIPELINE, box=box),  # type: ignore[arg-type]
        lambda: bench.match("x/a.jpg", "y/c.jpg", box=box),  # type: ignore[arg-type]
        lambda: bench.picture("x/a.jpg", box=box),  # type: ignore[arg-type]
        lambda: bench.thumbnail("x/a.jpg", box=box),  # type: ignore[arg-type]
    ):
        with pytest.raises(wb.WorkbenchError, match="box"):
            call()
