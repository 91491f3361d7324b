"""The pipelines of a template with fields."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.analysis.combinations import combinations
from workbench.config.errors import WorkbenchError

NET = "efficientnet_lite0"


def test_every_combination_is_a_pipeline_with_its_values() -> None:
    combined = combinations(f"{NET}/gem:{{p}}/whole/pcaw:{{d}}", {"d": [64, 128], "p": [1, 2.5]})
    assert combined.pipelines == {
        f"{NET}/gem:1/whole/pcaw:64": {"p": 1, "d": 64},
        f"{NET}/gem:1/whole/pcaw:128": {"p": 1, "d": 128},
        f"{NET}/gem:2.5/whole/pcaw:64": {"p": 2.5, "d": 64},
        f"{NET}/gem:2.5/whole/pcaw:128": {"p": 2.5, "d": 128},
    }
    assert list(combined.values) == ["p", "d"] and combined.left_out == {}


def test_parts_are_fields_too_and_an_empty_value_leaves_a_step_out() -> None:
    template = "{backbone}/{pooling}/{regions}/{weighting}"
    values = {"backbone": [NET], "pooling": ["max", "code"], "regions": ["whole", "rmac:3"]}
    combined = combinations(template, {**values, "weighting": ["", "centre"]})
    assert list(combined.pipelines) == [
        f"{NET}/max/whole",
        f"{NET}/max/whole/centre",
        f"{NET}/max/rmac:3",
        f"{NET}/max/rmac:3/centre",
        f"{NET}/code/whole",
    ]
    assert set(combined.left_out) == {
        f"{NET}/code/whole/centre",
        f"{NET}/code/rmac:3",
        f"{NET}/code/rmac:3/centre",
    }
    assert "valid: whole" in combined.left_out[f"{NET}/code/rmac:3"]


@pytest.mark.parametrize("nothing", ["", None, " "])
def test_a_step_whose_number_is_empty_is_left_out(nothing: Any) -> None:
    combined = combinations(
        f"{NET}/max/whole/pcaw:{{d}}/ivf:8,pq:{{m}}", {"d": [nothing, 64], "m": [nothing, 16]}
    )
    assert list(combined.pipelines) == [
        f"{NET}/max/whole/ivf:8",
        f"{NET}/max/whole/ivf:8,pq:16",
        f"{NET}/max/whole/pcaw:64/ivf:8",
        f"{NET}/max/whole/pcaw:64/ivf:8,pq:16",
    ]


def test_numbers_are_written_as_pipelines_write_them() -> None:
    combined = combinations(f"{NET}/max/rmac:{{levels}}", {"levels": 2.0 ** np.arange(3)})
    assert list(combined.pipelines) == [f"{NET}/max/rmac:{n}" for n in (1, 2, 4)]
    strengths = combinations(f"{NET}/max/whole/pcaw:64:{{s}}", {"s": np.linspace(0, 1, 3)})
    names = [f"{NET}/max/whole/{step}" for step in ("pca:64", "pcaw:64:0.5", "pcaw:64")]
    assert list(strengths.pipelines) == names


def test_a_pipeline_is_made_once() -> None:
    values = {"net": ["vgg16", "nonet"], "pooling": ["gem:3.0", "gem", "gem:3", "gem"]}
    combined = combinations("{net}/{pooling}/whole", values)
    assert list(combined.pipelines) == ["vgg16/gem:3/whole"]
    assert combined.left_out["vgg16/gem/whole"] == "it is the same pipeline as vgg16/gem:3/whole"
    assert "nonet" in combined.left_out["nonet/gem/whole"]


@pytest.mark.parametrize(
    ("template", "values", "reason"),
    [
        ("net/gem:{p}/whole", {}, r"field \{p\} of .* has no values"),
        ("net/gem:{p}/whole", {"p": []}, "p: the list of values is empty"),
        ("net/gem:{p}/whole", {"p": [1], "d": [2]}, r"has no field \{d\}; its fields are: \{p\}"),
        ("net/gem:{p}/whole", {"p": 3}, r"p=3 is a single value; give a list, as in p=\[3\]"),
        ("net/{p}/whole", {"p": "max"}, "p='max' is a single value"),
        ("net/gem:{p/whole", {"p": [1]}, "a brace is not closed"),
        ("net/gem:{}/whole", {}, r"\{\} is not a name"),
        ("net/gem:{p:.2f}/whole", {"p": [1]}, r"\{p:.2f\} is not a name"),
        ("net/gem:{0}/whole", {}, r"\{0\} is not a name"),
        ("net/max/whole", {}, "has no field"),
        ("{a}/{b}/{c}", {name: list(range(30)) for name in "abc"}, "27,000 combinations are too many"),
        (["net"], {}, "is not a text"),
    ],
)
def test_wrong_template_or_values_are_named(template: Any, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(WorkbenchError, match=reason):
        combinations(template, values)
