"""The configuration panel without a browser, and favourites on disk."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import workbench
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.panels import Session
from workbench.panels.configuration.panel import Configuration
from workbench.panels.configuration.presets import Favourites
from workbench.runs import presets

PIPELINE = "efficientnet_lite0/max/rmac:2"


class Still(Session):
    """A session that runs no jobs."""

    def refresh(self, again: bool = False, delay: float = 0.0) -> None:
        pass


@pytest.fixture
def session(tmp_path: Path) -> Still:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "photos" / "a.jpg")
    return Still(workbench.open(tmp_path / "photos", cache=tmp_path / "cache"), pipeline=PIPELINE)


whole = st.builds(
    lambda *parts: "/".join(filter(None, parts)),
    st.sampled_from(["efficientnet_lite0", "vgg16@conv4_3", "alexnet@random", "resnet50@conv5"]),
    st.sampled_from(["max", "mean", "gem:2.25", "crow"]),
    st.sampled_from(["whole", "rmac:4", "rmac+:2", "grid:1x7"]),
    st.sampled_from(["", "centre", "norm"]),
    st.sampled_from(["", "pcaw:100", "pca:64", "lw:32"]),
    st.sampled_from(["", "power:0.35"]),
    st.sampled_from(["", "scales:2"]),
    st.sampled_from(
        ["", "ivf:100", "ivf:64:5,pq:8", "imi:3", "imi:2:16,sh:64", "hnsw:24:7", "opq:4", "itq:128"]
    ),
    st.sampled_from(["", "aqe:4", "dba:7/alphaqe:3:2.5", "nojunk/diffusion:30", "kreciprocal:15:4:0.25"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(whole)
def test_controls_show_any_pipeline_and_return_it(session: Still, pipeline: str) -> None:
    panel = Configuration(session)
    panel.pipeline.value = pipeline
    canonical = str(Config.parse(pipeline))
    assert session.pipeline == panel.pipeline.value == canonical
    for label, select in panel.selects.items():
        panel.change(label, {"new": select.value})  # choosing the same options changes nothing
        for position, slider in enumerate(panel.numbers[label].sliders):
            panel.turn(label, position, slider["at"])
    assert sorted(session.pipeline.split("/")) == sorted(canonical.split("/"))


def test_sliders_and_string_follow_each_other(session: Still) -> None:
    panel = Configuration(session)
    (levels,) = panel.numbers["Regions"].sliders
    panel.turn("Regions", 0, levels["values"].index("5"))
    assert session.pipeline == panel.pipeline.value == "efficientnet_lite0/max/rmac:5"
    panel.pipeline.value = "efficientnet_lite0/gem:2.2/grid:2x3"
    (power,) = panel.numbers["Pooling"].sliders
    rows, columns = panel.numbers["Regions"].sliders
    assert power["values"][power["at"]] == "2.2"
    assert (rows["label"], rows["values"][rows["at"]]) == ("Regions: rows", "2")
    assert (columns["label"], columns["values"][columns["at"]]) == ("Regions: columns", "3")
    assert panel.numbers["Whitening"].sliders == []


def test_two_step_index_and_several_rerankings_are_single_options(session: Still) -> None:
    panel = Configuration(session)
    panel.pipeline.value = f"{PIPELINE}/ivf:32:3,pq:8/dba:2/aqe:7"
    assert panel.selects["Index"].value == "ivf:32:3,pq:8"
    assert panel.selects["Re-ranking"].value == "dba:2/aqe:7"
    names = [slider["name"] for slider in panel.numbers["Index"].sliders]
    assert names == ["cells", "nprobe", "parts"]
    assert [slider["name"] for slider in panel.numbers["Re-ranking"].sliders] == ["images", "images"]
    panel.turn("Re-ranking", 1, panel.numbers["Re-ranking"].sliders[1]["values"].index("10"))
    panel.turn("Index", 2, panel.numbers["Index"].sliders[2]["values"].index("16"))
    assert session.pipeline == f"{PIPELINE}/ivf:32:3,pq:16/dba:2/aqe:10"
    panel.selects["Index"].value = ""
    assert session.pipeline == f"{PIPELINE}/dba:2/aqe:10"
    panel.selects["Index"].value = "ivf:64"
    panel.selects["Re-ranking"].value = "diffusion:50"
    panel.selects["Pooling"].value = "mean"
    assert session.pipeline == "efficientnet_lite0/mean/rmac:2/ivf:64/diffusion:50"


def test_probes_follow_the_number_of_cells(session: Still) -> None:
    panel = Configuration(session)

    def turned(position: int, value: str) -> str:
        panel.turn("Index", position, panel.numbers["Index"].sliders[position]["values"].index(value))
        return session.pipeline.rpartition("/")[2]

    panel.pipeline.value = f"{PIPELINE}/ivf:64"
    assert turned(0, "16") == "ivf:16"  # the square root of the cells is probed, 4
    assert panel.numbers["Index"].sliders[1]["values"] == ["1", "2", "4", "8", "16"]
    assert turned(1, "16") == "ivf:16:16"
    assert turned(0, "64") == "ivf:64:16"  # a chosen number of probes stays,
    assert turned(0, "8") == "ivf:8"  # up to the number of cells
    panel.pipeline.value = f"{PIPELINE}/hnsw:16:8"
    assert turned(0, "32") == "hnsw:32:8"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("efficientnet_lite0/fancy/whole", "fancy"),
        ("efficientnet_lite0/max", "incomplete"),
        ("efficientnet_lite0/max/whole/hnsw:32,pq:16", "hnsw"),
        ("efficientnet_lite0/max/proposals:0", "proposals"),
        ("<img src=x onerror=alert(1)>/max/whole", "backbone"),
        ("", "incomplete"),
    ],
)
def test_invalid_string_shows_an_error_below_the_field(session: Still, text: str, named: str) -> None:
    panel = Configuration(session)
    session.guard(panel.write)({"new": text})
    assert named in panel.error.lines[0]["text"]
    assert session.pipeline == PIPELINE
    session.ranking = ()  # the results of the last valid string
    assert panel.error.lines and panel.error.lines[0]["kind"] == "error"
    panel.pipeline.value = "efficientnet_lite0/mean/whole"
    assert panel.error.lines == []
    assert session.pipeline == "efficientnet_lite0/mean/whole"


def test_string_is_replaced_by_its_canonical_form(session: Still) -> None:
    panel = Configuration(session)
    panel.pipeline.value = " efficientnet_lite0 / gem / rmac / pcaw "
    assert panel.pipeline.value == session.pipeline == "efficientnet_lite0/gem:3/rmac:3/pcaw:256"
    panel.pipeline.value = "efficientnet_lite0/gem/rmac/pcaw"  # the same string again
    assert panel.pipeline.value == "efficientnet_lite0/gem:3/rmac:3/pcaw:256"


def test_slots_a_and_b_can_be_filled_and_chosen(session: Still) -> None:
    panel = Configuration(session)
    (fill_a, use_a), (fill_b, use_b) = panel.slots["A"], panel.slots["B"]
    assert use_a.disabled and use_b.disabled
    fill_a.click()
    panel.selects["Pooling"].value = "mean"
    fill_b.click()
    second = "efficientnet_lite0/mean/rmac:2"
    assert (session.a, session.b, session.compared) == (PIPELINE, second, (PIPELINE, second))
    assert (use_a.button_style, use_b.button_style) == ("", "info")
    use_a.click()
    assert session.pipeline == panel.pipeline.value == PIPELINE
    assert (use_a.button_style, use_b.button_style) == ("info", "")


def test_pipeline_is_added_to_the_comparison_once(session: Still) -> None:
    panel = Configuration(session)
    panel.add.click()
    panel.add.click()
    assert session.compared == (PIPELINE,)


def test_favourites_are_saved_and_can_be_chosen(session: Still) -> None:
    favourites, reopened = Favourites(session), Favourites(session)
    favourites.name.value = "mine <b>"
    favourites.save.click()
    session.pipeline = "efficientnet_lite0/mean/whole"
    reopened.select.value = "mine <b>"
    assert session.pipeline == PIPELINE
    reopened.select.value = "SPoC"
    assert session.pipeline == presets.PUBLISHED_PIPELINES["SPoC"]
    assert favourites.select.value == "SPoC"
    reopened.name.value = "mine <b>"
    reopened.delete.click()
    assert "mine <b>" not in presets.named_pipelines(session.bench.options.cache)
    reopened.name.value = "SPoC"
    reopened.delete.click()
    assert session.failed and "built in" in session.message


def test_all_built_in_favourites_are_valid_pipelines(session: Still) -> None:
    for pipeline in presets.PUBLISHED_PIPELINES.values():
        assert str(Config.parse(pipeline)) == pipeline


@pytest.mark.parametrize("content", ["{", "[1]", '{"mine": "nonsense"}', '"text"'])
def test_damaged_favourites_file_is_reported_and_not_modified(session: Still, content: str) -> None:
    path = presets.presets_path(session.bench.options.cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    panel = Favourites(session)
    assert session.failed and str(path) in session.message
    assert set(presets.PUBLISHED_PIPELINES) < set(panel.select.options)
    panel.name.value = "mine"
    panel.save.click()
    assert session.failed
    assert path.read_text() == content


def test_failed_write_keeps_the_previous_favourites(tmp_path: Path) -> None:
    presets.save_pipeline(tmp_path, "mine", PIPELINE)
    with pytest.raises(WorkbenchError, match="needs a name"):
        presets.save_pipeline(tmp_path, "  ", PIPELINE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # as on a full disk
    try:
        with pytest.raises(WorkbenchError, match="cannot be written"):
            presets.save_pipeline(tmp_path, "other", PIPELINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert json.loads(presets.presets_path(tmp_path).read_text()) == {"mine": PIPELINE}
    assert list(tmp_path.iterdir()) == [presets.presets_path(tmp_path)]
