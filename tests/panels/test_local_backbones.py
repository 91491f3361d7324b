"""Pipelines of keypoints in the Configuration panel, and the messages of panels that need feature maps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

import workbench
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.config.options import Options
from workbench.config.steps import LEARNED
from workbench.local.hardnet import SHIPPED, HardNet
from workbench.local.learned_weights import installed
from workbench.panels import Session
from workbench.panels.attention.model import KEYPOINTS
from workbench.panels.attention.panel import Attention
from workbench.panels.comparison.grid_search import GridSearchChoice
from workbench.panels.comparison.panel import Comparison
from workbench.panels.comparison.table import provenance
from workbench.panels.configuration.panel import Configuration
from workbench.panels.local_backbones import local_features, usable_features
from workbench.panels.pipeline_choices import CHOICES, backbones, part, valid_choices, with_part
from workbench.panels.pipeline_numbers import numbers, with_number
from workbench.panels.pipeline_summary import description_of
from workbench.panels.training.panel import KEYPOINTS as UNTRAINABLE
from workbench.panels.training.panel import TrainingPanel
from workbench.report.page import write_report

PIPELINE = "efficientnet_lite0/max/rmac:2"
POOLINGS = ["bow:4096", "asmk:65536", "asmk-full:65536"]  # of keypoints
LABELS = [label for label in CHOICES if label not in ("Pooling", "Regions")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Bench:
    folder = folder_of(tmp_path_factory.mktemp("photos"), 6, kinds=2)
    return workbench.open(folder, labels="folders", cache=cache, size=128)


mapped = st.builds(
    lambda *parts: "/".join(filter(None, parts)),
    st.sampled_from(["efficientnet_lite0", "vgg16@conv4_3", "resnet18@random"]),
    st.sampled_from(["max", "gem:2.5"]),
    st.sampled_from(["rmac:4", "grid:1x2"]),
    st.sampled_from(["", "centre", "norm", "attention:mine", "centre/attention:mine"]),
    st.sampled_from(["", "pcaw:64", "pca:32:mine", "lw:8"]),
    st.sampled_from(["", "power:0.5"]),
    st.sampled_from(["", "scales:2"]),
    st.sampled_from(["", "ivf:16", "pq:16"]),
    st.sampled_from(["", "aqe:5", "sv:50:hardnet", "sv:100/aqe:5", "dba:3"]),
)


@given(mapped, st.sampled_from(["sift", "hardnet", "hardnet:mine", "xfeat", "aliked", "disk"]))
def test_single_choice_switches_to_keypoints_and_back(pipeline: str, backbone: str) -> None:
    changed = with_part(pipeline, "Backbone", backbone)
    config = Config.parse(changed)
    assert str(config.pooling) == "bow:4096" and str(config.regions) == "whole"
    assert not config.weightings and config.scales == 1
    assert [s.args for s in config.whitenings] == [s.args for s in Config.parse(pipeline).whitenings]
    assert part(changed, "Index") == part(pipeline, "Index")
    assert len(config.reranking_steps) == len(Config.parse(pipeline).reranking_steps)
    assert config.compared in (None, backbone)
    restored = Config.parse(with_part(changed, "Backbone", "vgg16"))
    assert (restored.backbone, str(restored.pooling), str(restored.regions)) == ("vgg16", "max", "rmac:3")


@given(
    st.sampled_from(["sift/bow:4096/whole", "hardnet/bow:512/whole/pcaw:64/sv:100"]), st.sampled_from(LABELS)
)
def test_options_with_words_are_valid(pipeline: str, label: str) -> None:
    options, refused = valid_choices(pipeline, label, CHOICES[label])
    assert options and all(Config.parse(with_part(pipeline, label, value)) for _, value in options)
    assert all(refused.values())


def test_options_of_words_differ_from_those_of_maps() -> None:
    words = "sift/bow:4096/whole"

    def values(pipeline: str, label: str) -> list[str]:
        return [value for _, value in valid_choices(pipeline, label, CHOICES[label])[0]]

    assert values(words, "Pooling") == POOLINGS and values(words, "Regions") == ["whole"]
    assert values("sift/asmk:64", "Pooling") == [*POOLINGS]
    assert values("sift/asmk:64", "Re-ranking") == ["", "sv:100"]
    for label in ("Weighting", "Whitening", "Power", "Scales", "Index"):
        assert values("sift/asmk:64", label) == [""]
    assert with_part("sift/asmk:64/sv:5", "Backbone", "vgg16") == "vgg16/max/rmac:3/sv:5"
    assert with_part("sift/asmk:64/sv:5", "Pooling", "bow:4096") == "sift/bow:4096/whole/sv:5"
    assert values(words, "Weighting") == values(words, "Scales") == [""]
    assert {"sv:100", "sv:100/aqe:5", "he:24", "he:24/sv:100"} <= set(values(words, "Re-ranking"))
    assert not {"he:24", "he:24/sv:100"} & set(values(PIPELINE, "Re-ranking"))
    assert {"sv:100", "sv:100/aqe:5"} <= set(values(PIPELINE, "Re-ranking"))
    assert with_part(f"{words}/he:24", "Backbone", "alexnet") == "alexnet/max/rmac:3"
    assert with_part(words, "Backbone", "hardnet") == "hardnet/bow:4096/whole"


def test_lightglue_stays_with_the_keypoints_that_it_matches() -> None:
    pipeline = "aliked/bow:64/whole/he:24/sv:10:lightglue"
    assert with_part(pipeline, "Backbone", "disk") == "disk/bow:64/whole/he:24/sv:10:lightglue"
    assert with_part(pipeline, "Backbone", "xfeat") == "xfeat/bow:64/whole/he:24/sv:10"
    assert with_part(pipeline, "Backbone", "vgg16") == "vgg16/max/rmac:3/sv:10"
    assert with_number(pipeline, "Re-ranking", 1, 50) == "aliked/bow:64/whole/he:24/sv:50:lightglue"
    assert description_of(pipeline).endswith("verified by one homography of keypoints matched by LightGlue")
    slow = description_of("vgg16/max/whole/sv:100:disk+lightglue")
    assert slow.endswith("of disk keypoints matched by LightGlue, seconds each")


def test_sliders_set_words_signatures_and_verification() -> None:
    pipeline = "sift/bow:4096/whole/he:24/sv:100"
    assert numbers(pipeline, "Pooling") == [("words", tuple(2.0**n for n in range(8, 17)), 4096)]
    assert with_number(pipeline, "Pooling", 0, 65536) == "sift/bow:65536/whole/he:24/sv:100"
    assert with_number("sift/asmk:64/sv:9", "Pooling", 0, 2**20) == "sift/asmk:1048576/whole/sv:9"
    assert with_number("sift/asmk:64", "Pooling", 1, 2.5) == "sift/asmk:64:2.5/whole"
    assert with_number("sift/asmk:64:2:0.2", "Pooling", 2, 0) == "sift/asmk:64:2/whole"
    assert [name for name, *_ in numbers("sift/asmk-full", "Pooling")] == ["words", "alpha", "tau"]
    assert [name for name, *_ in numbers(pipeline, "Re-ranking")] == ["bits", "images"]
    assert with_number(pipeline, "Re-ranking", 1, 20).endswith("/he:24/sv:20")
    assert (
        with_number("vgg16/max/whole/sv:100:hardnet", "Re-ranking", 0, 50) == "vgg16/max/whole/sv:50:hardnet"
    )


def test_local_features_are_offered_last_and_missing_ones_marked(tmp_path: Path) -> None:
    (tmp_path / "learned").mkdir()
    card = {"card": '{"views": 4, "figures": []}'}
    save_file(HardNet(4).state_dict(), tmp_path / "learned" / "mine.safetensors", card)
    save_file({"x": torch.zeros(1)}, tmp_path / "learned" / "other.safetensors")
    options = Options(cache=tmp_path)
    missing = not SHIPPED.is_file()
    assert local_features(options) == [
        ("sift", "sift"),
        ("hardnet (missing)" if missing else "hardnet", "hardnet"),
        ("mine (HardNet)", "hardnet:mine"),
        *((name + " (not installed)" * (not installed(name)), name) for name in LEARNED),
    ]
    assert usable_features(options) == [
        "sift", *([] if missing else ["hardnet"]), "hardnet:mine", *filter(installed, LEARNED)
    ]  # fmt: skip
    assert backbones(options)[-6:] == local_features(options)


def test_configuration_and_grid_accept_keypoints(session: Session) -> None:
    panel = Configuration(session)
    session.pipeline = f"{PIPELINE}/pcaw:16"
    panel.selects["Backbone"].value = "sift"
    assert session.pipeline == panel.pipeline.value == "sift/bow:4096/whole/pcaw:16"
    assert [value for _, value in panel.selects["Pooling"].options] == ["bow:4096"]  # as pca needs vectors
    (words,) = panel.numbers["Pooling"].sliders
    panel.turn("Pooling", 0, words["values"].index("256"))
    assert session.pipeline == "sift/bow:256/whole/pcaw:16"
    panel.selects["Whitening"].value = ""
    panel.selects["Re-ranking"].value = "sv:100/aqe:5"
    assert session.pipeline == "sift/bow:256/whole/sv:100/aqe:5"
    chips = GridSearchChoice(session).chips
    assert {"sift", "efficientnet_lite0"} <= set(chips["Backbones"].options)
    assert chips["Re-rankings"].chosen == ["sv:100/aqe:5"]
    panel.selects["Backbone"].value = "efficientnet_lite0"
    assert session.pipeline == "efficientnet_lite0/max/rmac:3/sv:100/aqe:5"
    session.cancel()


def test_bags_of_words_are_compared_and_reported(session: Session, bench: Bench, tmp_path: Path) -> None:
    pipelines = ["sift/bow:64/whole", "sift/bow:64/whole/sv:5/aqe:2", "efficientnet_lite0/max/whole"]
    texts = [line["text"] for line in provenance(bench.evaluate(pipelines[1]))]
    assert any(text.startswith("Vocabulary: 64 words, ") for text in texts)
    assert "Re-ranked by keypoints of sift" in texts
    assert any(text.startswith("Local features: weights ") for text in texts)
    panel = Comparison(session)
    session.compared = tuple(pipelines)
    assert session.wait(120) and not session.failed, session.message
    assert [row["id"] for row in panel.table.rows] == pipelines
    assert all("mAP" in row["cells"] for row in panel.table.rows)
    write_report(bench, pipelines, tmp_path / "report.html")
    assert pipelines[1] in (tmp_path / "report.html").read_text()


def test_panels_of_maps_show_a_hint_for_pipelines_without_maps(session: Session) -> None:
    attention, training = Attention(session), TrainingPanel(session)
    session.refresh()
    assert session.wait(120)
    attention.layer.value = "block3"
    assert session.wait(120) and attention.view.heat
    session.pipeline = "sift/bow:64/whole"
    assert session.wait(120)
    assert not session.failed, session.message
    assert attention.view.note == KEYPOINTS and attention.view.picture and not attention.view.heat
    assert attention.nearest.lines.lines == [] and attention.layer.layout.display == "none"
    assert training.go.disabled and training.note.lines[0]["text"] == UNTRAINABLE
    session.pipeline = PIPELINE
    assert session.wait(120)
    assert attention.view.heat and not training.go.disabled
