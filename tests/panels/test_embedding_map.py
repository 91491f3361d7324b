"""The embedding map without a browser, on a bench of generated images; colours compared with counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench
from workbench.analysis.map_method import MapMethod
from workbench.bench.bench import Bench
from workbench.collections.collection import Collection, Query
from workbench.collections.protocols import PROTOCOLS
from workbench.panels import Session
from workbench.panels.embedding_map.colouring import AP, CLUSTER, LABEL, SIMILARITY, answers, own_query
from workbench.panels.embedding_map.panel import EmbeddingMap

NOISE = LABELS, EACH = 3, 6
PIPELINE = "efficientnet_lite0/max/rmac:2"
OTHER_PIPELINE = "efficientnet_lite0/mean/whole"


def settled(session: Session, panel: EmbeddingMap) -> None:
    assert session.wait(120)
    assert panel.painter.wait(60)
    assert panel.differing.strip.runner.wait(60)
    assert not session.failed, session.message


def opened(session: Session) -> EmbeddingMap:
    """The panel with its map."""
    panel = EmbeddingMap(session)
    panel.start(None)
    settled(session, panel)
    return panel


def drawn(panel: EmbeddingMap) -> Any:
    """The figure that is shown."""
    assert panel.plot.figure is not None
    return panel.plot.figure


def coloured(panel: EmbeddingMap) -> dict[str, Any]:
    """The colour of each image on the map: its number, or the name of its trace."""
    colours: dict[str, Any] = {}
    for trace in drawn(panel).data:
        scaled = trace.marker.coloraxis is not None
        values = trace.marker.color if scaled else [trace.name] * len(trace.ids)
        colours |= dict(zip(trace.ids, values, strict=True))
    return colours


def marks(panel: EmbeddingMap) -> list[dict[str, Any]]:
    """The traces of the marks, as they are sent."""
    return list(json.loads(panel.plot.marks["json"])["data"]) if panel.plot.marks else []


def test_map_shows_each_image_once(session: Session, bench: Bench) -> None:
    panel = EmbeddingMap(session)
    assert not panel.plot.spec
    assert not panel.make.disabled
    panel.start(None)
    settled(session, panel)
    positions = bench.studies.embedding(PIPELINE).set_index("image_id")
    shown = [image for trace in drawn(panel).data for image in trace.ids]
    assert sorted(shown) == sorted(bench.collection.images)
    for trace in drawn(panel).data:
        np.testing.assert_array_equal(trace.x, positions.loc[list(trace.ids), "x"])
    assert panel.make.disabled
    assert panel.lines()[0]["text"].startswith("18 images.")


def test_colours_encode_label_ap_cluster_or_similarity(session: Session, bench: Bench) -> None:
    session.refresh()
    panel = opened(session)
    images = list(bench.collection.images)
    assert panel.colour.options == (LABEL, AP, CLUSTER, SIMILARITY)
    assert coloured(panel) == {image: f"{image.split('/')[0]} ({EACH})" for image in images}
    panel.colour.value = AP
    settled(session, panel)
    per_query = bench.evaluate(PIPELINE).per_query.set_index("query")["ap"]
    assert coloured(panel) == pytest.approx({image: 100 * per_query[image] for image in images}, abs=1e-4)
    assert drawn(panel).layout.coloraxis.cmax == 100
    panel.colour.value = SIMILARITY
    settled(session, panel)
    scores = session.ranking.set_index("image_id")["score"]
    assert coloured(panel) == pytest.approx(scores.to_dict(), abs=1e-6)
    assert drawn(panel).layout.coloraxis.cmax == pytest.approx(scores.max())
    before = coloured(panel)
    session.choose(list(session.queries)[-1])
    settled(session, panel)
    assert coloured(panel) != before  # colours follow the query
    panel.colour.value = CLUSTER
    settled(session, panel)
    assert drawn(panel).layout.legend.title.text.startswith("Cluster (k-means)")
    assert len(coloured(panel)) == LABELS * EACH


def test_colours_without_ground_truth_are_cluster_and_similarity(folder: Path, cache: Path) -> None:
    session = Session(workbench.open(folder, cache=cache), pipeline=PIPELINE)
    panel = opened(session)
    assert panel.colour.options == (CLUSTER, SIMILARITY)
    assert drawn(panel).layout.legend.title.text.startswith("Cluster")


def test_map_and_session_share_the_selection(session: Session) -> None:
    panel = opened(session)
    images = list(session.bench.collection.images)
    panel.choose(images[4])
    assert session.image == images[4]
    assert panel.plot.current == images[4]
    panel.select([images[2], images[7], images[2]])
    assert session.selection == (images[2], images[7])
    session.selection = (images[9], "an image that is gone.jpg", images[0])
    assert panel.plot.selected == [images[9], images[0]]
    assert "2 selected" in panel.key.lines[0]["text"]
    session.choose(images[5])
    assert panel.marked["query"] == [images[5]]
    panel.select([])
    assert session.selection == ()
    settled(session, panel)


def test_names_are_searched_and_counted(session: Session) -> None:
    panel = opened(session)
    panel.find.value = " KIND 1/0 "
    assert panel.marked["matching"] == [f"kind 1/{n:02}.jpg" for n in range(EACH)]
    assert "6 of 18 names contain 'KIND 1/0'" in panel.key.lines[0]["text"]
    panel.find.value = "no such name"
    assert panel.marked["matching"] == []
    assert "0 of 18 names" in panel.key.lines[0]["text"]
    panel.find.value = ""
    assert "names" not in panel.key.lines[0]["text"]


def test_stored_map_is_shown_and_map_of_another_pipeline_is_dimmed(session: Session, bench: Bench) -> None:
    bench.studies.embedding(PIPELINE)
    panel = EmbeddingMap(session)
    session.refresh()
    settled(session, panel)
    assert panel.made.pipeline == PIPELINE
    assert not panel.plot.stale
    session.pipeline = OTHER_PIPELINE
    assert panel.plot.stale
    assert not panel.make.disabled
    assert panel.lines()[0]["text"].startswith(f"This is the map of {PIPELINE}.")
    settled(session, panel)
    assert panel.made.pipeline == PIPELINE  # no map was made without a click
    panel.start(None)
    settled(session, panel)
    assert panel.made.pipeline == OTHER_PIPELINE
    session.pipeline = PIPELINE
    settled(session, panel)
    assert panel.made.pipeline == PIPELINE
    assert not panel.plot.stale


def test_first_map_is_by_pca_until_another_is_made(session: Session, bench: Bench) -> None:
    first, second = "efficientnet_lite0/crow/whole", "efficientnet_lite0/gem:3/whole"  # without stored maps
    session.pipeline = first
    panel = EmbeddingMap(session)
    assert panel.made.request is None and "about 10 s for 18 images" in panel.plot.empty
    session.refresh()
    settled(session, panel)
    assert panel.made.quick and panel.made.frame.attrs["method"] == "pca"
    exact = bench.studies.embedding(first, method="pca")
    assert panel.made.frame["x"].tolist() == exact["x"].tolist()
    assert not panel.plot.stale and not panel.make.disabled
    assert panel.lines()[0]["text"].startswith(
        "18 images by PCA, a first map. Make map lays them out by UMAP: ab"
    )
    panel.settings.dimensions.value = 3
    settled(session, panel)
    assert panel.made.quick and {trace.type for trace in drawn(panel).data} == {"scatter3d"}
    session.pipeline = second
    settled(session, panel)
    assert panel.made.quick and panel.made.pipeline == second
    panel.start(None)
    settled(session, panel)
    assert not panel.made.quick and panel.made.frame.attrs["method"] == "umap"
    session.pipeline = first
    settled(session, panel)
    assert panel.made.pipeline == second and panel.plot.stale  # PCA never takes the place of a made map


def test_method_dimensions_and_parameters_are_those_of_the_fields(session: Session) -> None:
    session.refresh()
    panel = opened(session)
    fields = panel.settings
    fields.method.value, fields.dimensions.value = "tsne", 3
    assert fields.parameters.layout.display == "none"
    fields.switch.value = True
    assert (fields.perplexity.layout.display, fields.neighbours.layout.display) == ("", "none")
    fields.perplexity.value = 4
    assert panel.request().method == MapMethod("tsne", 3, perplexity=4)
    assert panel.plot.stale and not panel.make.disabled
    assert panel.lines()[0]["text"].startswith("This map was made with other settings.")
    panel.start(None)
    settled(session, panel)
    assert not panel.plot.stale
    assert {trace.type for trace in drawn(panel).data} == {"scatter3d"}
    assert "perplexity 4" in drawn(panel).layout.title.subtitle.text
    fields.method.value = "pca"
    assert fields.switch.disabled and fields.parameters.layout.display == "none"
    fields.method.value, fields.dimensions.value = "umap", 2
    settled(session, panel)
    assert panel.made.request is not None and panel.made.request.method == MapMethod()  # stored: at once


def test_two_pipelines_are_shown_linked_with_the_images_that_differ(session: Session, bench: Bench) -> None:
    session.refresh()
    panel = EmbeddingMap(session)
    assert panel.settings.other.disabled
    session.compared = (PIPELINE, OTHER_PIPELINE)
    assert [value for _, value in panel.settings.other.options] == ["", OTHER_PIPELINE]
    panel.settings.method.value, panel.settings.other.value = "pca", OTHER_PIPELINE
    panel.start(None)
    settled(session, panel)
    assert panel.colour.disabled and not panel.plot.stale
    first, second = drawn(panel).data
    assert list(first.ids) == list(second.ids) == list(bench.collection.images)
    comparison = bench.studies.compare_embeddings(PIPELINE, OTHER_PIPELINE, method="pca")
    np.testing.assert_allclose(first.marker.color, 100 * comparison.agreement["agreement"], atol=1e-4)
    strip = panel.differing.strip
    differing = comparison.differing(12)
    assert [figure["id"] for figure in strip.figures] == differing["image_id"].tolist()
    assert strip.figures[0]["score"] == f"{100 * differing['agreement'][0]:.0f} %"
    strip._handle_custom_msg({"pick": strip.figures[1]["id"]}, [])
    assert session.image == differing["image_id"][1]
    assert panel.plot.current == session.image and len(panel.plot.rings) == 2  # on both maps
    panel.find.value = "kind 1/"
    assert [trace["xaxis"] for trace in marks(panel) if trace["name"] == "matching"] == ["x", "x2"]
    session.compared = ()
    assert panel.settings.other.value == ""
    settled(session, panel)


def test_cancel_leaves_the_map_unchanged(session: Session) -> None:
    panel = EmbeddingMap(session)
    panel.start(None)
    session.cancel()
    assert session.jobs == {}
    assert session.wait(120)
    assert not panel.plot.spec
    assert not panel.make.disabled
    panel.start(None)
    settled(session, panel)
    assert panel.plot.figure is not None


def test_point_shows_name_and_picture_and_a_missing_file_its_name(
    folder: Path, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "photos")
    session = Session(workbench.open(tmp_path / "photos", labels="folders", cache=cache), pipeline=PIPELINE)
    panel = opened(session)
    caption, picture = panel.describe("kind 0/03.jpg")
    assert caption == "kind 0/03.jpg"
    assert picture.startswith(b"\xff\xd8")
    (tmp_path / "photos" / "kind 0" / "04.jpg").unlink()
    assert panel.describe("kind 0/04.jpg") == ("kind 0/04.jpg", b"")


def test_image_is_assigned_to_its_query_or_the_first_query_it_answers() -> None:
    queries = (Query("q1", "a.jpg"), Query("q2", "b.jpg"))
    relevance = {"q1": {"c.jpg": "easy", "d.jpg": "junk"}, "q2": {"c.jpg": "hard", "a.jpg": "easy"}}
    images = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    collection = Collection("test", Path(), images, queries, relevance, PROTOCOLS["revisited"])
    assert answers(collection) == {"c.jpg": "q1", "a.jpg": "q2"}
    assert own_query(collection) == {"a.jpg": "q1", "b.jpg": "q2", "c.jpg": "q1"}


def test_the_selection_and_the_clusters_are_named_by_concepts(session: Session) -> None:
    panel = opened(session)
    assert panel.concepts.switch.value and not panel.concepts.text.lines
    images = list(session.bench.collection.images)
    panel.select(images[:4])
    settled(session, panel)
    (named,) = panel.concepts.text.lines
    table = session.bench.studies.concepts(images[:4], k=4)
    assert named["text"].startswith("Concepts of the 4 selected images: ")
    assert all(concept in named["text"] for concept in table["concept"])
    panel.select(images)
    settled(session, panel)
    assert panel.concepts.text.lines[0]["text"].startswith("These are all 18 images")
    panel.select([])
    panel.colour.value = CLUSTER
    settled(session, panel)
    clusters = panel.made.frame["cluster"].nunique()
    assert [entry["text"].split(" (")[0] for entry in panel.concepts.text.lines] == [
        f"Cluster {n + 1}" for n in range(clusters)
    ]
    panel.concepts.switch.value = False
    settled(session, panel)
    assert panel.concepts.text.lines == []
