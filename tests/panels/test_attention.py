"""The attention panel without a browser, on a bench of generated images."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench
from tests.support.pictures import folder_of
from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.collections.uploads import display_name
from workbench.panels import Session
from workbench.panels.attention.files import files
from workbench.panels.attention.model import NO_MAP
from workbench.panels.attention.panel import QUERY, RESULT, Attention

PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"


@pytest.fixture(scope="module")
def bench(bench24: Bench) -> Bench:
    return bench24


@pytest.fixture
def panel(session: Session) -> Attention:
    attention = Attention(session)
    session.refresh()
    settled(session)
    return attention


def heat_of(panel: Attention) -> np.ndarray:
    return np.frombuffer(panel.view.heat, np.float32).reshape(panel.view.shape)


def test_panel_shows_the_query_and_its_heat(panel: Attention, session: Session, bench: Bench) -> None:
    activations = bench.studies.activations(session.query, pipeline=PIPELINE)
    np.testing.assert_allclose(heat_of(panel), activations.heat("norm"), rtol=1e-6)
    assert panel.view.top == pytest.approx(float(activations.heat("norm").max()))
    assert panel.view.name == session.query
    assert not panel.view.signed and not panel.view.stale
    with Image.open(BytesIO(panel.view.picture)) as picture:
        assert picture.format == "JPEG"
    assert [region["box"] for region in panel.view.regions] == activations.regions.tolist()
    assert {region["group"] for region in panel.view.regions} == {1, 2}


@pytest.mark.parametrize("kind", ["max", "mean", "centre"])
def test_heat_of_each_kind_matches_the_activations(
    panel: Attention, session: Session, bench: Bench, kind: str
) -> None:
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


def test_single_channel_is_chosen_by_number(panel: Attention, session: Session, bench: Bench) -> None:
    panel.heat.value, panel.channel.value = "channel", 7
    settled(session)
    np.testing.assert_allclose(
        heat_of(panel), bench.studies.activations(session.query, pipeline=PIPELINE).maps[7]
    )
    assert panel.channel.layout.display is None and panel.channel.max == 1279
    assert "channel 7" in panel.view.quantity


def test_score_is_split_into_contributions(panel: Attention, session: Session, bench: Bench) -> None:
    query, result = session.query, session.ranking["image_id"][1]
    explanation = bench.explain(query, result, pipeline=PIPELINE)
    panel.heat.value = "contribution"
    settled(session)
    assert panel.view.signed and f"score {explanation.score:.3f} with {result}" in panel.view.note
    np.testing.assert_allclose(heat_of(panel), explanation.query_heatmap, atol=1e-5)
    panel.heat.value = "strongest"
    settled(session)
    parts = bench.studies.contributions(query, result, pipeline=PIPELINE)
    listed = [int(row["id"]) for row in panel.channels.rows]
    assert listed == parts.strongest(8)
    assert panel.channels.chosen == [str(listed[0])]
    numbers = [
        float(line["text"].split()[0].strip("=").replace("−", "-") or 0) for line in panel.sum.lines[:2]
    ]
    assert sum(numbers) == pytest.approx(parts.score, abs=1e-4)
    panel.pick_channel(str(listed[3]))
    settled(session)
    np.testing.assert_allclose(heat_of(panel), parts.heat[listed[3]], atol=1e-6)
    assert panel.channels.chosen == [str(listed[3])]


def test_components_of_both_images_have_shared_colours(
    panel: Attention, session: Session, bench: Bench
) -> None:
    query, result = session.query, session.ranking["image_id"][1]
    assert panel.common.second.layout.display == "none"
    panel.heat.value = "components"
    settled(session)
    components = bench.studies.components(query, result, pipeline=PIPELINE)
    first, second = components.colours()
    for view, colours in ((panel.view, first), (panel.common.second, second)):
        assert view.heat == b"" and not view.stale and view.shape == colours.shape[:2]
        planes = np.frombuffer(view.rgb, np.uint8).reshape(3, *view.shape)
        np.testing.assert_allclose(planes.transpose(1, 2, 0), 255 * colours, atol=1)
    assert panel.common.second.name == result and panel.common.second.layout.display is None
    assert panel.view.quantity.startswith("red: component 1 (")
    panel.common.which.value = 2
    settled(session)
    assert panel.view.quantity.startswith("red: component 2 (")
    assert panel.download.files == ["Both pictures (PNG)"]
    assert panel.seen is not None
    name, content = files(panel.seen, "components", 0, False, 2)["Both pictures (PNG)"]()
    assert name == f"{query}-components.png" and content.startswith(b"\x89PNG")
    panel.heat.value = "norm"
    settled(session)
    assert panel.view.rgb == b"" and panel.common.second.layout.display == "none"


def test_colours_can_be_kept_while_the_images_change(
    panel: Attention, session: Session, bench: Bench
) -> None:
    panel.heat.value = "components"
    settled(session)
    assert panel.seen is not None and panel.seen.components is not None
    basis, before = panel.seen.components.basis, panel.view.rgb
    panel.common.lock.value = True
    third = bench.collection.images[-1]
    panel.common.image.value = third
    settled(session)
    assert panel.seen.components.basis is basis and panel.view.rgb == before
    assert panel.common.second.name == third
    assert f"components of {session.query} and " in panel.view.quantity
    panel.layer.value = "block3"  # another layer has other components
    settled(session)
    assert not panel.common.lock.value and panel.seen.components.basis is not basis
    panel.layer.value = ""
    settled(session)
    assert panel.view.rgb != before  # those of the query and the third image


def test_regions_have_values_and_levels(panel: Attention, session: Session, bench: Bench) -> None:
    assert panel.levels.options == ["1", "2"] and panel.levels.chosen == panel.levels.options[-1:]
    assert panel.view.shown == [2]
    panel.levels.chosen = ["1", "2"]
    assert panel.view.shown == [1, 2]
    assert panel.view.regions[0]["text"] == "region 1: weight 1"
    norms = bench.studies.activations(session.query, pipeline=PIPELINE).norms
    panel.values.value = "norm"
    assert panel.view.regions[1]["text"] == f"region 2: norm {norms[1]:.3g}"
    assert max(region["strength"] for region in panel.view.regions) == pytest.approx(1)
    panel.values.value = "contribution"
    assert "of the score (" in panel.view.regions[0]["text"]
    session.pipeline = "efficientnet_lite0/max/whole"
    settled(session)
    assert panel.levels.options == [] and panel.levels.layout.display == "none"
    assert len(panel.view.regions) == 1 and panel.view.shown is None


def test_region_shows_its_nearest_regions(panel: Attention, session: Session, bench: Bench) -> None:
    panel.find(3)
    settled(session)
    neighbours = bench.regions.nearest(session.query, region=3, pipeline=PIPELINE)
    figures = panel.nearest.strip.figures
    assert [figure["name"].split(",")[0] for figure in figures] == neighbours["image_id"].to_list()
    assert [figure["score"] for figure in figures] == [f"{score:.3f}" for score in neighbours["score"]]
    assert all(figure["picture"].startswith(b"\xff\xd8") for figure in figures)
    panel.find(-1)  # the pointer leaves the region: its neighbours stay
    assert session.wait(60) and panel.nearest.strip.figures == figures
    panel.nearest.strip._handle_custom_msg({"pick": figures[1]["id"]}, [])
    settled(session)
    assert panel.image.value == neighbours["image_id"][1]
    marked = panel.view.regions[panel.view.marked]
    np.testing.assert_allclose(marked["box"], neighbours.loc[1, ["x0", "y0", "x1", "y1"]].to_numpy(float))
    assert str(marked["group"]) in panel.levels.chosen
    assert panel.nearest.strip.figures == []  # the neighbours belonged to another image


def test_click_on_a_region_searches_by_it(panel: Attention, session: Session) -> None:
    query, picture, box = session.query, panel.view.picture, panel.view.regions[4]["box"]
    panel.search_by(4)
    settled(session)
    width, height = Image.open(session.bench.collection.path(query)).size
    assert session.query == query
    assert session.box == pytest.approx(np.array(box) * [width, height, width, height])
    assert session.ranked == session.question
    assert panel.view.picture == picture and panel.view.marked == 4  # another region can be chosen
    session.choose(query)  # another panel removes the box
    settled(session)
    request = panel.request()
    assert request is not None and request.box is None


def test_crop_box_limits_the_regions(panel: Attention, session: Session) -> None:
    session.box = (20, 10, 84, 74)
    settled(session)
    box = np.array(panel.view.regions[-1]["box"])
    panel.search_by(len(panel.view.regions) - 1)
    settled(session)
    assert session.box == pytest.approx(np.array([20, 10, 20, 10]) + 64 * box)


def test_image_follows_the_session_or_the_field(panel: Attention, session: Session) -> None:
    panel.image.value = RESULT
    settled(session)
    assert panel.view.name == session.ranking["image_id"][1]
    session.image = session.ranking["image_id"][5]
    settled(session)
    assert panel.view.name == session.image
    image = session.bench.collection.images[-1]
    panel.image.value = image
    settled(session)
    panel.search_by(2)
    settled(session)
    assert session.query == image and session.box is not None
    panel.image.value = QUERY
    settled(session)
    assert panel.view.name == image


def test_image_that_is_no_query_is_searched_by_its_file(cache: Path, tmp_path: Path) -> None:
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
    assert panel.view.name == display_name(name)


def test_layer_without_a_map_is_reported_as_a_hint(panel: Attention, session: Session) -> None:
    session.pipeline = "efficientnet_lite0/code/whole"
    settled(session)
    assert panel.view.note == NO_MAP
    assert panel.view.regions == [] and panel.view.heat == b"" and panel.view.picture
    session.pipeline = PIPELINE
    settled(session)
    assert panel.view.heat and len(panel.view.regions) > 1


def test_another_layer_of_the_backbone_is_shown(panel: Attention, session: Session, bench: Bench) -> None:
    panel.heat.value = "contribution"
    panel.layer.value = "block3"
    settled(session)
    early = bench.studies.activations(session.query, pipeline=PIPELINE, layer="block3")
    assert panel.heat.value == "norm"  # only the layer of the pipeline yields a score
    np.testing.assert_allclose(heat_of(panel), early.heat("norm"), rtol=1e-5)
    panel.find(0)
    assert session.wait(60) and panel.nearest.strip.figures == []
    session.pipeline = "efficientnet_lite0/code/whole"  # its layer has no map, other layers have one
    settled(session)
    assert panel.view.heat and panel.layer.value == "block3"
    panel.layer.value = ""
    settled(session)
    assert panel.view.note == NO_MAP


def test_cell_weights_are_offered_only_if_the_pooling_has_them(panel: Attention, session: Session) -> None:
    assert "cells" not in [kind for _, kind in panel.heat.options]
    session.pipeline = "efficientnet_lite0/mean/whole/norm"
    settled(session)
    panel.heat.value = "cells"
    settled(session)
    norm = session.bench.studies.activations(session.query, pipeline=session.pipeline).heat("norm")
    np.testing.assert_allclose(heat_of(panel), norm, rtol=1e-5)
    session.pipeline = PIPELINE
    settled(session)
    assert panel.heat.value == "norm"  # a kind that is no longer offered is not kept


def test_missing_file_is_reported_and_the_panel_recovers(cache: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 8)
    session = Session(workbench.open(folder, cache=cache, size=192), pipeline="efficientnet_lite0/max/rmac:2")
    panel = Attention(session)
    session.refresh()
    settled(session)
    missing, image = session.bench.collection.images[-2:]
    (folder / missing).unlink()
    panel.image.value = missing
    assert session.wait(60)
    assert session.failed and "missing" in session.message and missing in session.message
    assert panel.view.stale
    panel.image.value = image
    settled(session)
    assert panel.view.name == image and not panel.view.stale


def test_empty_panel_shows_a_hint(cache: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 1)
    session = Session(workbench.open(folder, cache=cache, size=192))
    (folder / "000.jpg").unlink()
    panel = Attention(session)
    assert session.wait(60)
    assert session.failed and "000.jpg" in session.message
    assert "Choose a query" in panel.view.empty and not panel.view.picture


def test_picture_under_its_heat_can_be_downloaded(panel: Attention, session: Session) -> None:
    assert panel.download.files == ["Picture and heat (PNG)"]
    assert panel.seen is not None
    name, content = files(panel.seen, "norm", 0, False)["Picture and heat (PNG)"]()
    assert name == f"{session.query}-norm.png"
    with Image.open(BytesIO(content)) as picture:
        assert picture.format == "PNG"
    session.pipeline = "sift/bow:16/whole"  # without a map there is no heat
    settled(session)
    assert panel.download.files == []
