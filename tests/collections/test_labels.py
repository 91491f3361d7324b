"""Tables of labelled images: splits, boxes, paths, and errors in a table."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from workbench.collections.collection import Collection, Query
from workbench.collections.labels import open_csv, open_table
from workbench.collections.protocols import PROTOCOLS
from workbench.config.errors import WorkbenchError


def pictures(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 24)).save(root / name)


def table(root: Path, text: str, encoding: str = "utf-8") -> Path:
    (root / "labels.csv").write_text(text, encoding=encoding)
    return root / "labels.csv"


def test_a_table_of_labels_gives_images_queries_and_relevance(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "in/b.jpg", "c, d.jpg", "e.jpg")
    text = (
        'path,label,photographer\na.jpg,cat,Ann\nin/b.jpg,cat,\n"c, d.jpg",dog,Bo\ne.jpg,,\nlost.jpg,cat,\n'
    )
    collection = open_csv(table(tmp_path, text, "utf-8-sig"))
    assert collection.name == "labels" and collection.root == tmp_path
    assert collection.images == ("a.jpg", "in/b.jpg", "c, d.jpg", "e.jpg")
    assert [q.id for q in collection.queries] == ["a.jpg", "in/b.jpg"]  # the only dog has no positive
    assert dict(collection.relevance["a.jpg"]) == {"in/b.jpg": "positive"}
    assert collection.protocol == PROTOCOLS["labels"]
    assert collection.problems == (("lost.jpg", "the file is missing"),)


def test_splits_and_query_boxes_are_read(tmp_path: Path) -> None:
    pictures(tmp_path, "q.jpg", "a.jpg", "b.jpg")
    text = (
        "path,label,split,x0,y0,x1,y1\n"
        "q.jpg,cat,query,1,2,20,20.5\nq.jpg,dog,query,5,5,30,20\nq.jpg,dog,query,5,5,30,20\n"
        "a.jpg,cat,database,,,,\nb.jpg,dog,database,,,,\nb.jpg,cat,database,,,,\n"
    )
    collection = open_csv(table(tmp_path, text))
    assert collection.images == ("a.jpg", "b.jpg")
    assert [(q.id, q.image, q.box) for q in collection.queries] == [
        ("q.jpg", "q.jpg", (1, 2, 20, 20.5)),
        ("q.jpg#2", "q.jpg", (5, 5, 30, 20)),  # a row that is given twice counts once
    ]
    assert dict(collection.relevance["q.jpg"]) == {"a.jpg": "positive", "b.jpg": "positive"}
    assert dict(collection.relevance["q.jpg#2"]) == {"b.jpg": "positive"}
    assert collection.protocol is not None and collection.protocol.crop_queries
    assert collection.labels["b.jpg"] == "dog, cat"


def test_query_ids_are_unique_for_any_file_names(tmp_path: Path) -> None:
    pictures(tmp_path, "q.jpg", "q.jpg#2.jpg", "z.jpg")
    os.rename(tmp_path / "q.jpg#2.jpg", tmp_path / "q.jpg#2")
    text = "path,label\nq.jpg#2,cat\nq.jpg,cat\nq.jpg,dog\nz.jpg,dog\n"
    assert [q.id for q in open_csv(table(tmp_path, text)).queries] == ["q.jpg#2", "q.jpg", "q.jpg#3", "z.jpg"]


def test_absolute_and_parent_paths_give_relative_ids(tmp_path: Path) -> None:
    pictures(tmp_path, "photos/a.jpg", "tables/b.jpg", "other/c.jpg")
    (tmp_path / "tables").mkdir(exist_ok=True)
    text = f"path,label\n{tmp_path / 'photos' / 'a.jpg'},cat\nb.jpg,cat\n../other/c.jpg,cat\n"
    collection = open_csv(table(tmp_path / "tables", text))
    assert collection.root == tmp_path
    assert collection.images == ("photos/a.jpg", "tables/b.jpg", "other/c.jpg")
    assert all(collection.path(image).is_file() for image in collection.images)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no column path"),
        ("path,label\n", "no rows"),
        ("path;label\na.jpg;cat\n", "separate the columns by commas"),
        ("path\na.jpg\n", "no column label"),
        ("path,label,label\na.jpg,cat,dog\n", "label twice"),
        ("path,label,x0,y0\na.jpg,cat,1,2\n", "a box has the columns x0,y0,x1,y1"),
        ("path,label\na.jpg,cat\na.jpg\n", "line 3: .*more or fewer values"),
        ("path,label\na.jpg,cat,dog\n", "line 2: .*more or fewer values"),
        ("path,label\n ,cat\n", "line 2: the path is empty"),
        ("path,label\na\0.jpg,cat\n", "line 2: the path is empty or not text"),
        ("path,label,split\na.jpg,cat,train\n", "line 2: split 'train' is not known"),
        ("path,label,split\na.jpg,,query\n", "line 2: a query needs a label"),
        ("path,label,split\na.jpg,cat,query\n", "no database image"),
        ("path,label,x0,y0,x1,y1\na.jpg,cat,1,2,,\n", "line 2: the box 1,2,, is not four numbers"),
        ("path,label,x0,y0,x1,y1\na.jpg,cat,9,2,3,4\n", "line 2: the box .* is empty"),
        ("path,label,x0,y0,x1,y1\na.jpg,cat,0,0,nan,4\n", "line 2: the box .* is empty"),
        (
            "path,label,split,x0,y0,x1,y1\na.jpg,b,query,99,0,120,9\na.jpg,b,both,,,,\n",
            "line 2: .*32x24 pixels",
        ),
        ('path,label\n"a.jpg,cat\n', "correct the quotes"),
        ("path,label\nlost.jpg,cat\n", "none of the 1 images"),
    ],
)
def test_an_invalid_table_is_refused_with_its_line_and_reason(
    tmp_path: Path, text: str, complaint: str
) -> None:
    pictures(tmp_path, "a.jpg")
    with pytest.raises(WorkbenchError, match=complaint):
        open_csv(table(tmp_path, text))


def test_a_missing_or_undecodable_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="does not exist"):
        open_csv(tmp_path / "labels.csv")
    with pytest.raises(WorkbenchError, match="not UTF-8"):
        open_csv(table(tmp_path, "path,label\ncafé.jpg,cat\n", "latin-1"))
    with pytest.raises(WorkbenchError, match="cannot be opened"):
        open_csv(tmp_path)


def test_a_data_frame_opens_as_its_csv_does(tmp_path: Path) -> None:
    pictures(tmp_path, "in/a.jpg", "in/b.jpg", "in/c, d.jpg")
    names = ["a.jpg", "b.jpg", "c, d.jpg"]
    frame = pd.DataFrame(
        {
            "path": [str(tmp_path / "in" / name) for name in names],
            "label": ["cat", "cat", None],
            "x0": [1.5, None, None],
            "y0": [2, None, None],
            "x1": [20, None, None],
            "y1": [20, None, None],
        }
    )
    frame.attrs["name"] = "learning"
    collection = open_table(frame)
    assert collection.name == "learning" and collection.root == tmp_path / "in"
    frame.to_csv(tmp_path / "in" / "learning.csv", index=False)
    from_file = open_csv(tmp_path / "in" / "learning.csv")
    assert (collection.images, collection.queries) == (from_file.images, from_file.queries)
    assert collection.images == tuple(names)
    assert [query.box for query in collection.queries] == [(1.5, 2, 20, 20), None]
    assert dict(collection.labels) == {"a.jpg": "cat", "b.jpg": "cat"}


def test_errors_in_a_data_frame_name_it(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="has no column label"):
        open_table(pd.DataFrame({"path": ["a.jpg"]}))
    with pytest.raises(WorkbenchError, match=r"table.*no rows"):
        open_table(pd.DataFrame({"path": [], "label": []}))


def test_label_table_labels_images_with_their_only_query(tmp_path: Path) -> None:
    pictures(tmp_path, "p.jpg", "q.jpg", "a.jpg", "b.jpg", "both.jpg", "junk.jpg")
    relevance = {
        "p": {"a.jpg": "easy", "both.jpg": "hard", "junk.jpg": "junk"},
        "q": {"both.jpg": "easy", "b.jpg": "hard", "junk.jpg": "easy"},
    }
    collection = Collection(
        "posters",
        tmp_path,
        ("a.jpg", "b.jpg", "both.jpg", "junk.jpg"),
        (Query("p", "p.jpg"), Query("q", "q.jpg")),
        relevance,
    )

    def rows(table: pd.DataFrame) -> list[tuple[str, str, str]]:
        return [(Path(path).name, label, split) for path, label, split in table.itertuples(index=False)]

    # both.jpg is relevant to two queries; junk is never a positive of the query it is junk for.
    assert rows(collection.label_table()) == [
        ("p.jpg", "p", "query"),
        ("a.jpg", "p", "database"),
        ("q.jpg", "q", "query"),
        ("b.jpg", "q", "database"),
        ("junk.jpg", "q", "database"),
    ]
    assert rows(collection.label_table(["q"], ["easy"])) == [
        ("q.jpg", "q", "query"),
        ("junk.jpg", "q", "database"),
    ]
    opened = open_table(collection.label_table())
    assert {query.id: dict(opened.relevance[query.id]) for query in opened.queries} == {
        "p.jpg": {"a.jpg": "positive"},
        "q.jpg": {"b.jpg": "positive", "junk.jpg": "positive"},
    }
    with pytest.raises(WorkbenchError, match="'z' is not a query"):
        collection.label_table(["z"])
