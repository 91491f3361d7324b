"""Every number on screen belongs to the question on screen: outdated ones are dimmed or blank at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as W
import pytest

from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.panels import Session, layout
from workbench.panels.results.panel import Results
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.tabs import Tabs

PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"
OTHER = "efficientnet_lite0/mean/rmac:2/pcaw:16"
# The traits with the answers of each widget: numbers, and pictures with them.
CONTENT = (
    *("lines", "rows", "figures", "values", "texts", "sides", "links", "steps"),
    *("note", "heat", "rgb", "codes", "inside", "points", "columns"),
)
LIVE = ("wb-messages", "wb-configuration", "wb-history", "wb-training", "wb-proposals")


@pytest.fixture(scope="module")
def bench(bench24: Bench) -> Bench:
    return bench24


@pytest.fixture(scope="module")
def shown(bench: Bench) -> Iterator[tuple[Session, W.Widget]]:
    """The whole workbench with every panel open and filled."""
    session = Session(bench, pipeline=PIPELINE)
    panel = layout.show(bench, session)
    for tabs in [w for w in widgets(panel) if isinstance(w, Tabs)]:
        for number in range(len(tabs.titles)):
            tabs.selected = number
    for page in (w for w in widgets(panel) if "wb-page" in w._dom_classes):
        page.children[0].layout.display = None  # as if all tabs were open at once
    settled(session)
    session.compare(PIPELINE, OTHER)
    buttons = [w for w in widgets(panel) if isinstance(w, W.ToggleButton | FieldButton)]
    next(w for w in buttons if w.description == "Inliers").value = True
    tradeoff = next(w for w in widgets(panel) if getattr(w, "label", "") == "Indexes")
    tradeoff.chosen = ["exact", "lsh:256"]
    for button in buttons:
        if button.description == "Measure":  # of the indexes, and of the budget of a phone
            button.click()
    settled(session)
    yield session, panel
    session.cancel()
    assert session.wait(120)


def widgets(part: W.Widget, live: bool = False) -> Iterator[W.Widget]:
    """The widgets of a panel; ``live``: without the regions whose texts are not about the question."""
    if live and set(part._dom_classes) & set(LIVE):
        return
    yield part
    for child in getattr(part, "children", ()):
        yield from widgets(child, live)


def content(widget: W.Widget) -> dict[str, Any]:
    return {name: getattr(widget, name) for name in CONTENT if widget.has_trait(name)}


def another_query(session: Session) -> None:
    session.choose(next(name for name in session.queries if name != session.query))


def crop(session: Session) -> None:
    session.box = (5, 5, 70, 60)


def judge(session: Session) -> None:
    session.judge_result(session.ranking["image_id"].iloc[-1], 1)


def method(session: Session) -> None:
    session.judge_result(session.ranking["image_id"].iloc[5], -1)
    settled(session)
    session.feedback_method = "svm" if session.feedback_method == "rocchio" else "rocchio"


def add_query(session: Session) -> None:
    session.also = (session.ranking["image_id"].iloc[-2],)


def pipeline(session: Session) -> None:
    session.pipeline = OTHER if session.pipeline == PIPELINE else PIPELINE


@pytest.mark.parametrize("change", [another_query, crop, judge, method, add_query, pipeline])
def test_what_a_change_makes_outdated_is_dimmed_at_once(
    shown: tuple[Session, W.Widget], change: Callable[[Session], None]
) -> None:
    session, panel = shown
    another_query(session)
    settled(session)
    change(session)
    everything = list(widgets(panel, live=True))
    before = [(content(w), getattr(w, "stale", False)) for w in everything]
    settled(session)
    undimmed = {
        f"{type(w).__name__} {getattr(w, 'label', '')} {name}: {old!r:.80} -> {content(w)[name]!r:.80}"
        for w, (contents, stale) in zip(everything, before, strict=True)
        for name, old in contents.items()
        if not stale and old != content(w)[name] and not blank(old) and not added(old, content(w)[name])
    }
    assert not undimmed
    if change is not pipeline:  # indexes stay measured for the pipeline before
        assert not [w for w in everything if getattr(w, "stale", False)]


def added(old: Any, new: Any) -> bool:
    """Whether the old lines stay and others were added."""
    return isinstance(old, list) and all(entry in new for entry in old)


def blank(value: Any) -> bool:
    """Whether there is nothing to misread: no content, or lines with a dash in place of a number."""
    texts = [entry.get("text", "") for entry in value] if isinstance(value, list) else []
    return not value or any(text.endswith("–") or "…" in text for text in texts if isinstance(text, str))


def test_ap_on_screen_is_that_of_the_ranking(bench: Bench) -> None:
    """For each query as evaluated it is the AP of the evaluation; a crop or feedback gets its own."""
    session = Session(bench, pipeline=PIPELINE)
    results = Results(session)
    session.refresh()
    settled(session)
    evaluated = bench.evaluate(PIPELINE).per_query.set_index("query")["ap"]
    for query in list(session.queries)[1:6]:
        session.choose(query)
        assert "AP of this query –" in texts(results)
        settled(session)
        assert f"AP of this query {100 * evaluated[query]:.1f}" in texts(results)
    session.box = (0, 0, 40, 30)
    assert "AP of this query –" in texts(results)
    settled(session)
    ap = bench.search(session.query, pipeline=PIPELINE, box=session.box).attrs["ap"]
    assert f"AP of this query {100 * ap:.1f}, with the crop drawn here" in texts(results)


def texts(results: Results) -> list[str]:
    return [line["text"] for line in results.numbers.lines]


def test_ap_of_a_ranking_is_that_of_the_evaluation(bench: Bench) -> None:
    evaluated = bench.evaluate(PIPELINE).per_query.set_index("query")["ap"]
    for query in bench.collection.queries:
        ranking = bench.search(query.id, pipeline=PIPELINE, k=1)
        assert ranking.attrs["ap"] == pytest.approx(evaluated[query.id], abs=1e-12)


def test_picture_without_ground_truth_has_no_ap(bench: Bench) -> None:
    assert "ap" not in bench.search(bench.picture(bench.collection.images[0]), pipeline=PIPELINE).attrs
