"""Control characters of names are shown escaped, wherever text is shown."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

NAME = "a\x1b[31m\nb\u202egpj.jpg\x7f\x9b\udc80"
SHOWN = r"a\x1b[31m\nb\u202egpj.jpg\x7f\x9b\udc80"


def test_control_characters_are_escaped_as_in_a_literal() -> None:
    assert printable(NAME) == SHOWN
    assert printable("line\nline", keep="\n") == "line\nline"
    for text in ("plain", "café", "日本語", "שלום", "👩‍🍳", "می‌خواهم", "a b", "Ω"):
        assert printable(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_printed_has_no_control_character(text: str) -> None:
    shown = printable(text)
    assert {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"}.isdisjoint(
        {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    shown.encode()
    assert printable(shown) == shown


def test_an_error_is_one_line() -> None:
    assert str(WorkbenchError(f"image {NAME} is missing")) == f"image {SHOWN} is missing"


def test_tables_are_shown_escaped_and_keep_their_values() -> None:
    name = NAME.removesuffix("\udc80")  # pandas holds valid text only
    table = Table({"rank": [1, 2], "image_id": [name, "b.jpg"]})
    for shown in (repr(table), repr(table[["image_id"]].head(1)), str(table)):
        assert r"\x1b[31m" in shown and "\x1b" not in shown and "\u202e" not in shown
    html = table._repr_html_()
    assert html is not None and "\x1b" not in html and r"\x1b[31m" in html
    assert table["image_id"].tolist() == [name, "b.jpg"]
    assert isinstance(table.sort_values("rank"), Table) and len(repr(table).splitlines()) == 3
