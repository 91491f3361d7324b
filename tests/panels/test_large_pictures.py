"""Pictures in the lightbox: file, labels, place in the ranking, heat, and errors as one sentence."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.benches import opened
from tests.support.pictures import folder_of, picture
from workbench.bench.bench import Bench
from workbench.collections.uploads import store_upload
from workbench.common.progress import silent
from workbench.config.errors import WorkbenchError
from workbench.panels import Session
from workbench.panels.large_pictures import LargePictures
from workbench.panels.widgets.lightbox import reference

PIPELINE = "efficientnet_lite0/mean/whole"
LONG = "n" * 240 + ".png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two kinds, among them a panorama, a single pixel, a turned picture and a long name."""
    root = folder_of(tmp_path_factory.mktemp("photos"), 6, kinds=2)
    picture(20, (3000, 300)).save(root / "kind0" / "wide.jpg", quality=90)
    picture(21, (1, 1)).save(root / "kind0" / "dot.png")
    picture(22, (64, 48)).save(root / "kind1" / LONG)
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn to the right shows it upright
    picture(23, (80, 40)).save(root / "kind1" / "turned.jpg", exif=turned)
    return root


@pytest.fixture(scope="module")
def bench(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return opened(folder, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def session(bench: Bench) -> Session:
    session = Session(bench, pipeline=PIPELINE)
    session.refresh()
    assert session.wait(120)
    assert not session.failed, session.message
    return session


@pytest.fixture
def large(session: Session) -> LargePictures:
    return LargePictures(session)


def size_of(jpeg: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(jpeg)).size


def texts(about: dict[str, Any]) -> list[str]:
    return [fact["text"] for fact in about["facts"]]


def test_result_has_its_rank_score_relevance_label_and_path(large: LargePictures, folder: Path) -> None:
    row = large.session.ranking.iloc[3]
    about, jpeg = large.picture(row["image_id"], 800)
    sign = {"positive": "✓ positive", "negative": "✗ negative"}[row["relevance"]]
    label = f"label {row['image_id'].split('/')[0]}"
    assert texts(about) == [f"rank {row['rank']}", f"score {row['score']:.3f}", sign, label]
    assert (about["name"], about["path"]) == (row["image_id"], str(folder / row["image_id"]))
    assert about["beside"] == large.session.ranked.query
    assert tuple(about["size"]) == size_of(jpeg)


def test_picture_is_upright_and_as_large_as_asked_but_not_enlarged(large: LargePictures) -> None:
    about, jpeg = large.picture("kind1/turned.jpg", 800)
    assert about["size"] == [40, 80]
    assert size_of(jpeg) == (40, 80)
    assert size_of(large.picture("kind0/dot.png", 800)[1]) == (1, 1)
    # The short side of a panorama stays sharp: 10 : 1 is read 2.5 times as wide as 4 : 1 would be.
    assert size_of(large.picture("kind0/wide.jpg", 400)[1]) == (1000, 100)
    assert size_of(large.picture("kind0/wide.jpg", 4096)[1]) == (3000, 300)
    assert large.picture(f"kind1/{LONG}", 800)[0]["name"] == f"kind1/{LONG}"


def test_query_with_a_box_is_shown_whole_with_its_box(large: LargePictures) -> None:
    session = large.session
    session.box = (10, 20, 60, 70)
    assert session.wait(60)
    query = session.query_named(session.query)
    about, _ = large.picture(session.ranking["image_id"].iloc[-1], 400)
    assert json.loads(about["beside"]) == [query.image, [10, 20, 60, 70]]
    shown, jpeg = large.picture(about["beside"], 400)
    width, height = size_of(jpeg)
    assert shown["box"] == pytest.approx((10 / width, 20 / height, 60 / width, 70 / height))
    assert (texts(shown)[0], shown["beside"]) == ("the query", "")
    # A box in fractions, as of a nearest region, and the number of a keypoint.
    assert large.picture(reference(query.image, (0.25, 0, 1, 0.5)), 400)[0]["box"] == (0.25, 0, 1, 0.5)
    assert large.picture(json.dumps([query.image, 7]), 400)[0]["box"] is None


def test_heat_of_a_result_is_that_of_its_score(large: LargePictures, bench: Bench) -> None:
    session = large.session
    image = session.ranking["image_id"].iloc[2]
    why = bench.explain(session.query, image, pipeline=PIPELINE)
    heat = large.heat(image, silent)
    assert heat.signed and heat.area == (0, 0, 1, 1)
    np.testing.assert_allclose(heat.picture, why.image_heatmap)
    np.testing.assert_allclose(heat.beside, why.query_heatmap)  # type: ignore[arg-type]


def test_heat_of_the_query_is_its_activation_inside_the_box(large: LargePictures, bench: Bench) -> None:
    query = large.session.query_named(large.session.query)
    heat = large.heat(reference(query.image, (0, 0, 64, 48)), silent)
    expected = bench.studies.activations(query.image, pipeline=PIPELINE, box=(0, 0, 64, 48)).heat("norm")
    assert not heat.signed and heat.beside is None
    np.testing.assert_allclose(heat.picture, expected, rtol=1e-5)
    width, height = Image.open(bench.collection.path(query.image)).size
    assert heat.area == pytest.approx((0, 0, 64 / width, 48 / height))


def test_uploaded_query_is_named_by_its_file(large: LargePictures, folder: Path) -> None:
    path = store_upload((folder / "kind1" / "turned.jpg").read_bytes(), "mine.jpg", folder.parent / "up")
    large.session.add_file(path)
    about, jpeg = large.picture(str(path), 400)
    assert (about["name"], about["path"]) == ("mine.jpg", str(path))
    assert size_of(jpeg) == (40, 80)


def test_errors_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "photos")
    session = Session(opened(tmp_path / "photos", tmp_path / "cache"), pipeline=PIPELINE)
    large = LargePictures(session)
    (tmp_path / "photos" / "kind0" / "wide.jpg").unlink()
    (tmp_path / "photos" / "kind0" / "dot.png").write_bytes(b"no picture")
    about, jpeg = large.picture("kind0/wide.jpg", 400)
    assert (about["error"], jpeg) == ("'kind0/wide.jpg' cannot be shown: the file is missing.", b"")
    about, jpeg = large.picture("kind0/dot.png", 400)
    assert about["error"].startswith("'kind0/dot.png' cannot be shown: ")
    assert jpeg == b""
    for unknown in ("absent.jpg", '["absent.jpg", [0, 0, 1, 1]]', "[1, 2]", "<b>"):
        with pytest.raises(WorkbenchError, match="is not an image of"):
            large.picture(unknown, 400)


def test_page_gets_what_it_wants_and_the_fault_of_the_rest(large: LargePictures) -> None:
    sent, ask = recorded(large)
    image = large.session.ranking["image_id"].iloc[1]
    ask({"want": [image, "absent.jpg"], "side": 99_999})
    assert large.widget.runner.wait(60)
    (first, jpeg), (second, nothing) = sent
    assert (first["picture"], first["about"]["name"]) == (image, image)
    assert size_of(jpeg[0]) == tuple(first["about"]["size"])
    assert "is not an image of" in second["about"]["error"]
    assert nothing == [b""]
    sent.clear()
    ask({"heat": image})
    assert large.widget.heat_runner.wait(60)
    message, (colours, *values) = next((m, b) for m, b in sent if "heat" in m)
    assert len(colours) == 1024
    assert [len(view) for view in values] == [4 * h * w for h, w in message["shapes"]]
    assert message["top"] == max(float(np.abs(np.frombuffer(view, "f4")).max()) for view in values)
    assert sent[-1][0] == {"work": ""}


def test_open_lightbox_hears_of_another_ranking_and_a_closed_one_does_not(large: LargePictures) -> None:
    sent, ask = recorded(large)
    ask({"closed": True})
    large.session.pipeline = "efficientnet_lite0/max/whole"
    assert large.session.wait(60)
    assert sent == []
    ask({"want": [], "side": 400})
    large.session.pipeline = PIPELINE
    assert large.session.wait(60)
    assert [content for content, _ in sent] == [{"renew": True}]


def recorded(large: LargePictures) -> tuple[list[Any], Callable[[dict[str, Any]], None]]:
    """What the widget sends from now on, and a function that sends it a message of the page."""
    sent: list[Any] = []
    large.widget.send = lambda content, buffers=None: sent.append((content, buffers))
    return sent, lambda content: large.widget._handle_custom_msg(content, [])
