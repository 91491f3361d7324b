"""The query language: every query can be written and read back, and errors point at the character."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.query.errors import LONGEST_LINE, QueryError
from workbench.query.part import KINDS, LONGEST, Part
from workbench.query.query import ARRANGEMENTS, LARGEST_WEIGHT, MOST_PARTS, Group, Leaf, Query

A, B, C = (Query.image(name) for name in "abc")

values = st.text(min_size=1, max_size=12).filter(lambda value: value.strip())
NAMES = (
    "p04", "all_souls_1", "IMG-001.jpg",
    "C:\\photos\\a.jpg", "\\\\server\\x y", "/a/b c.png", "Ägypten/é.jpg",
    "and", "left of", 'the "big" one', "it's", "c++.png", "[1].jpg", "(2)",
    "image:a", "0.5", "-x", "“q”", "日本",
)  # fmt: skip
names = values | st.sampled_from(NAMES)
coordinates = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
boxes = st.tuples(coordinates, coordinates, st.floats(1, 1e4), st.floats(1, 1e4)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
parts = st.builds(Part, st.sampled_from(KINDS), names) | st.builds(Part, st.just("image"), names, boxes)
weights = st.floats(-LARGEST_WEIGHT, LARGEST_WEIGHT) | st.sampled_from([0, 1, -1, 0.5, -0.3])
leaves = st.builds(Leaf, parts, weights)


@st.composite
def combined(draw: st.DrawFn, queries: st.SearchStrategy[Query]) -> Query:
    first, second = draw(queries), draw(queries)
    operator = draw(st.sampled_from(["+", "-", "&", "|", *ARRANGEMENTS]))
    match operator:
        case "+":
            return first + second
        case "&":
            return first & second
        case "|":
            return first | second
        case "-" if not any(operator in str(second) for operator in ARRANGEMENTS):
            return first - second
        case _:
            return getattr(first, "left_of" if operator == "-" else operator.replace(" ", "_"))(second)


queries = st.recursive(leaves, combined, max_leaves=10)


@given(queries)
def test_a_query_is_read_back_from_its_text(query: Query) -> None:
    assert Query.parse(str(query)) == query
    assert str(Query.parse(str(query))) == str(query)


@given(queries, st.data())
def test_changing_one_part_leaves_the_others(query: Query, data: st.DataObject) -> None:
    count = len(query.parts)
    index = data.draw(st.integers(0, count - 1))
    changed = query.with_weight(index, 0.25)
    assert changed.parts[index] == (query.parts[index][0], 0.25)
    assert [pair for n, pair in enumerate(changed.parts) if n != index] == [
        pair for n, pair in enumerate(query.parts) if n != index
    ]
    assert changed.with_weight(index, query.parts[index][1]) == query
    if count > 1:
        assert query.without(index).parts == query.parts[:index] + query.parts[index + 1 :]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'image:p04 + 0.5 text:"on a brick wall" - 0.3 image:p07[10,20,200,300]',
            Query.image("p04")
            + 0.5 * Query.text("on a brick wall")
            - 0.3 * Query.image("p07", (10, 20, 200, 300)),
        ),
        ('image:p04 and text:"cat"', Query.image("p04") & Query.text("cat")),
        ("image:a.jpg or image:b.jpg", Query.image("a.jpg") | Query.image("b.jpg")),
        (
            "image:p04[1, 2, 3, 4] left of image:p07",
            Query.image("p04", (1, 2, 3, 4)).left_of(Query.image("p07")),
        ),
        # weights, then arrangements, then sums, then and, then or
        ("image:a or image:b and image:c", A | (B & C)),
        ("image:a and image:b + image:c", A & (B + C)),
        ("image:a + 2 image:b above image:c", A + (2 * B).above(C)),
        ("image:a below image:b right of image:c", A.below(B).right_of(C)),
        ("image:a below (image:b right of image:c)", A.below(B.right_of(C))),
        ("0.5 * (image:a + 2 image:b)", Leaf(Part("image", "a"), 0.5) + B),
        ("-(image:a and image:b)", -A | -B),
        ("-(image:a or image:b) + image:c", (-A & -B) + C),
        ("image:a - (image:b - image:c)", A - B + C),
        ("IMAGE : a  AND  Colors:b", A & Query.colours("b")),
        ("text:“a cat” − text:'it''s'", Query.text("a cat") - Query.text("it's")),
        ('image:"say ""hi"".jpg"', Query.image('say "hi".jpg')),
        (r"image:C:\photos\a.jpg", Query.image("C:\\photos\\a.jpg")),
        (r'sketch:"C:\my photos\a.jpg"', Query.sketch("C:\\my photos\\a.jpg")),
        ("(((image:a)))", A),
    ],
)
def test_meaning_of_a_line(line: str, expected: Query) -> None:
    assert Query.parse(line) == expected


@pytest.mark.parametrize(
    ("line", "position", "said"),
    [
        ("image:p04 beside image:p07", 10, "'beside' does not join two parts"),
        ("image:a left image:b", 8, "left of"),
        ("image:a image:b", 8, "'image' does not join"),
        ("text:a red car", 7, "quote names and texts"),
        ("image:a-image:b", 13, "put spaces around"),
        ("(image:a + image:b", 0, "bracket is not closed"),
        ('image:a + (text:"(" or image:b', 10, "bracket is not closed"),
        ("image:a)", 7, "bracket closes none"),
        ('text:"cat', 5, "quote is not closed"),
        ("p04 + text:x", 0, "image:NAME"),
        ("image:a + audio:x", 10, "'audio' is no part"),
        ("image:a +", 9, "the query ends"),
        ("image:", 6, "after the colon"),
        ("image:a[1,2,3]", 7, "four numbers"),
        ("image:a + image:a[10,20,5,30]", 10, "is empty"),
        ("image:a + text:x[1,2,3,4]", 10, "only an image is cropped"),
        ('image:a + text:" "', 10, "give it words"),
        ("image:a + 2000 image:b", 10, "weight 2000"),
        ("image:a - (image:b above image:c)", 0, "no opposite"),
        ("", 0, "the query is empty"),
        ("(" * LONGEST_LINE + "image:a", LONGEST_LINE, "shorten it"),
        ("(" * 1000 + "image:a", 999, "bracket is not closed"),
        (f'text:"{"x" * (LONGEST + 1)}"', 0, "shorten it"),
    ],
)
def test_an_error_is_a_sentence_and_points_at_the_character(line: str, position: int, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        Query.parse(line)
    error = caught.value
    assert said in error.sentence and "\n" not in error.sentence
    assert error.position == position
    if line and len(line) < 60:
        assert str(error).split("\n") == [error.sentence, line, " " * position + "^"]
    assert all(len(shown) < 250 for shown in str(error).split("\n"))


def test_the_caret_is_below_wide_and_hidden_characters() -> None:
    with pytest.raises(QueryError) as caught:
        Query.parse('text:"日本\x1b" beside')
    assert caught.value.pointer == 'text:"日本\\x1b" beside\n' + " " * 16 + "^"


def test_deep_brackets_are_read() -> None:
    assert Query.parse("(" * 1900 + "image:a" + ")" * 1900) == A
    line = "image:a and (image:b or " * 45 + "image:c" + ")" * 45
    assert str(Query.parse(line)) == line


def test_queries_add_up_like_numbers() -> None:
    assert sum([A, B, C]) == A + B + C == A + (B + C)
    assert A & (B & C) == (A & B) & C
    assert (0.5 * (A - B)).parts == ((Part("image", "a"), 0.5), (Part("image", "b"), -0.5))
    assert repr(A + B) == "Query.parse('image:a + image:b')"
    assert len({A + B, A + B, A - B}) == 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: (A + B).with_weight(2, 1), "has no part 3"),
        (lambda: A.without(0), "has no other part"),
        (lambda: A * float("nan"), "weight nan"),
        (lambda: A * 1e9, "weight"),
        (lambda: -A.left_of(B), "no opposite"),
        (lambda: A.left_of("b"), "is not a query"),  # type: ignore[arg-type]
        (lambda: sum([A] * (MOST_PARTS + 1)), f"at most {MOST_PARTS}"),
        (lambda: Query.text(""), "is empty"),
        (lambda: Query.text(5), "int, not text"),  # type: ignore[arg-type]
        (lambda: Query.image("a", (0, 0, 0, 0)), "is empty"),
        (lambda: Part("sound", "x"), "not a kind"),
    ],
)
def test_wrong_queries_are_refused(make: object, said: str) -> None:
    with pytest.raises(wb.WorkbenchError, match=said):
        make()  # type: ignore[operator]


def test_a_group_of_one_operator_is_flat() -> None:
    query = Query.parse("image:a + (image:b + image:c)")
    assert isinstance(query, Group) and len(query.members) == 3


def test_the_package_names_the_query_without_loading_the_parser() -> None:
    code = "import sys, workbench as wb; wb.Query.text('a'); assert 'lark' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_arrangement_is_known_by_its_structure_and_not_by_its_words() -> None:
    dog, tree = Query.text("a dog left of a tree"), Query.image("tree above.jpg")
    assert not (dog + tree).arranged and not (dog & tree).arranged
    assert dog.left_of(tree).arranged and (Query.text("night") + dog.left_of(tree)).arranged
