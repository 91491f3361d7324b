"""Collections of many images and queries: nothing is made or sent for each, and what is left out is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import traitlets as T
from hypothesis import given
from hypothesis import strategies as st

import workbench
from tests.support.pictures import folder_of
from workbench.collections.collection import Collection, Query
from workbench.panels import Session, ranking_depth
from workbench.panels.layout import query_panel
from workbench.panels.session_queries import SessionQueries, image_search
from workbench.panels.widgets.long_table import PAGE, LongTable
from workbench.panels.widgets.name_field import FEW, MATCHES, NameField
from workbench.panels.widgets.name_search import NameSearch

PIPELINE = "timm:test_resnet@random/mean/whole"


def search_in(*names: str) -> NameSearch:
    return NameSearch(names, frozenset(names))


def sent_by(widget: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that a widget sends from now on."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content))
    return sent


# The search


def test_best_matches_come_first() -> None:
    names = search_in("a/red car.jpg", "b/car.jpg", "car park/1.jpg", "CAR", "Scar.jpg", "bus.jpg")
    assert names.rows(" Car ", 10) == [3, 2, 1, 0, 4]
    assert names.rows("car", 2) == [3, 2]
    assert names.rows("tram", 10) == []
    assert names.rows("", 3) == [0, 1, 2]


@given(
    st.lists(st.text(st.characters(blacklist_characters="\0"), max_size=6), max_size=30), st.text(max_size=3)
)
def test_search_finds_what_a_look_at_each_name_does(names: list[str], text: str) -> None:
    part = text.strip().casefold().replace("\0", "")
    rows = NameSearch(names, names).rows(text, len(names))
    assert sorted(rows) == [row for row, name in enumerate(names) if part in name.casefold()]


def test_field_of_few_names_is_a_select_and_of_many_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    field = NameField("Image", [("the query", 0)])
    field.offer(search_in("a.jpg", "b\n.jpg"))
    assert field.options == [["the query", 0], ["a.jpg", "a.jpg"], ["b\\n.jpg", "b\n.jpg"]]
    assert (field.value, field.label, field.searched) == (0, "the query", False)
    field.value = "b\n.jpg"
    assert field.label == "b\\n.jpg"
    with pytest.raises(T.TraitError):
        field.value = "c.jpg"
    many = [f"{n}.jpg" for n in range(FEW + 1)]
    field.offer(search_in(*many))
    assert (field.value, field.searched, field.total) == (0, True, FEW + 1)
    assert field.options == [["the query", 0]]
    sent = sent_by(field, monkeypatch)
    field._handle_custom_msg({"search": ".jpg", "number": 4}, [])
    assert field.runner.wait(10)
    assert sent[-1]["number"] == 4 and sent[-1]["more"] and len(sent[-1]["matches"]) == MATCHES
    field._handle_custom_msg({"search": "200.", "number": 5}, [])
    assert field.runner.wait(10)
    assert sent[-1] == {"matches": [["200.jpg", "200.jpg"]], "more": False, "number": 5}
    field._handle_custom_msg({"choose": "200.jpg"}, [])
    assert field.value == "200.jpg"
    field._handle_custom_msg({"choose": "gone.jpg"}, [])  # no longer offered
    assert field.value == "200.jpg"


# The queries


def test_images_are_queries_without_an_object_each() -> None:
    names = tuple(f"{number}.jpg" for number in range(100_000))
    queries = SessionQueries(Collection("large", Path("/nowhere"), names))
    assert queries.names is names and len(queries) == 100_000
    assert queries["99999.jpg"] == Query("99999.jpg", "99999.jpg")
    assert (
        queries
        == SessionQueries(queries.collection)
        != SessionQueries(queries.collection, {"/a": Query("a", "a")})
    )
    with pytest.raises(KeyError):
        queries["100000.jpg"]


def test_added_files_come_first_and_are_searched_by_what_is_shown() -> None:
    collection = Collection("small", Path("/nowhere"), ("1.jpg", "2.jpg"), (Query("first", "elsewhere.jpg"),))
    added = "/cache/uploads/0a1b-Photo.jpg"
    queries = SessionQueries(collection, {added: Query(added, added)})
    assert list(queries) == [added, "first"]
    assert [queries.names[row] for row in queries.search.rows("photo", 5)] == [added]
    assert queries.search.rows("0a1b", 5) == []
    images = image_search(collection)
    assert "1.jpg" in images and "elsewhere.jpg" not in images


# The ranking


def test_ranking_of_a_large_collection_is_cut_and_that_is_said(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking_depth, "WHOLE", 10)
    monkeypatch.setattr(ranking_depth, "DEPTH", 5)
    bench = workbench.open(folder_of(tmp_path, 12, kinds=3), labels="folders", cache=cache, size=64)
    session = Session(bench, pipeline=PIPELINE)
    panel = query_panel(bench, session)
    assert session.wait(120) and not session.failed, session.message
    whole = bench.search(session.query, pipeline=PIPELINE, k=None)
    pd.testing.assert_frame_equal(session.ranking, whole.head(5), check_flags=False)
    assert session.ranking.attrs["ap"] == whole.attrs["ap"]
    texts = [line["text"] for widget in descendants(panel) for line in getattr(widget, "lines", [])]
    assert "the first 5 of 12 ranked images" in texts
    assert ranking_depth.absence(session.ranking) == "below rank 5"
    assert ranking_depth.absence(whole) == "not reached by the index"


def descendants(widget: Any) -> list[Any]:
    return [widget, *(part for child in getattr(widget, "children", ()) for part in descendants(child))]


# Tables


def test_long_table_sends_a_page_sorts_all_rows_and_shows_the_chosen_one() -> None:
    count = 100_000
    frame = pd.DataFrame({"query": [f"q{n}" for n in range(count)], "a": np.arange(count)[::-1] / count})
    table = LongTable()
    table.show(frame, lambda query, a: {"id": query, "cells": {"query": query}})
    assert (table.total, len(table.rows), table.rows[0]["id"]) == (count, PAGE, "q0")
    table._handle_custom_msg({"page": PAGE}, [])
    assert (table.first, table.rows[0]["id"]) == (PAGE, f"q{PAGE}")
    table._handle_custom_msg({"sort": {"key": "a", "down": False}}, [])
    assert (table.first, table.rows[0]["id"]) == (0, f"q{count - 1}")
    table.chosen = ["q99"]
    assert table.first == (count - 100) // PAGE * PAGE
    assert "q99" in [row["id"] for row in table.rows]
    table._handle_custom_msg({"page": count + 7}, [])
    assert table.rows[-1]["id"] == "q0"
    table.show(frame.head(3), lambda query, a: {"id": query, "cells": {"query": query}})
    assert (table.total, table.first, [row["id"] for row in table.rows]) == (0, 0, ["q0", "q1", "q2"])
