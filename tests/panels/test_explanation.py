"""The explanation panel without a browser, on a bench of generated images."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import workbench
from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.explain.sums import THIRDS
from workbench.panels.explanation.files import files
from workbench.panels.explanation.panel import NOTHING, WAITING, Explanation
from workbench.panels.score_explanation import SET_ASIDE, Request
from workbench.panels.session import Session

PIPELINE = "efficientnet_lite0/max/rmac:2"
SUMS = "Sums by region (CSV)"
NAUGHTY = "kind 1/<img src=x onerror=alert(1)>.jpg"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Three kinds of noise, similar enough that rankings contain images of a wrong kind."""
    root = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(3)
    common = noise.integers(0, 255, (6, 8, 3))
    for label in range(3):
        (root / f"kind {label}").mkdir()
        ground = 0.8 * common + 0.2 * noise.integers(0, 255, (6, 8, 3))
        for number in range(5):
            pixels = np.clip(ground + noise.normal(0, 50, ground.shape), 0, 255).astype(np.uint8)
            name = Path(NAUGHTY).name if (label, number) == (1, 0) else f"{number}.jpg"
            Image.fromarray(pixels).resize((96, 72)).save(root / f"kind {label}" / name)
    return workbench.open(root, labels="folders", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def panel(session: Session) -> Explanation:
    explanation = Explanation(session)
    session.refresh()
    settled(session)
    return explanation


def relevant(session: Session, relevance: str) -> list[str]:
    ranking = session.ranking
    return list(ranking[ranking["relevance"] == relevance]["image_id"])


def heat(view: object) -> np.ndarray:
    return np.frombuffer(view.heat, np.float32).reshape(view.shape)  # type: ignore[attr-defined]


def test_query_and_first_result_share_one_scale(panel: Explanation, session: Session) -> None:
    query, image = panel.views[:2]
    ranking = session.ranking
    first = ranking[ranking["relevance"] != "query"].iloc[0]
    assert (query.name, image.name) == (session.query, first["image_id"])
    assert query.signed and query.top == image.top == panel.scale.top
    assert query.top == pytest.approx(max(np.abs(heat(query)).max(), np.abs(heat(image)).max()))
    for view in (query, image):
        assert heat(view).sum() == pytest.approx(first["score"], abs=1e-4)
        assert view.picture.startswith(b"\xff\xd8")
    assert panel.lines.lines[0]["text"] == f"Score {first['score']:.3f}"
    assert panel.views[2].layout.display == "none"
    assert f"rank {first['rank']} · score {first['score']:.3f}" in image.note


def shown(text: str) -> float:
    return float(text.replace("−", "-"))


def test_parts_on_screen_add_up_to_the_score(panel: Explanation, session: Session, bench: Bench) -> None:
    why = bench.explain(session.query, panel.views[1].name, pipeline=PIPELINE)
    for bars, side in zip(panel.bars[:2], ("query", "image"), strict=True):
        whole = shown(bars.rest[-1]["value"])
        assert whole == pytest.approx(why.score, abs=1e-4)
        first, others = bars.bars[: bars.shown], bars.bars[bars.shown :]
        values = [shown(bar["value"]) for bar in first]
        rest = [shown(bar["value"]) for bar in bars.rest[:-1]]
        hidden = shown(bars.others.get("value", "0"))
        total = sum(values) + hidden + sum(rest)
        assert total == pytest.approx(whole, abs=1e-9)  # as shown, to the last digit
        assert sum(shown(bar["value"]) for bar in others) == pytest.approx(hidden, abs=1.01e-4)
        assert sum(shown(bar["value"]) for bar in bars.levels) == pytest.approx(whole, abs=1e-4)
        assert [bar["text"] for bar in bars.levels] == ["level 1", "level 2"]
        regions = why.by_region(side)
        assert values == pytest.approx(regions["contribution"][: bars.shown].to_list(), abs=1e-4)
        np.testing.assert_allclose([bar["boxes"][0] for bar in bars.bars], regions[["x0", "y0", "x1", "y1"]])
    pairs = [shown(bar["value"]) for bar in panel.pairs.bars]
    assert pairs == pytest.approx(why.region_pairs["contribution"][: len(pairs)].to_list(), abs=1e-4)
    together = sum(pairs) + shown(panel.pairs.others.get("value", "0"))
    assert together == pytest.approx(shown(panel.pairs.rest[-1]["value"]), abs=1e-9)


def test_no_coordinates_are_written(panel: Explanation) -> None:
    bars = [bar for part in (*panel.bars[:2], panel.pairs) for bar in part.bars]
    assert bars and all(len(box) == 4 for bar in bars for box in bar["boxes"])
    names = "(whole map|level [12]), region [1-9]"
    for bar in bars:
        assert re.fullmatch(f"{names}( – {names})?", bar["text"])


def test_pointing_at_a_bar_lights_its_region_and_its_partner(
    panel: Explanation, session: Session, bench: Bench
) -> None:
    why = bench.explain(session.query, panel.views[1].name, pipeline=PIPELINE)
    query, image = panel.bars[:2]
    for number in (0, 4):
        query._handle_custom_msg({"point": f"0:{number}"}, [])
        assert panel.views[0].marked == number and query.marked == panel.links.marked == f"0:{number}"
        # The partner is the region of the strongest pair.
        region = why.by_region()["region"][number]
        pairs = why.region_pairs[why.region_pairs["query_region"] == region]
        box = why.image_regions[pairs["image_region"].iloc[0]]
        assert panel.views[1].regions[panel.views[1].marked]["box"] == pytest.approx(box)
        assert image.marked == f"1:{panel.views[1].marked}"
        assert any(f"0:{number}" in link["parts"] for link in panel.links.links)
    query._handle_custom_msg({"point": ""}, [])
    assert {view.marked for view in panel.views} == {-1} and panel.links.marked == query.marked == ""
    panel.pairs._handle_custom_msg({"point": "pair:3"}, [])
    pair = panel.pairs.bars[3]["boxes"]
    for view, box in zip(panel.views, pair, strict=False):
        assert view.regions[view.marked]["box"] == pytest.approx(box)
    assert sum("pair:3" in link["parts"] for link in panel.links.links) == 1
    query._handle_custom_msg({"point": "0:99"}, [])  # of bars that are no longer shown
    assert panel.links.marked == "pair:3"


def test_picked_region_stays_lit(panel: Explanation) -> None:
    panel.bars[0]._handle_custom_msg({"pick": "0:2"}, [])
    assert panel.views[0].marked == 2
    panel.views[1]._handle_custom_msg({"hover": 0}, [])  # pointing at another region lights it temporarily
    assert panel.views[1].marked == 0 and panel.bars[1].marked == "1:0"
    panel.views[1]._handle_custom_msg({"hover": -1}, [])
    assert panel.views[0].marked == 2 and panel.bars[0].marked == "0:2"
    panel.views[0]._handle_custom_msg({"pick": 2}, [])  # a second click releases the region
    assert {view.marked for view in panel.views} == {-1} and panel.bars[0].marked == ""


def test_clicked_or_named_result_is_explained(panel: Explanation, session: Session) -> None:
    session.image = NAUGHTY
    settled(session)
    assert (panel.views[1].name, panel.image.value) == (NAUGHTY, NAUGHTY)
    last = session.ranking["image_id"].iloc[-1]
    panel.image.value = last
    settled(session)
    assert session.image == panel.views[1].name == last


def test_any_two_images_can_be_explained(panel: Explanation, session: Session, bench: Bench) -> None:
    panel.query.value, panel.image.value = "kind 2/1.jpg", NAUGHTY
    settled(session)
    assert (panel.views[0].name, panel.views[1].name) == ("kind 2/1.jpg", NAUGHTY)
    explanation = bench.explain("kind 2/1.jpg", NAUGHTY, pipeline=PIPELINE)
    np.testing.assert_allclose(heat(panel.views[0]), explanation.query_heatmap, atol=1e-6)
    assert "rank" not in panel.views[1].note  # the ranking belongs to another query
    assert panel.contrast.disabled


def test_negative_is_compared_with_the_first_true_positive(
    panel: Explanation, session: Session, bench: Bench
) -> None:
    wrong, right = relevant(session, "negative")[0], relevant(session, "positive")[0]
    session.image = wrong
    settled(session)
    assert not panel.contrast.disabled and right in panel.against.lines[0]["text"]
    panel.contrast.value = True
    settled(session)
    scores = session.ranking.set_index("image_id")["score"]
    a, b = sorted([wrong, right], key=lambda image: -scores[image])
    assert [view.name for view in panel.views] == [session.query, f"A · {a}", f"B · {b}"]
    assert heat(panel.views[0]).sum() == pytest.approx(scores[a] - scores[b], abs=1e-4)
    for view, image in zip(panel.views[1:], (a, b), strict=True):
        assert heat(view).sum() == pytest.approx(scores[image], abs=1e-4)
    wholes = [bars.rest[-1] for bars in panel.bars]
    assert [whole["text"] for whole in wholes] == ["A − B", "score", "score"]
    expected = [scores[a] - scores[b], scores[a], scores[b]]
    assert [shown(whole["value"]) for whole in wholes] == pytest.approx(expected, abs=1e-4)
    assert panel.pairs.bars == []
    assert {link["view"] for link in panel.links.links} == {1, 2}
    panel.contrast.value = False
    settled(session)
    assert panel.views[2].layout.display == "none" and panel.views[2].picture == b""


def test_explanation_follows_the_box_and_the_pipeline(
    panel: Explanation, session: Session, bench: Bench
) -> None:
    session.box = (0.0, 0.0, 48.0, 72.0)
    assert panel.views[0].stale
    settled(session)
    image = panel.views[1].name
    expected = bench.explain(session.query, image, pipeline=PIPELINE, box=session.box)
    np.testing.assert_allclose(heat(panel.views[0]), expected.query_heatmap, atol=1e-6)
    assert not panel.views[0].stale
    session.pipeline = "efficientnet_lite0/mean/whole"
    settled(session)
    bars = panel.bars[0]
    assert {bar["text"].partition(",")[0] for bar in bars.bars} <= set(
        THIRDS
    ) and bars.level_title == "By third"
    shares = [float(bar["share"].rstrip(" %").replace("−", "-")) for bar in bars.bars]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert len(panel.views[1].regions) == len(panel.bars[1].bars) and panel.links.links == []
    assert panel.pairs.bars == []


def test_explanation_ignores_feedback_and_reports_it(panel: Explanation, session: Session) -> None:
    assert SET_ASIDE not in [entry["text"] for entry in panel.lines.lines]
    session.judge_result(relevant(session, "positive")[0], 1)
    settled(session)
    assert SET_ASIDE in [entry["text"] for entry in panel.lines.lines]


def test_panel_without_a_ranking_shows_a_hint(bench: Bench) -> None:
    panel = Explanation(Session(bench, pipeline=PIPELINE))
    assert panel.lines.lines[0]["text"] == WAITING
    assert panel.body.layout.display == "none"


def test_collection_of_one_image_has_no_explanation(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "one.jpg")
    session = Session(workbench.open(tmp_path, cache=tmp_path / "cache"), pipeline=PIPELINE)
    panel = Explanation(session)
    session.refresh()
    settled(session)
    assert panel.lines.lines[0]["text"] == NOTHING


def test_missing_image_is_reported_and_the_panel_recovers(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Image.fromarray(noise.integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / name)
    session = Session(workbench.open(tmp_path, cache=tmp_path / "cache"), pipeline=PIPELINE)
    panel = Explanation(session)
    session.refresh()
    settled(session)
    (tmp_path / "c.jpg").unlink()
    session.image = "c.jpg"
    assert session.wait(120)
    assert session.failed and "c.jpg" in session.message and "Traceback" not in session.message
    session.image = "b.jpg"
    settled(session)
    assert panel.views[1].name == "b.jpg"


def test_pictures_under_their_heat_can_be_downloaded(
    panel: Explanation, session: Session, bench: Bench
) -> None:
    assert panel.download.files == ["Query (PNG)", "Result (PNG)", "Both (PNG)", SUMS]
    request, study = panel.request(), panel.study
    assert isinstance(request, Request) and study is not None
    made = {kind: make() for kind, make in files(bench, request, study).items()}
    name, content = made.pop(SUMS)
    assert name.startswith("sums of ") and name.endswith(".csv")
    table = pd.read_csv(BytesIO(content)).groupby("picture")
    scores = [side.total.whole for side in study.regions.sides]
    assert table["contribution"].sum()[["Query", "Result"]].to_list() == pytest.approx(scores, abs=1e-4)
    sizes = {}
    for kind, (_, content) in made.items():
        with Image.open(BytesIO(content)) as picture:
            sizes[kind] = picture.size
    assert sizes["Both (PNG)"][0] > sizes["Query (PNG)"][0]
    assert made["Both (PNG)"][0] == f"heat of {session.query} and {study.images[0]}.png"
    panel.contrast.value = True
    settled(session)
    if len(panel.study.images) == 2:  # type: ignore[union-attr]
        assert panel.download.files == ["Query (PNG)", "A (PNG)", "B (PNG)", "All three (PNG)", SUMS]
