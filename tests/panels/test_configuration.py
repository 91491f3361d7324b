"""The Configuration panel as a plain object, and favourites on disk."""

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
    """A session that remembers what is asked and runs nothing."""

    def refresh(self, again: bool = False) -> None:
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
def test_the_controls_show_any_pipeline_and_give_it_back(session: Still, pipeline: str) -> None:
    panel = Configuration(session)
    panel.pipeline.value = pipeline
    canonical = str(Config.parse(pipeline))
    assert session.pipeline == panel.pipeline.value == canonical
    for label, select in panel.selects.items():
        panel.change(label, {"new": select.value})  # chosen again, nothing changes
        for position, slider in enumerate(panel.numbers[label].sliders):
            panel.turn(label, position, slider["at"])
    assert sorted(session.pipeline.split("/")) == sorted(canonical.split("/"))


def test_sliders_change_the_string_and_the_string_the_sliders(session: Still) -> None:
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


def test_an_index_of_two_steps_and_several_re_rankings_are_one_value_each(session: Still) -> None:
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


def test_what_is_probed_follows_the_cells(session: Still) -> None:
    panel = Configuration(session)

    def turned(position: int, value: str) -> str:
        panel.turn("Index", position, panel.numbers["Index"].sliders[position]["values"].index(value))
        return session.pipeline.rpartition("/")[2]

    panel.pipeline.value = f"{PIPELINE}/ivf:64"
    assert turned(0, "16") == "ivf:16"  # its root is probed, 4
    assert panel.numbers["Index"].sliders[1]["values"] == ["1", "2", "4", "8", "16"]
    assert turned(1, "16") == "ivf:16:16"
    assert turned(0, "64") == "ivf:64:16"  # what was chosen stays,
    assert turned(0, "8") == "ivf:8"  # as far as there are so many
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
def test_what_is_wrong_with_a_string_is_said_below_it(session: Still, text: str, named: str) -> None:
    panel = Configuration(session)
    session.guard(panel.write)({"new": text})
    assert named in panel.error.lines[0]["text"]
    assert session.pipeline == PIPELINE
    session.ranking = ()  # what came of the last valid one
    assert panel.error.lines and panel.error.lines[0]["kind"] == "error"
    panel.pipeline.value = "efficientnet_lite0/mean/whole"
    assert panel.error.lines == []
    assert session.pipeline == "efficientnet_lite0/mean/whole"


def test_a_string_that_is_not_canonical_is_shown_as_it_was_understood(session: Still) -> None:
    panel = Configuration(session)
    panel.pipeline.value = " efficientnet_lite0 / gem / rmac / pcaw "
    assert panel.pipeline.value == session.pipeline == "efficientnet_lite0/gem:3/rmac:3/pcaw:256"
    panel.pipeline.value = "efficientnet_lite0/gem/rmac/pcaw"  # the same again
    assert panel.pipeline.value == "efficientnet_lite0/gem:3/rmac:3/pcaw:256"


def test_two_slots_are_filled_and_switched_between(session: Still) -> None:
    panel = Configuration(session)
    (fill_a, use_a), (fill_b, use_b) = panel.slots["A"], panel.slots["B"]
    assert use_a.disabled and use_b.disabled
    fill_a.click()
    panel.selects["Pooling"].value = "mean"
    fill_b.click()
    other = "efficientnet_lite0/mean/rmac:2"
    assert (session.a, session.b, session.compared) == (PIPELINE, other, (PIPELINE, other))
    assert (use_a.button_style, use_b.button_style) == ("", "info")
    use_a.click()
    assert session.pipeline == panel.pipeline.value == PIPELINE
    assert (use_a.button_style, use_b.button_style) == ("info", "")


def test_a_pipeline_is_added_to_the_comparison_once(session: Still) -> None:
    panel = Configuration(session)
    panel.add.click()
    panel.add.click()
    assert session.compared == (PIPELINE,)


def test_favourites_are_kept_and_chosen_again(session: Still) -> None:
    one, other = Favourites(session), Favourites(session)
    one.name.value = "mine <b>"
    one.save.click()
    session.pipeline = "efficientnet_lite0/mean/whole"
    other.select.value = "mine <b>"
    assert session.pipeline == PIPELINE
    other.select.value = "SPoC"
    assert session.pipeline == presets.PUBLISHED_PIPELINES["SPoC"]
    assert one.select.value == "SPoC"
    other.name.value = "mine <b>"
    other.delete.click()
    assert "mine <b>" not in presets.named_pipelines(session.bench.options.cache)
    other.name.value = "SPoC"
    other.delete.click()
    assert session.failed and "built in" in session.message


def test_every_known_favourite_is_a_pipeline_that_runs(session: Still) -> None:
    for pipeline in presets.PUBLISHED_PIPELINES.values():
        assert str(Config.parse(pipeline)) == pipeline


@pytest.mark.parametrize("content", ["{", "[1]", '{"mine": "nonsense"}', '"text"'])
def test_a_broken_file_of_favourites_is_said_and_left_as_it_is(session: Still, content: str) -> None:
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


def test_favourites_that_cannot_be_written_leave_the_old_ones(tmp_path: Path) -> None:
    presets.save_pipeline(tmp_path, "mine", PIPELINE)
    with pytest.raises(WorkbenchError, match="needs a name"):
        presets.save_pipeline(tmp_path, "  ", PIPELINE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # as a full disk
    try:
        with pytest.raises(WorkbenchError, match="cannot be written"):
            presets.save_pipeline(tmp_path, "other", PIPELINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert json.loads(presets.presets_path(tmp_path).read_text()) == {"mine": PIPELINE}
    assert list(tmp_path.iterdir()) == [presets.presets_path(tmp_path)]
