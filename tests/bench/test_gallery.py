"""Tables with pictures: what is drawn on them, which rows are shown, and names as text."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.benches import opened
from tests.support.extraction import NETWORK
from workbench.bench.bench import Bench
from workbench.bench.gallery import gallery
from workbench.config.errors import WorkbenchError

NAUGHTY = "<img src=x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Grey images of 200 × 100 pixels, one with a name that is HTML."""
    root = tmp_path_factory.mktemp("grey")
    for name in ("a.png", "b.png", NAUGHTY):
        (root / "kind").mkdir(exist_ok=True)
        Image.new("RGB", (200, 100), (128, 128, 128)).save(root / "kind" / name)
    return opened(root, tmp_path_factory.mktemp("cache"))


def ranking(*names: str, **columns: object) -> pd.DataFrame:
    table = pd.DataFrame({"image_id": [f"kind/{name}" for name in names]})
    return table.assign(rank=range(1, len(table) + 1), **columns)


def pictures(html: str) -> list[np.ndarray]:
    """The pictures of a page, as RGB arrays."""
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def orange(picture: np.ndarray) -> np.ndarray:
    """Where a picture is orange, and not grey."""
    red, _, blue = np.moveaxis(picture.astype(int), 2, 0)
    return np.asarray(red - blue > 60)


def test_rows_have_pictures_scores_of_three_digits_and_relevance_with_its_sign(bench: Bench) -> None:
    table = ranking("a.png", "b.png", score=[0.98765, -0.5], relevance=["hard", "negative"])
    html = bench.gallery(table, side=64).to_html()
    assert [picture.shape for picture in pictures(html)] == [(32, 64, 3)] * 2
    for text in ("0.988", "-0.500", "✓ʰ hard", "✗ negative", "kind/a.png"):
        assert text in html


@pytest.mark.parametrize("scale", [1.0, 100.0], ids=["fractions", "pixels"])
def test_box_is_drawn_where_it_is(bench: Bench, scale: float) -> None:
    wide = 2 * scale if scale > 1 else 1.0  # the image is 200 pixels wide and 100 high
    box = {"x0": [0.5 * wide], "y0": [0.25 * scale], "x1": [0.75 * wide], "y1": [0.75 * scale]}
    html = bench.gallery(ranking("a.png", **box), side=100).to_html()
    (picture,) = pictures(html)
    rows, columns = np.nonzero(orange(picture))
    assert (rows.min(), rows.max()) == pytest.approx((12, 37), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((50, 75), abs=2)
    assert "x0" not in html  # it is drawn
    (plain,) = pictures(bench.gallery(ranking("a.png"), side=100).to_html())
    assert not orange(plain).any()


def test_outline_of_the_object_of_the_query_is_drawn_white(bench: Bench) -> None:
    corners = ((20.0, 20.0), (180.0, 20.0), (180.0, 80.0), (20.0, 80.0))  # pixels
    known = replace(bench.collection, quadrilaterals={("q", "kind/a.png"): corners})

    def thumbnail(image_id: str, box: object) -> bytes:
        return bench.thumbnail(image_id, side=200)

    (of_other,) = pictures(gallery(known, thumbnail, ranking("a.png"), "").to_html())
    assert of_other.max() < 140
    *_, shown = pictures(gallery(known, thumbnail, ranking("a.png", query="q"), "").to_html())
    rows, columns = np.nonzero(shown.min(2) > 200)
    assert (rows.min(), rows.max()) == pytest.approx((20, 80), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((20, 180), abs=2)


def test_names_are_text_and_missing_images_are_said(bench: Bench, tmp_path: Path) -> None:
    table = ranking(NAUGHTY, "../../secret.png", "a.png", note=["<b>", "$x$", "\u202egpj"])
    html = bench.gallery(table).to_html()
    assert "<img src=x" not in html and "<b>" not in html and "\u202e" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in html
    assert "kind/../../secret.png&#x27; is not in" in html
    assert len(pictures(html)) == 2


def test_search_shows_its_query_above_the_table(bench: Bench) -> None:
    query = bench.collection.queries[0].id
    html = bench.gallery(bench.search(query, pipeline=f"{NETWORK}/max/whole")).to_html()
    caption = re.search(r"<caption>(.*?)</caption>", html, re.DOTALL)
    assert caption is not None and f"query {escape(query)}" in caption[1]
    assert len(pictures(caption[1])) == 1
    named = bench.gallery(ranking("a.png"), query="kind/b.png").to_html()
    assert "query kind/b.png" in named


def test_measures_of_queries_and_joined_tables_are_shown(bench: Bench) -> None:
    ids = [query.id for query in bench.collection.queries]
    per_query = pd.DataFrame({"query": [*ids, "none"], "ap": np.linspace(0, 1, len(ids) + 1)})
    html = bench.gallery(per_query).to_html()
    assert len(pictures(html)) == len(ids)
    assert "no picture: " in html
    joined = pd.concat({"exact": ranking("a.png"), "pq:16": ranking("b.png")})
    assert "pq:16" in bench.gallery(joined).to_html()


def test_long_tables_say_how_many_rows_are_shown(bench: Bench) -> None:
    html = bench.gallery(ranking(*["a.png"] * 101), side=8).to_html()
    assert "the first 100 of 101 rows" in html
    assert len(pictures(html)) == 100


def test_other_tables_are_rejected(bench: Bench) -> None:
    with pytest.raises(WorkbenchError, match="no column 'image_id' or 'query'"):
        bench.gallery(pd.DataFrame({"pipeline": ["x"]}))
    assert bench.gallery(ranking()).to_html()
