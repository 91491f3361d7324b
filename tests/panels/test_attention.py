"""The attention panel as a plain object, on a real bench with generated images."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.panels import Session
from workbench.panels.attention.model import NO_MAP
from workbench.panels.attention.panel import QUERY, RESULT, Attention

PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"


@pytest.fixture(scope="module")
def bench(bench24: Bench) -> Bench:
    return bench24


@pytest.fixture
def panel(session: Session) -> Attention:
    one = Attention(session)
    session.refresh()
    settled(session)
    return one


def settled(session: Session) -> None:
    assert session.wait(120)
    assert not session.failed, session.message


def heat_of(panel: Attention) -> np.ndarray:
    return np.frombuffer(panel.view.heat, np.float32).reshape(panel.view.shape)


def test_it_shows_the_query_and_its_heat(panel: Attention, session: Session, bench: Bench) -> None:
    seen = bench.studies.activations(session.query, pipeline=PIPELINE)
    np.testing.assert_allclose(heat_of(panel), seen.heat("norm"), rtol=1e-6)
    assert panel.view.top == pytest.approx(float(seen.heat("norm").max()))
    assert panel.view.name == Path(session.query).name
    assert not panel.view.signed and not panel.view.stale
    with Image.open(BytesIO(panel.view.picture)) as picture:
        assert picture.format == "JPEG"
    assert [one["box"] for one in panel.view.regions] == seen.regions.tolist()
    assert {one["group"] for one in panel.view.regions} == {1, 2}


@pytest.mark.parametrize("kind", ["max", "mean", "centre"])
def test_kinds_of_heat(panel: Attention, session: Session, bench: Bench, kind: str) -> None:
    before = heat_of(panel)
    panel.heat.value = kind
    settled(session)
    assert not np.array_equal(heat_of(panel), before)
    if kind != "centre":
        np.testing.assert_allclose(
            heat_of(panel), bench.studies.activations(session.query, pipeline=PIPELINE).heat(kind)
        )
    else:
        assert heat_of(panel).argmax() == heat_of(panel).size // 2 or heat_of(panel).max() < 1


def test_one_channel_by_its_number(panel: Attention, session: Session, bench: Bench) -> None:
    panel.heat.value, panel.channel.value = "channel", 7
    settled(session)
    np.testing.assert_allclose(
        heat_of(panel), bench.studies.activations(session.query, pipeline=PIPELINE).maps[7]
    )
    assert panel.channel.layout.display is None and panel.channel.max == 1279
    assert "channel 7" in panel.view.quantity


def test_the_score_is_taken_apart(panel: Attention, session: Session, bench: Bench) -> None:
    own, result = session.query, session.ranking["image_id"][1]
    why = bench.explain(own, result, pipeline=PIPELINE)
    panel.heat.value = "contribution"
    settled(session)
    assert panel.view.signed and f"score {why.score:.3f} with {result}" in panel.view.note
    np.testing.assert_allclose(heat_of(panel), why.query_heatmap, atol=1e-5)
    panel.heat.value = "strongest"
    settled(session)
    parts = bench.studies.contributions(own, result, pipeline=PIPELINE)
    listed = [int(row["id"]) for row in panel.channels.rows]
    assert listed == parts.strongest(8)
    assert panel.channels.chosen == [str(listed[0])]
    numbers = [float(one["text"].split()[0].strip("=").replace("−", "-") or 0) for one in panel.sum.lines[:2]]
    assert sum(numbers) == pytest.approx(parts.score, abs=1e-4)
    panel.pick_channel(str(listed[3]))
    settled(session)
    np.testing.assert_allclose(heat_of(panel), parts.heat[listed[3]], atol=1e-6)
    assert panel.channels.chosen == [str(listed[3])]


def test_region_values_and_levels(panel: Attention, session: Session, bench: Bench) -> None:
    assert panel.levels.options == ["1", "2"] and panel.levels.chosen == panel.levels.options[-1:]
    assert panel.view.shown == [2]
    panel.levels.chosen = ["1", "2"]
    assert panel.view.shown == [1, 2]
    assert panel.view.regions[0]["text"] == "region 1: weight 1"
    norms = bench.studies.activations(session.query, pipeline=PIPELINE).norms
    panel.values.value = "norm"
    assert panel.view.regions[1]["text"] == f"region 2: norm {norms[1]:.3g}"
    assert max(one["strength"] for one in panel.view.regions) == pytest.approx(1)
    panel.values.value = "contribution"
    assert "of the score (" in panel.view.regions[0]["text"]
    session.pipeline = "efficientnet_lite0/max/whole"
    settled(session)
    assert panel.levels.options == [] and panel.levels.layout.display == "none"
    assert len(panel.view.regions) == 1 and panel.view.shown is None


def test_a_region_shows_what_it_finds(panel: Attention, session: Session, bench: Bench) -> None:
    panel.find(3)
    settled(session)
    found = bench.regions.nearest(session.query, region=3, pipeline=PIPELINE)
    figures = panel.nearest.strip.figures
    assert [one["name"].split(",")[0] for one in figures] == found["image_id"].to_list()
    assert [one["score"] for one in figures] == [f"{score:.3f}" for score in found["score"]]
    assert all(one["picture"].startswith(b"\xff\xd8") for one in figures)
    panel.find(-1)  # the pointer leaves: what was found stays
    assert session.wait(60) and panel.nearest.strip.figures == figures
    panel.nearest.open(1)
    settled(session)
    assert panel.image.value == found["image_id"][1]
    marked = panel.view.regions[panel.view.marked]
    np.testing.assert_allclose(marked["box"], found.loc[1, ["x0", "y0", "x1", "y1"]].to_numpy(float))
    assert str(marked["group"]) in panel.levels.chosen
    assert panel.nearest.strip.figures == []  # those were of another picture


def test_a_click_searches_by_a_region(panel: Attention, session: Session) -> None:
    query, picture, box = session.query, panel.view.picture, panel.view.regions[4]["box"]
    panel.search_by(4)
    settled(session)
    width, height = Image.open(session.bench.collection.path(query)).size
    assert session.query == query
    assert session.box == pytest.approx(np.array(box) * [width, height, width, height])
    assert session.ranked == session.question
    assert panel.view.picture == picture and panel.view.marked == 4  # one may try the next region
    session.choose(query)  # the whole image again, from elsewhere
    settled(session)
    request = panel.request()
    assert request is not None and request.box is None


def test_a_crop_and_its_regions(panel: Attention, session: Session) -> None:
    session.box = (20, 10, 84, 74)
    settled(session)
    box = np.array(panel.view.regions[-1]["box"])
    panel.search_by(len(panel.view.regions) - 1)
    settled(session)
    assert session.box == pytest.approx(np.array([20, 10, 20, 10]) + 64 * box)


def test_another_image_follows_the_session_or_its_name(panel: Attention, session: Session) -> None:
    panel.image.value = RESULT
    settled(session)
    assert panel.view.name == Path(session.ranking["image_id"][1]).name
    session.image = session.ranking["image_id"][5]
    settled(session)
    assert panel.view.name == Path(session.image).name
    other = session.bench.collection.images[-1]
    panel.image.value = other
    settled(session)
    panel.search_by(2)
    settled(session)
    assert session.query == other and session.box is not None
    panel.image.value = QUERY
    settled(session)
    assert panel.view.name == Path(other).name


def test_an_image_that_is_no_query_is_searched_by_its_file(cache: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 6)
    listed = tmp_path / "labels.csv"
    rows = [
        f"{path.name},{'ab'[n % 2]},{'both' if n < 2 else 'database'}"
        for n, path in enumerate(sorted(folder.glob("*.jpg")))
    ]
    listed.write_text("\n".join(["path,label,split", *rows]) + "\n")
    session = Session(workbench.open(listed, cache=cache, size=192), pipeline="efficientnet_lite0/max/rmac:2")
    panel = Attention(session)
    session.refresh()
    settled(session)
    panel.image.value = name = session.bench.collection.images[-1]
    settled(session)
    panel.search_by(0)
    settled(session)
    assert Path(session.query) == session.bench.collection.path(name)
    assert session.ranking["image_id"][0] == name
    panel.image.value = QUERY
    settled(session)
    assert panel.view.name == Path(name).name


def test_a_layer_without_a_map_is_said_calmly(panel: Attention, session: Session) -> None:
    session.pipeline = "efficientnet_lite0/code/whole"
    settled(session)
    assert panel.view.note == NO_MAP
    assert panel.view.regions == [] and panel.view.heat == b"" and panel.view.picture
    session.pipeline = PIPELINE
    settled(session)
    assert panel.view.heat and len(panel.view.regions) > 1


def test_another_layer_of_the_backbone(panel: Attention, session: Session, bench: Bench) -> None:
    panel.heat.value = "contribution"
    panel.layer.value = "block3"
    settled(session)
    early = bench.studies.activations(session.query, pipeline=PIPELINE, layer="block3")
    assert panel.heat.value == "norm"  # only the pipeline's own layer makes a score
    np.testing.assert_allclose(heat_of(panel), early.heat("norm"), rtol=1e-5)
    panel.find(0)
    assert session.wait(60) and panel.nearest.strip.figures == []
    session.pipeline = "efficientnet_lite0/code/whole"  # its layer has no map, others have
    settled(session)
    assert panel.view.heat and panel.layer.value == "block3"
    panel.layer.value = ""
    settled(session)
    assert panel.view.note == NO_MAP


def test_weights_of_cells_are_offered_where_there_are_some(panel: Attention, session: Session) -> None:
    assert "cells" not in [kind for _, kind in panel.heat.options]
    session.pipeline = "efficientnet_lite0/mean/whole/norm"
    settled(session)
    panel.heat.value = "cells"
    settled(session)
    norm = session.bench.studies.activations(session.query, pipeline=session.pipeline).heat("norm")
    np.testing.assert_allclose(heat_of(panel), norm, rtol=1e-5)
    session.pipeline = PIPELINE
    settled(session)
    assert panel.heat.value == "norm"  # what is not offered any more is not kept


def test_a_file_that_is_gone_is_said_and_the_panel_goes_on(cache: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 8)
    session = Session(workbench.open(folder, cache=cache, size=192), pipeline="efficientnet_lite0/max/rmac:2")
    panel = Attention(session)
    session.refresh()
    settled(session)
    gone, other = session.bench.collection.images[-2:]
    (folder / gone).unlink()
    panel.image.value = gone
    assert session.wait(60)
    assert session.failed and "missing" in session.message and gone in session.message
    assert panel.view.stale
    panel.image.value = other
    settled(session)
    assert panel.view.name == other and not panel.view.stale


def test_with_nothing_to_show_it_says_what_to_do(cache: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 1)
    session = Session(workbench.open(folder, cache=cache, size=192))
    (folder / "000.jpg").unlink()
    panel = Attention(session)
    assert session.wait(60)
    assert session.failed and "000.jpg" in session.message
    assert "Choose a query" in panel.view.empty and not panel.view.picture
