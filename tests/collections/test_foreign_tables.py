"""Tables of labels as other programs and systems write them."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from workbench.collections.labels import open_csv
from workbench.config.errors import WorkbenchError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "img").mkdir()
    for name in ("img/a0.jpg", "img/a1.jpg", unicodedata.normalize("NFC", "img/café.JPG")):
        Image.new("RGB", (32, 24)).save(tmp_path / name, "JPEG")
    return tmp_path


def opened(root: Path, text: str | bytes) -> dict[str, str]:
    """The labels of a table."""
    content = text.encode() if isinstance(text, str) else text
    (root / "labels.csv").write_bytes(content)
    collection = open_csv(root / "labels.csv")
    assert collection.problems == ()
    return dict(collection.labels)


EXPECTED = {"img/a0.jpg": "Paris", "img/a1.jpg": "Paris"}


@pytest.mark.parametrize(
    "text",
    [
        'path,label\nimg/a0.jpg, "Paris"\nimg/a1.jpg,Paris\n',
        'path, label\n"img/a0.jpg", "Paris"\n"img/a1.jpg" ,"Paris"\n'.replace('" ,', '",'),
        "path,label\r\nimg\\a0.jpg,Paris\r\nimg\\a1.jpg,Paris\r\n",
        "path,label\rimg/a0.jpg,Paris\rimg/a1.jpg,Paris\r",
        "\ufeffpath,label\nimg/a0.jpg,Paris\nimg/a1.jpg,Paris\n",
        '\ufeff"path","label"\nimg/a0.jpg,Paris\nimg/a1.jpg,Paris\n',
        "\n\npath,label\n\nimg/a0.jpg,Paris\n   \nimg/a1.jpg,Paris\n,\n , \n",
        "Path,LABEL,split\n./img/a0.jpg,Paris,\nimg//a1.jpg,Paris,\nimg/../img/a1.jpg,Paris,\n",
        "path,label\nIMG/A0.JPG,Paris\nimg/a1.JPG,Paris\nimg/a1.jpg,Paris\n",
        ".\\img\\a0.jpg,Paris\nx\\..\\img\\a1.jpg,Paris\n".join(["path,label\n", ""]),
    ],
)
def test_a_table_is_read_as_it_is_meant(root: Path, text: str) -> None:
    assert opened(root, text) == EXPECTED


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_both_unicode_forms_are_found(root: Path, form: str) -> None:
    name = unicodedata.normalize(form, "img/café.jpg")  # type: ignore[arg-type]
    labels = opened(root, f"path,label\n{name},x\nimg/a0.jpg,x\n")
    assert labels == {unicodedata.normalize("NFC", "img/café.JPG"): "x", "img/a0.jpg": "x"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("path;label\nimg/a0.jpg;Paris\n", "by commas, not by semicolons"),
        ("path\tlabel\nimg/a0.jpg\tParis\n", "by commas, not by semicolons or tabs"),
        ("sep=;\npath;label\n", "by commas, not by semicolons"),
        ("path,label\nimg/a0.jpg;Paris\n", "line 2: .*by commas, not by semicolons"),
        ("path,label\nimg/a0.jpg,Paris\n".encode("utf-16"), "is not UTF-8 but UTF-16"),
        ("path,label\nimg/a0.jpg,Paris\n".encode("utf-16-le"), "is not UTF-8 but UTF-16"),
        ("path,label\nimg/é.jpg,Paris\n".encode("latin-1"), "is not UTF-8 but Latin-1"),
        ("path,label\n~nosuchuser/a.jpg,Paris\n", "the file is missing"),
        (f"path,label\n{'a' * 300}.jpg,Paris\n", "File name too long"),
        ("path,label\nimg,Paris\n", "cannot be opened|not a file"),
    ],
)
def test_what_cannot_be_meant_is_said(root: Path, content: str | bytes, complaint: str) -> None:
    with pytest.raises(WorkbenchError, match=complaint):
        opened(root, content)


def test_a_lone_or_unreadable_positive_is_said(root: Path) -> None:
    (root / "img" / "bad.jpg").write_bytes(b"no image")
    (root / "labels.csv").write_text(
        "path,label,split\nimg/a0.jpg,cat,both\nimg/lost.jpg,cat,both\n"
        "img/a1.jpg,dog,query\nimg/bad.jpg,dog,database\nimg/a1.jpg,bird,both\nimg/lost.jpg,fish,both\n"
    )
    collection = open_csv(root / "labels.csv")
    assert dict(collection.unjudged) == {
        "img/lost.jpg": "its image cannot be read: the file is missing",
        "img/a0.jpg": "the other image of its label cannot be read",
        "img/a1.jpg#2": "the only image of its label",
    }
    assert [query.id for query in collection.queries] == ["img/a1.jpg"]
    assert collection.unread_positives == {"img/a1.jpg": 1}


CELLS = st.one_of(
    st.sampled_from(
        ["img/a0.jpg", "img\\a1.jpg", "Paris", "", " ", '"', "query", "database", "1", "nan", "9e99"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=12),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["path", "label", "split", "x0", "y0", "x1", "y1", "note"]), max_size=8),
    st.lists(st.lists(CELLS, max_size=8), max_size=6),
    st.sampled_from([",", ", ", ";", "\t"]),
)
@example(["path", "label"], [["img/a0.jpg", "Paris"], ["img\\a1.jpg", "Paris"]], ", ")
def test_any_table_opens_or_gives_a_sentence(
    root: Path, header: list[str], rows: list[list[str]], separator: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator[0])
    for row in [header, *rows]:
        writer.writerow(row)
    (root / "labels.csv").write_text(text.getvalue().replace(separator[0], separator), encoding="utf-8")
    try:
        collection = open_csv(root / "labels.csv")
    except WorkbenchError as error:
        assert "\n" not in str(error)
    else:
        assert all(query.image in collection.members for query in collection.queries)
        assert not {query.id for query in collection.queries} & collection.unjudged.keys()
