"""Texts of the panels: options, pipeline summaries and numbers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.collections.collection import Query
from workbench.collections.protocols import PROTOCOLS, SIGNS
from workbench.config.config import Config
from workbench.config.options import Options
from workbench.config.steps import is_local
from workbench.evaluation.measures_text import measured
from workbench.features.weights import availability
from workbench.panels.formatting import of_ranking
from workbench.panels.pipeline_choices import CHOICES, backbones, layers, part, valid_choices, with_part
from workbench.panels.pipeline_numbers import numbers, with_number
from workbench.panels.pipeline_summary import description_of
from workbench.panels.refinement import Question
from workbench.search.relevance_feedback import Feedback

pipelines = st.builds(
    lambda *parts: "/".join(filter(None, parts)),
    st.sampled_from(["efficientnet_lite0", "vgg16@conv4_3", "dinov2_small", "resnet50@random"]),
    st.sampled_from(["max", "gem:2.5", "crow"]),
    st.sampled_from(
        ["whole", "whole/centre/norm", "rmac:4", "grid:1x2/centre", "rmac:3/norm", "rmac:4/centre/attention"]
    ),
    st.sampled_from(["", "power:0.5"]),
    st.sampled_from(["", "pcaw:64", "lw:32"]),
    st.sampled_from(["", "scales:2"]),
)


def test_strength_is_a_number_of_pca_and_of_pca_whitening() -> None:
    pipeline = "vgg16/max/rmac:3/pca:64"
    for strength, step in ((0.5, "pcaw:64:0.5"), (1, "pcaw:64"), (0, "pca:64")):
        pipeline = with_number(pipeline, "Whitening", 1, strength)
        assert pipeline.endswith(f"/{step}")
        assert [(name, value) for name, _, value in numbers(pipeline, "Whitening")] == [
            ("dimensions", 64),
            ("strength", strength),
        ]
        assert with_number(pipeline, "Whitening", 0, 32).endswith("/" + step.replace("64", "32"))
    assert "whitened at strength 0.5 to 64 numbers" in description_of("vgg16/max/rmac:3/pcaw:64:0.5")
    assert with_number("vgg16/max/rmac:3/pcaw:64:shop", "Whitening", 1, 0.5).endswith("/pcaw:64:0.5:shop")


@given(pipelines, st.sampled_from(list(CHOICES)))
def test_offered_options_are_valid_and_change_only_their_part(pipeline: str, label: str) -> None:
    for _, value in valid_choices(pipeline, label, CHOICES[label])[0]:
        changed = with_part(pipeline, label, value)
        assert part(changed, label) == value
        other_labels = {"Backbone", "Layer", *CHOICES} - {label}
        if value == "code":  # a layer that outputs a map has no codes
            other_labels.remove("Layer")
        assert all(part(changed, unchanged) == part(pipeline, unchanged) for unchanged in other_labels)
        if value != "code" and (value or not part(pipeline, label)):
            restored = Config.parse(with_part(changed, label, part(pipeline, label)))
            assert (str(restored) == str(Config.parse(pipeline))) or label in ("Power", "Scales")
            assert sorted(map(str, restored.steps)) == sorted(map(str, Config.parse(pipeline).steps))


@given(pipelines, st.sampled_from(["Backbone", "Layer", *CHOICES]))
def test_numbers_of_a_part_match_the_string(pipeline: str, label: str) -> None:
    for position, (name, values, at) in enumerate(numbers(pipeline, label)):
        assert with_number(pipeline, label, position, at) == str(Config.parse(pipeline))
        for value in values:
            changed = with_number(pipeline, label, position, value)
            assert numbers(changed, label)[position][2] == value
            kind, before = part(changed, label).split(":")[0], part(pipeline, label).split(":")[0]
            assert kind == ("pca" if name == "strength" and value == 0 else before)


def test_typed_number_is_inserted_among_the_suggested_values() -> None:
    ((name, values, at),) = numbers("vgg16/gem:2.2/whole", "Pooling")
    assert (name, at) == ("p", 2.2)
    assert list(values) == sorted(values)
    assert {2, 2.2, 2.5} <= set(values)
    assert with_number("vgg16/max/grid:2x3", "Regions", 1, 5) == "vgg16/max/grid:2x5"
    assert numbers("vgg16/max/whole", "Regions") == []


def test_invalid_options_are_not_offered_and_have_a_reason() -> None:
    regions = "efficientnet_lite0/max/rmac:3"
    pipeline = "efficientnet_lite0/max/whole"
    code = "alexnet@fc6/code/whole"

    def values(pipeline: str, label: str) -> list[str]:
        return [value for _, value in valid_choices(pipeline, label, CHOICES[label])[0]]

    assert "attention" in CHOICES["Weighting"]
    assert "code" in values(pipeline, "Pooling")
    assert "code" not in values(regions, "Pooling")
    assert "whole" in valid_choices(regions, "Pooling", CHOICES["Pooling"])[1]["code"]
    assert "code" not in values("dinov2_small/max/whole", "Pooling")
    assert values(code, "Regions") == ["whole"]
    assert values(code, "Weighting") == [""]


def test_offered_layers_fit_the_pooling() -> None:
    assert layers("alexnet@fc6/code/whole") == ["", "fc6", "fc7", "fc8"]
    assert "conv5" in layers("alexnet/max/whole") and "fc6" not in layers("alexnet/max/whole")
    assert with_part("vgg16@conv4_3/max/whole", "Pooling", "code") == "vgg16/code/whole"
    assert with_part("vgg16@fc6/code/whole", "Pooling", "mean") == "vgg16/mean/whole"
    assert with_part("vgg16@conv4_3@random/max/whole", "Layer", "") == "vgg16@random/max/whole"
    assert with_part("vgg16@conv4_3/max/whole", "Backbone", "alexnet") == "alexnet/max/whole"


def test_whitening_is_replaced_at_its_position() -> None:
    before = "efficientnet_lite0/max/whole/centre/pca:64/power:0.5"
    assert (
        with_part(before, "Whitening", "pcaw:32") == "efficientnet_lite0/max/whole/centre/pcaw:32/power:0.5"
    )
    assert with_part(before, "Whitening", "") == "efficientnet_lite0/max/whole/centre/power:0.5"
    assert with_part("vgg16/max/whole/pca:64", "Power", "power:0.5") == "vgg16/max/whole/pca:64/power:0.5"


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        # 20 regions on a 24x32 map at three levels (Tolias et al. 2016); 256 numbers of 4 bytes
        (
            "vgg16/max/rmac:3/pcaw:256",
            "max over about 20 regions · whitened to 256 numbers · 1 KB an image",
        ),
        ("vgg16/max/rmac+:3", "max over about 21 regions"),
        ("vgg16/mean/grid:2x3/pca:64", "mean over 6 regions · reduced to 64 numbers · 0.25 KB an image"),
        ("vgg16/mean/whole/centre", "mean over the whole image · the centre has more weight"),
        ("vgg16@random/max/whole", "random weights, for tests only · max over the whole image"),
        (
            "vgg16/max/whole/pca:128/ivf:64,pq:16",
            "max over the whole image · reduced to 128 numbers · "
            "approximate: probes 8 of 64 cells · product codes of 16 bytes an image",
        ),
        (
            "vgg16/max/whole/imi:3:5/aqe:4",
            "max over the whole image · approximate: probes 5 of 64 cells · "
            "the query averaged with its first 4",
        ),
        (
            "sift/bow:4096/whole/he:24/sv:50",
            "bag of 4,096 visual words of SIFT keypoints, weighted by rarity · keypoints compared by "
            "signatures, at most 24 of 64 bits different · the first 50 verified by one homography",
        ),
        (
            "sift/asmk:65536",
            "signs of the sums of residuals to 65,536 visual words of SIFT keypoints, their products to the "
            "power 3 (ASMK)",
        ),
        (
            "hardnet/asmk-full:64:2.5:0.1/sv:9",
            "sums of residuals to 64 visual words of HardNet keypoints, their products above 0.1 to the "
            "power 2.5 (ASMK) · the first 9 verified by one homography",
        ),
        ("hardnet:mine/bow:256/whole", "bag of 256 visual words of HardNet keypoints, weighted by rarity"),
        (
            "vgg16/max/whole/sv:20:hardnet",
            "max over the whole image · the first 20 verified by one homography of hardnet keypoints",
        ),
    ],
)
def test_pipeline_is_described_in_words(pipeline: str, words: str) -> None:
    assert description_of(pipeline) == words


def test_embedded_backbones_are_first_and_missing_ones_marked(tmp_path: Path) -> None:
    options = backbones(Options(weights=tmp_path, cache=tmp_path))
    assert options[0] == ("efficientnet_lite0", "efficientnet_lite0")
    for text, name in options:
        if is_local(name):
            continue
        assert text.endswith(" ↓") == (availability(name, tmp_path) == "download")


def test_all_grades_of_all_protocols_have_a_sign() -> None:
    grades = {g for p in PROTOCOLS.values() for good, bad in p.settings.values() for g in good | bad}
    assert grades | {"negative", "query"} <= set(SIGNS)


@pytest.mark.parametrize(
    ("protocol", "metrics", "text"),
    [
        (
            "revisited",  # R101-GeM on ROxford (Radenović et al. 2018)
            {"mAP_easy": 0.8481, "mAP_medium": 0.6467, "mAP_hard": 0.3847},
            "mAP medium 64.7 · easy 84.8 · hard 38.5",
        ),
        ("labels", {"mAP": 1.0}, "mAP 100.0"),
        ("oxford", {"mAP": float("nan")}, "mAP –"),
        ("ukbench", {"mAP": 0.9, "N-S": 3.456}, "N-S 3.46 of 4"),
    ],
)
def test_headline_matches_the_protocol(protocol: str, metrics: dict[str, float], text: str) -> None:
    judged = {"judged": 68, "unjudged": {"q1": "it has no positive", "q2": "it has no positive"}}
    for provenance, added in (({}, ""), (judged, " · 68 of 70 queries")):
        evaluation = SimpleNamespace(protocol=protocol, metrics=metrics, provenance=provenance)
        assert measured(evaluation) == text + added


@pytest.mark.parametrize(
    ("attrs", "ranked", "text"),
    [
        ({}, Question("", "a", None, (), None), ""),
        (
            {"ap": np.nan},
            Question("", "a", None, (), None),
            "AP of this query not defined: it has no positives",
        ),
        ({"ap": 0.612}, Question("", "a", None, (), None), "AP of this query 61.2"),
        ({"ap": 0.612}, Question("", "a", (0, 0, 9, 9), (), None), "AP of this query 61.2"),  # its own box
        (
            {"ap": 0.612},
            Question("", "a", (1, 1, 9, 9), ("b",), Feedback(("c",), (), "rocchio")),
            "AP of this query 61.2, with the crop drawn here and further queries and feedback",
        ),
    ],
)
def test_ap_says_what_was_added_to_the_query(attrs: dict[str, float], ranked: Question, text: str) -> None:
    ranking = pd.DataFrame({"rank": [1]})
    ranking.attrs.update(attrs)
    assert of_ranking(ranking, ranked, Query("a", "a.jpg", (0, 0, 9, 9))) == text
