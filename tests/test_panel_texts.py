"""What the panels offer and say: options, pipelines in plain words, numbers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.collections.collection import PROTOCOLS
from workbench.config import NOT_AVAILABLE, Config
from workbench.features.weights import availability
from workbench.panels.configuration import CHOICES, backbones, described, offered, part, replaced
from workbench.panels.results import SIGNS, measured, of_query

pipelines = st.builds(
    lambda *parts: "/".join(filter(None, parts)),
    st.sampled_from(["efficientnet_lite0", "vgg16@conv4_3", "dinov2_small", "resnet50@random"]),
    st.sampled_from(["max", "gem:2.5", "crow"]),
    st.sampled_from(["whole", "rmac:4", "grid:1x2"]),
    st.sampled_from(["", "centre", "norm"]),
    st.sampled_from(["", "power:0.5"]),
    st.sampled_from(["", "pcaw:64", "lw:32"]),
    st.sampled_from(["", "scales:2"]),
)


@given(pipelines, st.sampled_from(list(CHOICES)))
def test_every_offered_option_is_valid_and_changes_its_part_alone(pipeline: str, label: str) -> None:
    for _, value in offered(pipeline, label, CHOICES[label]):
        changed = replaced(pipeline, label, value)
        Config.parse(changed).require_available()
        assert part(changed, label) == value
        others = {"Backbone", *CHOICES} - {label}
        assert all(part(changed, other) == part(pipeline, other) for other in others)
        assert Config.parse(changed).scales == Config.parse(pipeline).scales
        if value or not part(pipeline, label):
            assert replaced(changed, label, part(pipeline, label)) == str(Config.parse(pipeline))


def test_what_has_no_meaning_or_is_not_built_is_not_offered() -> None:
    regions = "efficientnet_lite0/max/rmac:3"
    whole = "efficientnet_lite0/max/whole"
    code = "alexnet@fc6/code/whole"
    values = {label: {v for _, v in offered(whole, label, CHOICES[label])} for label in CHOICES}
    assert not NOT_AVAILABLE & set().union(*values.values())
    assert "attention" in CHOICES["Weighting"]
    assert "code" in values["Pooling"]
    assert "code" not in {v for _, v in offered(regions, "Pooling", CHOICES["Pooling"])}
    assert "code" not in {v for _, v in offered("dinov2_small/max/whole", "Pooling", CHOICES["Pooling"])}
    assert [v for _, v in offered(code, "Regions", CHOICES["Regions"])] == ["whole"]
    assert [v for _, v in offered(code, "Weighting", CHOICES["Weighting"])] == [""]


def test_a_whitening_is_replaced_where_it_stands() -> None:
    before = "efficientnet_lite0/max/whole/centre/pca:64/power:0.5"
    assert replaced(before, "Whitening", "pcaw:32") == "efficientnet_lite0/max/whole/centre/pcaw:32/power:0.5"
    assert replaced(before, "Whitening", "") == "efficientnet_lite0/max/whole/centre/power:0.5"


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
        ("vgg16/mean/whole/centre", "mean over the whole image · the centre counts more"),
        ("vgg16@random/max/whole", "random weights, for tests only · max over the whole image"),
    ],
)
def test_a_pipeline_in_plain_words(pipeline: str, words: str) -> None:
    assert described(pipeline) == words


def test_embedded_backbones_come_first_and_missing_ones_are_marked(tmp_path: Path) -> None:
    options = backbones(tmp_path)
    assert options[0] == ("efficientnet_lite0", "efficientnet_lite0")
    for text, name in options:
        assert text.endswith(" (download)") == (availability(name, tmp_path) == "download")


def test_every_grade_of_every_protocol_has_a_sign() -> None:
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
def test_the_headline_of_each_protocol(protocol: str, metrics: dict[str, float], text: str) -> None:
    assert measured(SimpleNamespace(protocol=protocol, metrics=metrics)) == text


def test_a_query_without_positives_has_no_ap() -> None:
    evaluation = SimpleNamespace(per_query=pd.DataFrame({"query": ["a", "b"], "ap": [np.nan, 0.612]}))
    assert of_query(evaluation, "a") == "AP of this query not defined: it has no positives"
    assert of_query(evaluation, "b") == "AP of this query 61.2"
    assert of_query(evaluation, "c") == ""
