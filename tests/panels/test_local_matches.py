"""The panel of local matches without a browser, on photographs of one object from several viewpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import workbench
from tests.support.benches import live_widgets
from tests.support.things import folder_of_things
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.learning.hardnet.train import initial_network
from workbench.panels import Session
from workbench.panels.explanation.panel import Explanation
from workbench.panels.local_matches import model
from workbench.panels.local_matches.model import features_of, with_and_without, with_features
from workbench.panels.local_matches.panel import NOTHING, WAITING, LocalMatches
from workbench.panels.local_matches.patches import HINT
from workbench.panels.local_matches.verification import inliers
from workbench.panels.widgets.keypoint_pairs import NOWHERE

PIPELINE = "sift/bow:256/whole"
QUERY, LIKE, OTHER = "coffee/0.png", "coffee/2.png", "chelsea/1.png"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Bench:
    folder = folder_of_things(tmp_path_factory.mktemp("things"))
    (cache / "learned").mkdir()
    torch.manual_seed(3)
    card = {"card": '{"views": 4, "figures": []}'}
    state = {name: tensor.contiguous() for name, tensor in initial_network(4).state_dict().items()}
    save_file(state, cache / "learned" / "mine.safetensors", card)
    return workbench.open(folder, labels="folders", cache=cache, size=256)


@pytest.fixture
def panel(session: Session) -> Iterator[LocalMatches]:
    local_matches = LocalMatches(session)
    session.choose(QUERY)
    session.image = LIKE
    settled(session)
    yield local_matches
    session.cancel()


def settled(session: Session) -> None:
    assert session.wait(120)  # the ranking, and the jobs that follow it
    assert session.wait(120)
    assert not session.failed, session.message


def points_of(panel: LocalMatches) -> list[np.ndarray]:
    first, second = panel.view.counts
    points = np.frombuffer(panel.view.points, np.float32).reshape(first + second, 4)
    return [points[:first], points[first:]]


def test_pair_shows_the_matches_of_the_bench(panel: LocalMatches, bench: Bench) -> None:
    match = bench.match(QUERY, LIKE, pipeline=PIPELINE)
    assert match.inliers > 10
    for shown, features in zip(points_of(panel), (match.query, match.image), strict=True):
        np.testing.assert_array_equal(shown, features.points)
    pairs = np.frombuffer(panel.view.pairs, np.uint32).reshape(-1, 2)
    np.testing.assert_array_equal(pairs, match.table[["query_keypoint", "image_keypoint"]])
    np.testing.assert_array_equal(np.frombuffer(panel.view.inside, np.uint8) > 0, match.table["inlier"])
    assert [side["name"] for side in panel.view.sides] == [QUERY, LIKE]
    assert panel.view.sizes == [list(match.query.size), list(match.image.size)]
    for picture in panel.view.pictures:
        assert Image.open(BytesIO(picture)).format == "JPEG"
    assert panel.lines.lines[0]["text"] == f"{match.inliers} inliers of {len(match.table)} matches"
    assert panel.lines.lines[1]["text"].startswith(
        f"{len(match.query):,} and {len(match.image):,} keypoints of sift"
    )


def test_rejected_matches_are_shown_with_the_reason(panel: LocalMatches, session: Session) -> None:
    session.image = OTHER
    settled(session)
    assert panel.lines.lines[0]["text"].startswith("Not verified: ")
    assert np.frombuffer(panel.view.inside, np.uint8).sum() == 0
    for image in ("empty/one colour.png", "empty/tiny.png", "empty/thin.png"):
        session.image = image
        settled(session)
        assert panel.lines.lines[0]["text"] == "Not verified: no keypoints in the image."
        assert panel.view.counts[1] == 0 and panel.view.sides[1]["name"] == image
        assert "share no visual word" in panel.words_lines.lines[0]["text"] and panel.words.rows == []


def test_keypoint_can_be_pointed_at_held_and_released(
    panel: LocalMatches, session: Session, bench: Bench
) -> None:
    assert panel.patch.lines.lines[0]["text"] == HINT
    first = panel.match.table.iloc[0]  # type: ignore[union-attr]
    number, matched_number = int(first["query_keypoint"]), int(first["image_keypoint"])
    panel.view._handle_custom_msg({"point": [0, number]}, [])
    settled(session)
    own, match = panel.patch.patches.rows[0]
    patch = bench.keypoints.patches(QUERY, keypoints=[number], pipeline=PIPELINE)[0]
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(own["picture"]))), patch)
    patch = bench.keypoints.patches(LIKE, keypoints=[matched_number], pipeline=PIPELINE)[0]
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(match["picture"]))), patch)
    assert match["texts"][-1] == f"distance {first['distance']:.2f}, ratio {first['ratio']:.2f}"
    neighbours = bench.keypoints.nearest(QUERY, keypoint=number, pipeline=PIPELINE)
    assert [figure["score"] for figure in panel.patch.strip.figures] == [
        f"{d:.2f}" for d in neighbours["distance"]
    ]
    assert QUERY not in [figure["name"].partition(",")[0] for figure in panel.patch.strip.figures]
    panel.view._handle_custom_msg({"pick": [1, matched_number]}, [])
    settled(session)
    assert panel.view.held == [1, matched_number]
    assert panel.patch.lines.lines[0]["text"] == f"Keypoint {matched_number + 1} of the result"
    panel.view._handle_custom_msg(
        {"point": [0, 0]}, []
    )  # the pointer passes another keypoint on its way to the strip
    settled(session)
    assert panel.patch.place == [1, matched_number]
    panel.view._handle_custom_msg({"pick": NOWHERE}, [])
    assert panel.view.held == NOWHERE


def test_similar_patch_opens_its_image(panel: LocalMatches, session: Session) -> None:
    panel.pick([0, 3])
    settled(session)
    chosen = panel.patch.strip.figures[1]["id"]
    neighbour = dict(zip(("image_id", "keypoint"), json.loads(chosen), strict=True))
    panel.patch.strip._handle_custom_msg({"pick": chosen}, [])
    settled(session)
    assert session.image == neighbour["image_id"] == panel.view.sides[1]["name"]
    assert panel.view.held == [1, neighbour["keypoint"]]
    assert panel.patch.place == [1, neighbour["keypoint"]]


def test_keypoint_without_match_or_picture_is_described(panel: LocalMatches, session: Session) -> None:
    matched = set(panel.match.table["query_keypoint"])  # type: ignore[union-attr]
    unmatched = next(n for n in range(panel.view.counts[0]) if n not in matched)
    panel.pick([0, unmatched])
    settled(session)
    assert panel.patch.patches.rows[0][1]["texts"][0] == "no match"
    panel.patch.look([1, 10**6])
    settled(session)
    assert panel.patch.place == [0, unmatched]


def test_shared_words_are_listed_and_located(panel: LocalMatches, bench: Bench) -> None:
    match = bench.match(QUERY, LIKE, pipeline=PIPELINE)
    assert [int(row["id"]) for row in panel.words.rows] == match.words["word"].head(100).to_list()
    total = match.words["contribution"].sum()
    explanation = bench.explain(QUERY, LIKE, pipeline=PIPELINE)
    assert total == pytest.approx(explanation.score, abs=1e-4)
    assert f"add up to {total:.3f}" in panel.words_lines.lines[0]["text"]
    row = panel.words.rows[0]
    panel.words._handle_custom_msg({"pick": row["id"]}, [])
    assert [len(side) for side in panel.view.lit] == [
        int(row["cells"]["in_query"]),
        int(row["cells"]["in_image"]),
    ]
    assert panel.words.chosen == [row["id"]]
    panel.words._handle_custom_msg({"pick": row["id"]}, [])
    assert panel.view.lit == [[], []] and panel.words.chosen == []


def test_effect_of_verification_on_the_ranking_is_shown(
    panel: LocalMatches, session: Session, bench: Bench
) -> None:
    effect = panel.effect
    without = bench.search(QUERY, pipeline=PIPELINE, k=None)
    verified = bench.search(QUERY, pipeline=f"{PIPELINE}/sv:100", k=None)
    assert [row["id"] for row in effect.table.rows] == verified["image_id"].head(30).to_list()
    ranks = dict(zip(without["image_id"], without["rank"], strict=True))
    assert [int(row["cells"]["before"]) for row in effect.table.rows] == [
        ranks[row["id"]] for row in effect.table.rows
    ]
    counted = {row["id"]: row["cells"]["inliers"] for row in effect.table.rows}
    assert (
        counted[LIKE] == f"{bench.match(QUERY, LIKE, pipeline=PIPELINE).inliers:,}" and counted[OTHER] == ""
    )
    count = int((inliers(verified) > 0).sum())
    assert effect.lines.lines[0]["text"].startswith(f"{count} of the first {len(verified)} verified.")
    assert effect.table.chosen == [LIKE]
    effect.first._handle_custom_msg({"slider": 0, "at": 0}, [])
    settled(session)
    assert effect.lines.lines[0]["text"].split(" verified")[0].endswith("of the first 10")
    effect.table._handle_custom_msg({"pick": OTHER}, [])
    settled(session)
    assert session.image == OTHER and effect.table.chosen == [OTHER]


def test_other_local_features_and_pipelines_of_maps_are_matched(
    panel: LocalMatches, session: Session
) -> None:
    before = panel.view.pairs
    panel.features.value = "hardnet:mine"
    settled(session)
    assert "keypoints of hardnet:mine" in panel.lines.lines[1]["text"]
    assert panel.view.pairs != before and panel.words.rows
    panel.features.value = ""
    session.pipeline = "efficientnet_lite0/max/whole"
    settled(session)
    assert panel.view.pairs == before  # SIFT is used if the pipeline names no local features
    assert panel.words.rows == [] and "bag of words" in panel.words_lines.lines[0]["text"]
    assert panel.effect.lines.lines[1]["text"].endswith("→  efficientnet_lite0/max/whole/sv:100")
    panel.features.value = "hardnet:mine"
    settled(session)
    assert panel.effect.lines.lines[1]["text"].endswith("/sv:100:mine")


def test_missing_features_are_reported_as_hints(panel: LocalMatches, session: Session) -> None:
    panel.features.options = [*panel.features.options, ("gone", "hardnet:gone")]
    panel.features.value = "hardnet:gone"
    settled(session)
    assert panel.lines.lines[0]["text"].startswith("HardNet's weights are missing here")
    assert panel.body.layout.display == "none"
    panel.features.value = ""
    settled(session)
    assert panel.body.layout.display is None


@pytest.mark.parametrize(
    ("pipeline", "features", "matching", "without", "verified"),
    [
        ("sift/bow:64/whole", "", "sift/bow:64/whole", "sift/bow:64/whole", "sift/bow:64/whole/sv:7"),
        (
            "sift/bow:64/whole/he:24/sv:50",
            "hardnet:mine",
            "hardnet:mine/bow:64/whole",
            "sift/bow:64/whole/he:24",
            "sift/bow:64/whole/he:24/sv:7",
        ),
        (
            "alexnet/max/whole/ivf:16/nojunk/sv:20/aqe:5",
            "hardnet",
            "alexnet/max/whole/sv:1:hardnet",
            "alexnet/max/whole/ivf:16",
            "alexnet/max/whole/ivf:16/sv:7:hardnet",
        ),
        (
            "alexnet/max/whole/sv:20:mine",
            "",
            "alexnet/max/whole/sv:20:mine",
            "alexnet/max/whole",
            "alexnet/max/whole/sv:7:mine",
        ),
        (
            "alexnet/max/whole",
            "disk+lightglue",
            "alexnet/max/whole/sv:1:disk+lightglue",
            "alexnet/max/whole",
            "alexnet/max/whole/sv:7:disk+lightglue",
        ),
        (
            "sift/bow:64/whole",
            "aliked+lightglue",
            "aliked/bow:64/whole/sv:1:lightglue",
            "sift/bow:64/whole",
            "sift/bow:64/whole/sv:7",
        ),
        (
            "aliked/bow:64/whole/sv:3:lightglue",
            "",
            "aliked/bow:64/whole/sv:3:lightglue",
            "aliked/bow:64/whole",
            "aliked/bow:64/whole/sv:7:lightglue",
        ),
        (
            "alexnet/max/whole/nojunk/aqe:3",
            "",
            "alexnet/max/whole/nojunk/aqe:3",
            "alexnet/max/whole/nojunk/aqe:3",
            "alexnet/max/whole/nojunk/aqe:3/sv:7",
        ),
    ],
)
def test_compared_pipelines_are_recognised(
    pipeline: str, features: str, matching: str, without: str, verified: str
) -> None:
    assert with_features(pipeline, features) == matching
    assert features_of(Config.parse(matching)) == (features or features_of(Config.parse(pipeline)))
    assert with_and_without(pipeline, features, 7) == (without, verified)


def test_folded_panel_computes_nothing(bench: Bench, tmp_path: Path) -> None:
    folder = bench.collection.path(QUERY).parents[1]
    new_bench = workbench.open(folder, labels="folders", cache=tmp_path, size=128)
    session = Session(new_bench, pipeline="efficientnet_lite0/max/whole")
    panel = LocalMatches(session)
    panel.widget.layout.display = "none"
    session.refresh()
    settled(session)
    assert panel.match is None and panel.view.pictures == []
    assert not (tmp_path / "local").exists()
    panel.widget.layout.display = ""
    settled(session)
    assert panel.match is not None and (tmp_path / "local").exists()


def test_hundreds_of_changes_add_no_widgets(panel: LocalMatches, session: Session) -> None:
    panel.pick([0, 0])
    settled(session)
    before = live_widgets()
    for image in session.bench.collection.images[:8]:
        session.image = image
        settled(session)
        panel.pick([0, 1])
        settled(session)
    assert live_widgets() == before


def test_panel_without_a_ranking_shows_a_hint(cache: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "one.png")
    session = Session(workbench.open(tmp_path, cache=cache, size=64), pipeline=PIPELINE)
    panel = LocalMatches(session)
    assert panel.lines.lines[0]["text"] == WAITING and panel.body.layout.display == "none"
    session.refresh()
    assert session.wait(60)
    assert panel.lines.lines[0]["text"] == NOTHING


def test_inliers_are_shown_in_the_explanation(session: Session, bench: Bench) -> None:
    panel = Explanation(session)
    session.pipeline = "efficientnet_lite0/max/rmac:2"
    session.choose(QUERY)
    session.image = LIKE
    settled(session)
    assert panel.inliers.links.links == [] and panel.inliers.text.lines == []
    panel.inliers.switch.value = True
    settled(session)
    match = bench.match(QUERY, LIKE, pipeline="sift/bow:256/whole")
    assert len(panel.inliers.links.links) == int(match.table["inlier"].sum())
    words = f"{match.inliers} inliers of {len(match.table)} matches, by keypoints of sift"
    assert panel.inliers.text.lines[0]["text"] == words
    first = match.table[match.table["inlier"]].iloc[0]
    assert panel.inliers.links.links[0]["start"] == pytest.approx(
        match.query.places[int(first["query_keypoint"])]
    )
    assert panel.inliers.links.links[0]["end"] == pytest.approx(
        match.image.places[int(first["image_keypoint"])]
    )
    session.image = "empty/tiny.png"
    settled(session)
    assert panel.inliers.links.links == []
    assert panel.inliers.text.lines[0]["text"].startswith("not verified: no keypoints in the image")
    session.image = LIKE
    settled(session)
    panel.inliers.switch.value = False
    settled(session)
    assert panel.inliers.links.links == [] and panel.inliers.text.lines == []


def test_pictures_with_their_matches_can_be_downloaded(panel: LocalMatches) -> None:
    assert panel.download.files == ["Pictures and matches (PNG)"]
    assert panel.match is not None
    name, content = model.files(panel.match, "sift")["Pictures and matches (PNG)"]()
    assert name == f"{QUERY} and {LIKE}.png"
    assert content.startswith(b"\x89PNG")
