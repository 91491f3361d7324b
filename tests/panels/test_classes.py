"""The panel of classes without a browser: classes and images by region votes, and the votes of each class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, with_a_class_of_one
from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.collections.collection import Query
from workbench.config.config import ONE_PIPELINE
from workbench.panels import Session
from workbench.panels.classes.panel import Classes
from workbench.panels.classes.text import DEFAULT, OWN, SETS, sets_of
from workbench.panels.classes.votes import Subject

GRID = f"{NETWORK}/mean/grid:2x2/pca:6"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = with_a_class_of_one(tmp_path_factory.mktemp("pictures"))
    return wb.open(folder, "folders", cache=tmp_path_factory.mktemp("cache"), size=160)


@pytest.fixture
def panel(bench: Bench) -> Iterator[Classes]:
    session = Session(bench, pipeline=GRID)
    classes = Classes(session)
    classes.sets.value = OWN
    session.choose(next(image for image in bench.collection.images if image.startswith("kind1/")))
    settled(session)
    yield classes
    session.cancel()


def test_panel_shows_ranked_classes_and_images(panel: Classes, bench: Bench) -> None:
    query = panel.session.query
    classes = bench.classify(query, pipeline=GRID)
    assert [row["id"] for row in panel.table.rows] == classes["label"].to_list()
    assert [row["cells"]["score"] for row in panel.table.rows] == [
        f"{score:.3f}" for score in classes["score"]
    ]
    assert [row["cells"]["true"] for row in panel.table.rows] == [
        "✓" if label == "kind1" else "" for label in classes["label"]
    ]
    ranking = bench.regions.rank(query, pipeline=GRID, k=None)
    assert [score["name"] for score in panel.grid.figures] == ranking["image_id"].to_list()
    assert panel.lines.lines[0]["text"] == "Class kind1"
    assert panel.lines.lines[1]["text"] == "✓ the query's own label"


def test_votes_are_the_evidence_and_add_up_to_the_score(panel: Classes, bench: Bench) -> None:
    evidence = bench.regions.evidence(panel.session.query, label="kind1", pipeline=GRID)
    assert panel.votes.hint.lines[0]["text"] == f"Votes for the class kind1: score {evidence.score:.3f}"
    shown = [float(row["cells"]["value"].replace("−", "-")) for row in panel.votes.table.rows]
    assert sum(shown) == pytest.approx(evidence.score, abs=1e-4)
    bars = panel.votes.sum.figure.data[0]
    assert sum(bars.x[:-1]) == pytest.approx(evidence.score, abs=1e-4) == bars.x[-1]
    heat = np.frombuffer(panel.votes.views[0].heat, np.float32)
    np.testing.assert_allclose(heat, evidence.query_heatmap.ravel(), atol=1e-6)
    assert panel.votes.shown in evidence.image_heatmaps and panel.votes.views[1].shown == [panel.votes.shown]
    voters = [figure["id"] for figure in panel.votes.strip.figures] or [panel.votes.shown]
    assert set(voters) == set(evidence.votes["image_id"])


def test_class_image_and_vote_can_be_picked(panel: Classes, bench: Bench) -> None:
    panel.explain_class("kind0")
    settled(panel.session)
    assert panel.table.chosen == ["kind0"] and panel.votes.rendered is not None
    for number, part in enumerate(panel.votes.listing.parts if panel.votes.listing else ()):
        panel.votes.pick(number)
        assert panel.votes.shown == part.image and panel.votes.held == number == panel.votes.views[1].marked
        assert panel.votes.sum.current == panel.votes.listing.point_of(number)  # type: ignore[union-attr]
        assert {link["parts"][0] for link in panel.votes.links.links} == {
            str(n)
            for n, vote in enumerate(panel.votes.listing.parts if panel.votes.listing else ())
            if vote.image == part.image
        }
    panel.votes.pick(panel.votes.held)
    assert panel.votes.held == -1 and panel.votes.table.chosen == []
    image = bench.collection.images[0]
    panel.session.image = image
    settled(panel.session)
    assert panel.votes.rendered is not None and panel.votes.rendered.subject == Subject(None, image)
    assert panel.votes.hint.lines[0]["text"].startswith(f"Votes for {image}: score ")
    assert list(panel.votes.strip.figures) == [] and panel.grid.current == image
    assert panel.table.chosen == []


def test_chosen_class_stays_while_the_query_is_the_same(panel: Classes, bench: Bench) -> None:
    panel.explain_class("kind0")
    panel.sets.value = SETS[0][1]  # an answer to the same query comes after the choice
    settled(panel.session)
    assert panel.table.chosen == ["kind0"] and panel.votes.rendered is not None
    assert panel.votes.rendered.subject == Subject("kind0", None)
    assert panel.votes.rendered.pipeline == sets_of(SETS[0][1], GRID)
    panel.session.choose(next(image for image in bench.collection.images if image.startswith("kind2/")))
    settled(panel.session)
    assert panel.table.chosen == [panel.table.rows[0]["id"]]


def test_class_of_the_query_alone_is_reported(panel: Classes, bench: Bench) -> None:
    panel.session.choose(next(image for image in bench.collection.images if image.startswith("kind3/")))
    settled(panel.session)
    row = next(row for row in panel.table.rows if row["id"] == "kind3")
    assert row["cells"]["score"] == "–" and row["cells"]["images"] == "0"
    assert panel.lines.lines[1]["text"] == "✗ the query's own label, kind3, is at place 4 of 4"
    panel.explain_class("kind3")
    settled(panel.session)
    assert "has no image but the query itself" in panel.votes.hint.lines[0]["text"]
    assert panel.votes.body.layout.display == "none"


def test_collection_without_labels_has_images_only(tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "pictures", 4), cache=tmp_path, size=160)
    session = Session(bench, pipeline=GRID.replace("pca:6", "pca:3"))
    panel = Classes(session)
    panel.sets.value = OWN
    session.refresh()
    settled(session)
    assert panel.table.layout.display == "none" and len(panel.grid.figures) == 4
    assert panel.lines.lines[0]["text"] == "Images only."
    assert panel.votes.hint.lines[0]["text"].startswith("Votes for ")


def test_invalid_request_is_reported_in_the_panel(panel: Classes) -> None:
    panel.session.pipeline = "sift/bow:16/whole"
    assert panel.session.wait(120) and panel.session.wait(120)
    assert panel.lines.lines[0]["kind"] == "error" and panel.body.layout.display == "none"
    panel.session.pipeline = GRID
    settled(panel.session)
    assert panel.body.layout.display is None and panel.lines.lines[0]["text"] == "Class kind1"


def test_folded_panel_computes_nothing(bench: Bench) -> None:
    session = Session(bench, pipeline=GRID)
    panel = Classes(session)
    panel.sets.value = OWN
    panel.widget.layout.display = "none"
    session.refresh()
    settled(session)
    assert panel.answer is None
    panel.widget.layout.display = ""
    settled(session)
    assert panel.answer is not None and panel.answer.request.query == Query(session.query, session.query)


def test_region_sets_follow_the_backbone_of_the_pipeline() -> None:
    for _, value in SETS[:3]:
        assert sets_of(value, "alexnet/max/whole").startswith("alexnet/max/")
        assert sets_of(value, "sift/bow:16/whole").startswith(f"{DEFAULT}/max/")
    assert sets_of(SETS[0][1], ONE_PIPELINE) == ONE_PIPELINE
    own = "alexnet/max/rmac:3/pcaw:64"
    assert sets_of(OWN, f"{own}/pq:16/aqe:5") == f"{own}/pq:16"
    assert sets_of(OWN, f"{own}/ivf:64/aqe:5") == sets_of(OWN, f"{own}/ivf:64,pq:16") == own
