"""Panels with a pipeline of ``asmk``, which has neither maps nor vectors."""

from __future__ import annotations

import logging

import pytest

import workbench
from tests.support.things import folder_of_things
from workbench.bench.bench import Bench
from workbench.panels import Session
from workbench.panels.attention.model import KEYPOINTS
from workbench.panels.attention.panel import Attention
from workbench.panels.comparison.table import provenance
from workbench.panels.explanation.panel import Explanation
from workbench.panels.layout import ENTRIES
from workbench.panels.local_matches.panel import LocalMatches

PIPELINE = "sift/asmk:64/whole"
QUERY = "coffee/0.png"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = folder_of_things(tmp_path_factory.mktemp("things"), views=1)
    return workbench.open(folder, "folders", cache=tmp_path_factory.mktemp("cache"), size=160)


@pytest.fixture
def session(bench: Bench) -> Session:
    session = Session(bench, pipeline=PIPELINE)
    session.query = QUERY
    session.refresh()
    assert session.wait(120) and not session.failed, session.message
    assert session.ranking is not None and session.ranking["image_id"][0] == QUERY
    return session


@pytest.mark.parametrize("name", ENTRIES)
def test_a_panel_works_or_says_what_is_missing(
    session: Session, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        ENTRIES[name].build(session)
        assert session.wait(120)
    assert not [record for record in caplog.records if "unexpected" in record.getMessage()], session.message
    if session.failed:
        assert "no vector" in session.message or "no feature map" in session.message, session.message


def test_keypoints_explain_a_score_and_share_words(session: Session) -> None:
    attention, explanation, matches = Attention(session), Explanation(session), LocalMatches(session)
    session.image = "coffee/1.png"
    assert session.wait(120) and not session.failed, session.message
    assert attention.view.note == KEYPOINTS and explanation.rendered is not None
    match = session.bench.match(QUERY, "coffee/1.png", pipeline=PIPELINE)
    assert [int(row["id"]) for row in matches.words.rows] == match.words["word"].to_list()
    total = match.words["contribution"].sum()
    assert f"add up to {total:.3f}" in matches.words_lines.lines[0]["text"]
    word = match.words["word"][0]
    matches.mark_word(int(word))
    assert [len(side) for side in matches.view.lit] == [
        match.words["in_query"][0],
        match.words["in_image"][0],
    ]
    matches.pick([0, matches.view.lit[0][0]])
    assert session.wait(120) and not session.failed, session.message


def test_its_provenance_is_shown(session: Session) -> None:
    texts = [line["text"] for line in provenance(session.bench.evaluate(PIPELINE))]
    assert any("binary sums of residuals of " in text and "alpha 3, tau 0" in text for text in texts)
