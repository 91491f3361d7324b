"""The embedding map without a browser, on a bench of generated images; colours compared with counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import workbench
from workbench.bench.bench import Bench
from workbench.collections.collection import Collection, Query
from workbench.collections.protocols import PROTOCOLS
from workbench.panels import Session
from workbench.panels.embedding_map.colouring import CLASSES, NONE, OTHER, answers, classes, own_query, values
from workbench.panels.embedding_map.panel import AP, CLUSTER, LABEL, SIMILARITY, EmbeddingMap

NOISE = LABELS, EACH = 3, 6
PIPELINE = "efficientnet_lite0/max/rmac:2"
OTHER_PIPELINE = "efficientnet_lite0/mean/whole"


def settled(session: Session, panel: EmbeddingMap) -> None:
    assert session.wait(120)
    assert panel.painter.wait(60)
    assert not session.failed, session.message


def codes(panel: EmbeddingMap) -> np.ndarray:
    kind = np.uint8 if panel.scatter.colour["kind"] == "classes" else np.float32
    return np.frombuffer(panel.scatter.codes, kind)


# The panel


def test_map_shows_each_image_once(session: Session, bench: Bench) -> None:
    panel = EmbeddingMap(session)
    assert panel.scatter.points == b""
    assert not panel.make.disabled
    panel.start(None)
    settled(session, panel)
    embedding = bench.studies.embedding(PIPELINE)
    points = np.frombuffer(panel.scatter.points, np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(points, embedding[["x", "y"]])
    assert len(points) == LABELS * EACH
    assert panel.make.disabled
    assert panel.lines()[0]["text"].startswith("18 images.")


def test_colours_encode_label_ap_cluster_or_similarity(session: Session, bench: Bench) -> None:
    panel = EmbeddingMap(session)
    assert panel.colours() == [LABEL, AP, CLUSTER, SIMILARITY]
    session.refresh()
    panel.start(None)
    settled(session, panel)
    assert codes(panel).tolist() == [label for label in range(LABELS) for _ in range(EACH)]
    assert panel.scatter.colour["items"][1] == {"text": "kind 1", "count": EACH}
    panel.colour.value = AP
    settled(session, panel)
    per_query = bench.evaluate(PIPELINE).per_query.set_index("query")["ap"]
    np.testing.assert_allclose(codes(panel), per_query[list(bench.collection.images)], atol=1e-6)
    panel.colour.value = SIMILARITY
    settled(session, panel)
    scores = session.ranking.set_index("image_id")["score"][list(bench.collection.images)].to_numpy()
    np.testing.assert_allclose(
        codes(panel), (scores - scores.min()) / (scores.max() - scores.min()), atol=1e-6
    )
    assert panel.scatter.colour["high"] == f"{scores.max():.3f}"
    before = panel.scatter.codes
    session.choose(list(session.queries)[-1])
    settled(session, panel)
    assert panel.scatter.codes != before  # colours follow the query
    panel.colour.value = CLUSTER
    settled(session, panel)
    assert sum(item["count"] for item in panel.scatter.colour["items"]) == LABELS * EACH


def test_colours_without_ground_truth_are_cluster_and_similarity(folder: Path, cache: Path) -> None:
    session = Session(workbench.open(folder, cache=cache), pipeline=PIPELINE)
    panel = EmbeddingMap(session)
    assert panel.colours() == [CLUSTER, SIMILARITY]
    panel.start(None)
    settled(session, panel)
    assert panel.scatter.colour["title"].startswith("Cluster")


def test_map_and_session_share_the_selection(session: Session) -> None:
    panel = EmbeddingMap(session)
    panel.start(None)
    settled(session, panel)
    images = list(session.bench.collection.images)
    panel.choose(4)
    assert (session.image, panel.scatter.current) == (images[4], 4)
    panel.select([2, 7])
    assert session.selection == (images[2], images[7])
    session.selection = (images[9], "an image that is gone.jpg", images[0])
    assert panel.scatter.chosen == [9, 0]
    session.choose(images[5])
    assert panel.scatter.query == 5
    panel.select([])
    assert session.selection == ()


def test_stored_map_is_shown_and_map_of_another_pipeline_is_dimmed(session: Session, bench: Bench) -> None:
    bench.studies.embedding(PIPELINE)
    panel = EmbeddingMap(session)
    session.refresh()
    settled(session, panel)
    assert panel.pipeline == PIPELINE
    assert not panel.scatter.stale
    session.pipeline = OTHER_PIPELINE
    assert panel.scatter.stale
    assert not panel.make.disabled
    assert panel.lines()[0]["text"].startswith(f"This is the map of {PIPELINE}.")
    settled(session, panel)
    assert panel.pipeline == PIPELINE  # no map was made without a click
    panel.start(None)
    settled(session, panel)
    assert panel.pipeline == OTHER_PIPELINE
    session.pipeline = PIPELINE
    settled(session, panel)
    assert panel.pipeline == PIPELINE
    assert not panel.scatter.stale


def test_cancel_leaves_the_map_unchanged(session: Session) -> None:
    panel = EmbeddingMap(session)
    panel.start(None)
    session.cancel()
    assert session.jobs == {}
    assert session.wait(120)
    assert panel.scatter.points == b""
    assert not panel.make.disabled
    panel.start(None)
    settled(session, panel)
    assert panel.scatter.points


def test_point_shows_name_and_picture_and_a_missing_file_its_name(
    folder: Path, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "photos")
    session = Session(workbench.open(tmp_path / "photos", labels="folders", cache=cache), pipeline=PIPELINE)
    panel = EmbeddingMap(session)
    panel.start(None)
    settled(session, panel)
    caption, picture = panel.describe(3)
    assert caption == "kind 0/03.jpg"
    assert picture.startswith(b"\xff\xd8")
    (tmp_path / "photos" / "kind 0" / "04.jpg").unlink()
    assert panel.describe(4) == ("kind 0/04.jpg", b"")


# Colours


def test_classes_without_a_colour_are_others() -> None:
    names = [f"label {n}" for n in range(15) for _ in range(15 - n)] + [None, None]
    coded, legend = classes("Label", names)
    assert {item["count"] for item in legend["items"]} == set(range(5, 16))
    assert len(legend["items"]) == CLASSES - 1
    assert (legend["other"], legend["others"], legend["none"]) == (4 + 3 + 2 + 1, "4 others", 2)
    assert coded.count(OTHER) == 10
    assert list(coded[-2:]) == [NONE, NONE]


def test_label_of_the_query_always_has_a_colour() -> None:
    names = [f"label {n:02}" for n in range(20) for _ in range(20 - n)]
    _, legend = classes("Label", names, first="label 19")
    assert {"text": "label 19", "count": 1} in legend["items"]
    assert len(legend["items"]) == CLASSES - 1


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=60))
def test_legend_explains_the_code_of_each_name(names: list[str | None]) -> None:
    coded, legend = classes("Label", names)
    assert len(coded) == len(names)
    assert len(legend["items"]) <= CLASSES
    for name, code in zip(names, coded, strict=True):
        if code == NONE:
            assert name is None
        elif code != OTHER:
            assert legend["items"][code]["text"] == name
    counted = sum(item["count"] for item in legend["items"]) + legend["other"] + legend["none"]
    assert counted == len(names)


def test_numbers_in_a_legend_are_sorted_by_value() -> None:
    _, legend = classes("Cluster", [str(n) for n in (10, 2, 1, 11, 2)])
    assert [item["text"] for item in legend["items"]] == ["1", "2", "10", "11"]


def test_values_are_scaled_to_a_share_also_if_all_are_equal() -> None:
    coded, legend = values("AP", np.array([0.2, np.nan, 0.7, 1.2]), 0.2, 0.7, ("20 %", "70 %"))
    np.testing.assert_allclose(np.frombuffer(coded, np.float32), [0, np.nan, 1, 1])
    assert legend["none"] == 1
    coded, _ = values("AP", np.array([0.5, 0.5]), 0.5, 0.5, ("", ""))
    assert np.frombuffer(coded, np.float32).tolist() == [0, 0]


def test_image_is_assigned_to_its_query_or_the_first_query_it_answers() -> None:
    queries = (Query("q1", "a.jpg"), Query("q2", "b.jpg"))
    relevance = {"q1": {"c.jpg": "easy", "d.jpg": "junk"}, "q2": {"c.jpg": "hard", "a.jpg": "easy"}}
    images = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    collection = Collection("test", Path(), images, queries, relevance, PROTOCOLS["revisited"])
    assert answers(collection) == {"c.jpg": "q1", "a.jpg": "q2"}
    assert own_query(collection) == {"a.jpg": "q1", "b.jpg": "q2", "c.jpg": "q1"}
