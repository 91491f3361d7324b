"""Paths that users give, and files that are named as on another system."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.common.geometry import valid_box
from workbench.common.paths import find_file, user_folder, user_path
from workbench.config.errors import WorkbenchError


@given(st.one_of(st.text(st.characters(exclude_categories=())), st.binary(), st.none(), st.integers()))
def test_any_value_is_a_path_or_a_sentence(value: object) -> None:
    try:
        path = user_path(value)
    except WorkbenchError as error:
        assert "\n" not in str(error) and str(error).encode()
    else:
        path.exists()  # raises nothing


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\0b", "no file name has"),
        ("a" * 300, "cannot be opened: File name too long"),
        ("\ud800", "no file name has"),
        (3, "is int, not a path"),
    ],
)
def test_an_impossible_path_is_refused(value: object, complaint: str) -> None:
    with pytest.raises(WorkbenchError, match=f"--cache.*{complaint}"):
        user_path(value, "--cache")


def test_a_tilde_without_a_user_is_a_plain_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("~nosuchuser", "~$x.jpg"):
        Path(name).touch()
        assert user_path(name).is_file()
    assert user_path("~") == Path(os.path.expanduser("~"))
    with pytest.raises(WorkbenchError, match="is a file; name a folder"):
        user_folder("~$x.jpg")
    assert user_folder("later") == Path("later")


def test_a_cycle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(WorkbenchError, match="cannot be opened"):
        user_path(tmp_path / "a")


def test_names_of_other_systems_are_found(tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "café")
    (tmp_path / composed).mkdir()
    file = tmp_path / composed / "Photo.JPG"
    file.touch()
    decomposed = unicodedata.normalize("NFD", "café")
    for name in (
        f"{decomposed}/photo.jpg",
        f"{composed}\\Photo.JPG",
        f"x\\..\\{decomposed.upper()}\\PHOTO.jpg",
    ):
        assert find_file(tmp_path / name) == file
    assert find_file(tmp_path / "other.jpg") is None
    (tmp_path / composed / "photo.JPG").touch()
    assert find_file(tmp_path / composed / "photo.jpg") is None  # two files fit
    assert find_file(tmp_path / composed / "photo.JPG") == tmp_path / composed / "photo.JPG"


@given(
    st.one_of(
        st.text(),
        st.none(),
        st.lists(st.one_of(st.floats(), st.integers(), st.text(max_size=3), st.none()), max_size=5),
    )
)
def test_a_box_is_four_finite_numbers_or_a_sentence(values: object) -> None:
    try:
        x0, y0, x1, y1 = valid_box(values)
    except WorkbenchError as error:
        assert "box" in str(error) and "\n" not in str(error)
    else:
        assert x0 < x1 and y0 < y1 and max(map(abs, (x0, y0, x1, y1))) < float("inf")
