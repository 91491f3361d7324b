"""Contributions to a score and to a difference of scores, compared with values by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.explanations import evidence, explained
from workbench.collections.collection import Collection
from workbench.collections.protocols import PROTOCOLS
from workbench.common.rounding import rounded, signed
from workbench.panels.classes.vote_listing import columns, rows, votes
from workbench.panels.contributions import of_difference, of_score
from workbench.panels.explanation.rows import links, pair_bars, regions, side_bars
from workbench.panels.score_explanation import rival


def test_regions_are_sorted_by_absolute_contribution_with_the_best_match() -> None:
    sides = of_score(explained([[0.1, -0.4], [0.3, 0.05]]), listed=3)
    query, image = sides.sides
    assert query.values.tolist() == pytest.approx([0.35, -0.3]) and query.names == ["region 2", "region 1"]
    assert image.values.tolist() == pytest.approx([0.4, -0.35]) and image.names == ["region 1", "region 2"]
    assert query.boxes[1].tolist() == [0, 0, 0.5, 1]
    bars = side_bars(query, 0, 0.35, 1.0)
    assert [bar["share"] for bar in bars["bars"]] == ["700.0 %", "−600.0 %"]
    assert [bar["length"] for bar in bars["bars"]] == pytest.approx([1, -6 / 7])
    assert bars["rest"][-1]["value"] == "0.0500"
    # The strongest pair of both query regions is with the first region of the image.
    assert sides.marked("0:0") == [0, 0] and sides.marked("0:1") == [1, 0]
    assert sides.marked("1:0") == [0, 0] and sides.marked("") == [-1, -1]
    # Pairs that take away have no line; by absolute value they are listed.
    assert [pair.value for pair in sides.linked] == [0.3, 0.1, 0.05]
    assert [pair.value for pair in sides.pairs] == [-0.4, 0.3, 0.1] and sides.count == 4
    assert sides.unlisted == pytest.approx(0.05)
    assert sides.marked("pair:0") == [1, 1]
    line = links(sides)[0]
    assert line["start"] == pytest.approx((0.35, 0.5)) and line["end"] == pytest.approx((0.25, 0.5))


def test_lines_thin_out_by_the_share_of_their_pairs() -> None:
    values = [[1.0 if i == j else 0.0 for j in range(12)] for i in range(12)]
    for number, value in enumerate([1.0, 0.9, 0.8, 0.7, 0.6, 0.55, 0.52, 0.49, 0.3]):
        values[number][number] = value
    lines = links(of_score(explained(np.array(values)[:9, :9].tolist()), 4))
    drawn = [line["strength"] for line in lines if line["always"]]
    assert len(drawn) == 5 and drawn == sorted(drawn, reverse=True) and drawn[0] == 1
    assert drawn[1] == pytest.approx(0.8**3)
    weak = [line for line in lines if line["strength"] == 0]  # under half of the strongest
    assert weak and not any(line["always"] for line in weak)


def test_a_region_is_linked_to_its_strongest_partners_only() -> None:
    sides = of_score(explained([[1.0, 0.9, 0.8, 0.7, 0.2]] * 2), 4)
    linked = [pair for pair in sides.linked if "0:0" in pair.ends]
    assert [pair.value for pair in linked] == [1.0, 0.9, 0.8]


def test_difference_is_computed_by_query_region_with_its_best_match() -> None:
    sides = of_difference(explained([[0.1, 0.3], [0.2, 0.0]]), explained([[0.2, 0.1], [0.4, 0.1]]))
    query = sides.sides[0]
    assert query.values.tolist() == pytest.approx([-0.3, 0.1]) and query.total.whole == pytest.approx(-0.2)
    assert [side.total.whole for side in sides.sides[1:]] == pytest.approx([0.6, 0.8])
    # The second query region matches the first region of both images best, the first the second of A.
    names = [
        [side.names[n] for side, n in zip(sides.sides, sides.marked(f"0:{i}"), strict=True)] for i in (0, 1)
    ]
    assert names == [["region 2", "region 1", "region 1"], ["region 1", "region 2", "region 1"]]
    bars = side_bars(query, 0, 0.3, 1.0)
    assert bars["rest"][-1] == {"text": "A − B", "value": "−0.2000", "share": "", "length": None}
    assert {bar["share"] for bar in bars["bars"]} == {""}  # of a difference


def test_the_constant_and_the_others_are_parts_of_the_sum() -> None:
    side = of_score(explained([[value / 100] for value in range(1, 21)], constant=-0.5), 4).sides[0]
    bars = side_bars(side, 0, 0.2, 1.0)
    assert (bars["shown"], bars["others"]["text"], bars["others"]["value"]) == (6, "14 others", "+1.0500")
    assert [bar["text"] for bar in bars["rest"]] == ["constant", "score"]
    assert [bar["value"] for bar in bars["rest"]] == ["−0.5000", "1.6000"]


def test_a_picture_without_regions_is_split_into_thirds_without_partners() -> None:
    why = explained([[0.5]])
    heat = np.arange(1.0, 37).reshape(6, 6)
    sides = of_score(replace(why, query_heatmap=heat / heat.sum() / 2), 4)
    query = sides.sides[0]
    assert query.values.sum() == pytest.approx(0.5) and query.names[0] == "bottom third, right"
    assert sides.linked == sides.pairs == () and links(sides) == [] and pair_bars(sides)["bars"] == []
    assert sides.marked("0:3") == [3, -1] and len(regions(query)) == 9


def test_pairs_of_keypoints_link_the_parts_of_the_pictures_that_hold_them() -> None:
    count = 50  # more regions than are summed one by one
    why = explained(np.diag(np.linspace(1, 0.1, count)).tolist())
    places = np.array([[x, 0.9, x, 0.9] for x in np.linspace(0.05, 0.95, count)])
    heat = np.full((3, 3), why.score / 9)
    why = replace(
        why,
        query_heatmap=heat,
        image_heatmap=heat,
        query_regions=places,
        image_regions=places[:, [1, 0, 3, 2]],
    )
    sides = of_score(why, 4)
    pair = sides.linked[0]
    assert (sides.sides[0].names[pair.query], sides.sides[1].names[pair.image]) == (
        "bottom third, left",
        "top third, right",
    )
    assert pair.start == pytest.approx((0.05, 0.9)) and pair.end == pytest.approx((0.9, 0.05))
    assert sum(line["always"] for line in links(sides)) == 5
    assert sides.marked(pair.ends[0]) == [pair.query, -1]  # a part of a picture has many partners


def test_votes_are_listed_with_the_image_that_voted() -> None:
    listing = votes(evidence(("q", "a", "b")))
    assert [row["cells"] for row in rows(listing)] == [
        {"number": "1", "value": "+0.2500", "share": "33.3", "image": "b", "group": "1", "name": "region 1"},
        {"number": "2", "value": "+0.5000", "share": "66.7", "image": "a", "group": "2", "name": "region 1"},
    ]
    titles = [column["title"] for column in columns(listing)]
    assert titles == ["#", "Voting image", "Level", "Query region", "Adds", "Share %"]
    assert listing.part_at("1") == 1 and listing.part_at("whole 3") == -1
    assert listing.point_of(1) == "1" and listing.point_of(-1) == ""


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12))
def test_rounded_values_add_up_to_the_rounded_sum(values: list[float]) -> None:
    shown = rounded(values, 3)
    assert sum(shown) == pytest.approx(round(sum(np.array(values) * 1000)) / 1000, abs=1e-9)
    assert np.abs(np.array(shown) - values).max() <= 0.001 + 1e-9


def test_signs_are_formatted() -> None:
    assert [signed(value, 3) for value in (0.0123, -0.5, 0.0004)] == ["+0.012", "−0.500", "0.000"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("wrong1", ("right1", "the first true positive")),
        ("right2", ("wrong1", "the strongest negative above it")),
        ("right1", ("", "the strongest negative above it")),
        ("spoilt", ("", "")),
        ("not there", ("", "")),
    ],
)
def test_rival_is_the_first_positive_for_a_negative_and_the_reverse(
    image: str, expected: tuple[str, str]
) -> None:
    ranking = pd.DataFrame(
        {
            "image_id": ["right1", "wrong1", "spoilt", "wrong2", "right2"],
            "relevance": ["easy", "negative", "junk", "negative", "hard"],
        }
    )
    collection = Collection("some", Path(), (), protocol=PROTOCOLS["revisited"])
    assert rival(ranking, image, collection) == expected
    assert rival(ranking, image, Collection("others", Path(), ())) == ("", "")
