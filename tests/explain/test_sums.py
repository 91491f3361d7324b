"""Sums of a score over regions and levels, by hand and as a property of every pipeline."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.explain.test_score import POOLINGS, VECTORS, WEIGHTINGS, fitted, random_maps
from tests.support.explanations import evidence, explained
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from tests.support.proposals import keep
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.explain.channels import Contributions
from workbench.explain.score import explain
from workbench.explain.sums import THIRDS, Line, Sum


def check(total: Sum) -> None:
    """All parts, and all lines but groups, add up to the whole; so do the rounded lines."""
    assert total.parts["contribution"].sum() + total.constant == pytest.approx(total.whole, abs=1e-4)
    *lines, whole = total.lines()
    parents = [n for n, line in enumerate(lines) if line.kind == "group" and line.part < 0]
    leaves = [line for n, line in enumerate(lines) if n not in parents]
    assert sum(line.value for line in leaves) == pytest.approx(total.whole, abs=2e-4)
    assert sum(line.shown for line in leaves) == pytest.approx(whole.shown, abs=1e-9)
    assert all(abs(line.shown - line.value) <= 1e-4 + 1e-9 for line in leaves)
    for n in parents:
        below = list(takewhile(lambda line: line.kind in ("part", "others"), lines[n + 1 :]))
        assert sum(line.value for line in below) == pytest.approx(lines[n].value, abs=1e-9)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(POOLINGS),
    st.sampled_from(["whole", "rmac:1", "rmac:3", "rmac+:2", "grid:2x3", "grid:7x7"]),
    st.sampled_from(WEIGHTINGS), st.sampled_from(VECTORS),
    st.sampled_from([1, 3]), st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**31),
)  # fmt: skip
def test_sums_over_regions_and_levels_are_the_score(
    pooling: str, regions: str, weighting: str, vectors: str, scales: int, height: int, width: int, seed: int
) -> None:
    steps = f"{weighting}{vectors}" + (f"/scales:{scales}" if scales > 1 else "")
    config = Config.parse(f"x/{pooling}/{regions}{steps}")
    described = fitted(config, random_maps(seed, 12, (height, width), scales))
    why = explain(
        random_maps(seed + 1, 1, (height, width), scales),
        random_maps(seed + 2, 1, (width + 1, height + 2), scales),
        config,
        described,
    )
    assert why.by_level().to_numpy().sum() + why.constant == pytest.approx(why.score, abs=1e-4)
    for side, boxes in (("query", why.query_regions), ("image", why.image_regions)):
        table = why.by_region(side)
        assert table["contribution"].sum() + why.constant == pytest.approx(why.score, abs=1e-4)
        assert sorted(table["region"]) == list(range(len(boxes)))
        np.testing.assert_allclose(table[["x0", "y0", "x1", "y1"]], boxes[table["region"]])
        check(why.sum(side))
    if regions.startswith("rmac"):
        levels = set(why.by_region()["level"])
        assert levels == set(range(0 if "+" in regions else 1, int(regions[-1]) + 1))
        assert sorted(why.by_level().index) == sorted(levels)


def test_sums_by_hand() -> None:
    why = explained([[0.1, 0.2], [0.3, -0.05], [0.02, 0.03]], [1, 2, 2], [1, 1], constant=0.4)
    assert why.by_region()["contribution"].to_list() == pytest.approx([0.3, 0.25, 0.05])
    assert why.by_region("image")["contribution"].to_list() == pytest.approx([0.42, 0.18])
    assert why.by_region()["level"].to_list() == [1, 2, 2]
    assert why.by_level().loc[2, 1] == pytest.approx(0.3) and why.by_level().shape == (2, 1)
    assert [line[:2] for line in why.sum().lines()] == [
        ("group", "level 1"),  # a level of one region is one line
        ("group", "level 2"),
        ("part", "region 1"),
        ("part", "region 2"),
        ("constant", "constant"),
        ("whole", "score"),
    ]
    with pytest.raises(WorkbenchError, match="side 'result' is not known; valid: query, image"):
        why.by_region("result")


def test_the_strongest_parts_are_listed_and_the_others_summed() -> None:
    why = explained([[value] for value in (*range(1, 20), -40)], [1] * 10 + [2] * 10)
    lines = why.sum().lines()
    assert [line.text for line in lines if line.kind == "others"] == ["4 others", "4 others"]
    assert lines[7] == Line("others", "4 others", 10.0, 10.0)
    # By absolute value; the sum of a level contains its negative regions.
    assert (lines[9].value, lines[8].text, lines[8].value) == (-40, "level 2", 135 - 40)


def test_a_picture_without_regions_is_summed_over_thirds() -> None:
    heat = np.zeros((6, 9))
    heat[0, 0], heat[3, 4], heat[5, 8] = 0.5, 0.25, -0.125
    why = explained([[0.625]])
    why = type(why)(0.625, heat, heat[:1], why.region_pairs, why.query_regions, why.image_regions)
    total = why.sum()
    assert list(total.groups.index) == list(THIRDS) and total.groups.to_list() == [0.5, 0.25, -0.125]
    assert total.parts[["x0", "y0", "x1", "y1"]].to_numpy()[0] == pytest.approx([0, 0, 1 / 3, 1 / 3])
    assert why.sum("image").groups.to_list() == [0.5]  # one row of cells is one third


def test_channels_are_grouped_by_their_rank() -> None:
    values = np.array([*np.full(10, 0.02), *np.full(90, 0.001), *np.full(20, -0.0001)])
    why = Contributions(float(values.sum()), values[:, None, None], np.zeros(1))
    check(why.sum())
    assert list(why.sum().groups.index) == ["strongest 10", "next 90", "next 20"]
    assert why.sum().groups.to_list() == pytest.approx([0.2, 0.09, -0.002])
    assert "score 0.288; strongest of 120 channels: 0 (+0.0200)" in repr(why)


def test_votes_are_summed_by_level_of_the_query() -> None:
    total = evidence(("q", "a", "b")).sum()
    check(total)
    assert total.groups.to_dict() == {"level 1": 0.25, "level 2": 0.5}
    assert total.parts["image_id"].to_list() == ["b", "a"]


def test_text_of_an_explanation_is_a_few_lines() -> None:
    why = explained([[0.1, 0.2], [0.3, 0.1]], [1, 2], [1, 2], ("q\x1b", "a", "x/max/rmac:2", "photos"), -0.05)
    assert repr(why).splitlines() == [
        "Explanation: score 0.650 of a for the query q\\x1b, x/max/rmac:2",
        "  level 1   +0.3000",
        "  level 2   +0.4000",
        "  constant  -0.0500",
    ]


@pytest.mark.parametrize(
    "steps",
    ["max/rmac:2/attention", "max/proposals:6:mine/pca:6", "mean/rmac:2/pcaw:4/pq:2", "gem:3/whole/scales:2"],
)
def test_sums_of_a_collection_are_the_score(tmp_path: Path, steps: str) -> None:
    folder = folder_of(tmp_path / "photos", 10)
    options = Options(size=160, cache=tmp_path / "cache")
    backbone = "efficientnet_lite0" if "attention" in steps else NETWORK
    keep(options, NETWORK, "mine", 1.0)
    bench = wb.open(folder, cache=tmp_path / "cache", size=160)
    query, image = bench.collection.images[:2]
    ranking = bench.search(query, pipeline=f"{backbone}/{steps}", k=None).set_index("image_id")
    why = bench.explain(query, image, pipeline=f"{backbone}/{steps}")
    assert why.score == pytest.approx(ranking["score"][image], abs=1e-4)
    assert "pq" in steps or why.constant == 0
    for side in ("query", "image"):
        assert why.by_region(side)["contribution"].sum() + why.constant == pytest.approx(why.score, abs=1e-4)
        check(why.sum(side))
    assert why.pictures is not None and [p.name for p in why.pictures] == [query, image]
    assert why.collection == bench.collection.name and why.pipeline.endswith(steps)


def test_sums_of_words_are_the_score(tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "photos", 6, [(480, 360)]), cache=tmp_path / "cache")
    query, image = bench.collection.images[:2]
    why = bench.explain(query, image, pipeline="sift/bow:16/whole")
    assert len(why.query_regions) > 40
    check(why.sum())
    assert set(why.sum().groups.index) == set(THIRDS)
    assert why.by_region()["contribution"].sum() == pytest.approx(why.score, abs=1e-4)


def test_regions_are_named_by_their_number_in_their_level() -> None:
    why = explained([[0.1], [0.2], [0.4], [0.3]], [0, 1, 2, 2])
    assert why.sum().parts[["group", "name"]].to_numpy().tolist() == [
        ["whole map", "region 1"],
        ["level 1", "region 1"],
        ["level 2", "region 1"],
        ["level 2", "region 2"],
    ]
    assert explained([[0.1], [0.2]]).sum().parts["name"].to_list() == ["region 2", "region 1"]
    thirds = explained([[0.6]]).sum().parts
    assert thirds["name"].to_list() == ["left", "centre", "right"] * (len(thirds) // 3)
