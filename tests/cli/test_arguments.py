"""Arguments that nobody means: one sentence and status 2, whatever is written where."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.extraction import NETWORK
from workbench.cli.console import print_json, print_table
from workbench.cli.main import main
from workbench.config.printable import printable

PIPELINE = f"{NETWORK}/mean/whole"
REGIONS = f"{NETWORK}/mean/grid:2x2"
ODD = [
    "",
    "  ",
    "a" * 300,
    "~nosuchuser",
    "~$x.jpg",
    "x\0y",
    "a\nb",
    "\x1b[31mred",
    "\u202egpj.exe",
    "\udcff.jpg",
    "\ud800",
    "/dev/zero",
    "{root}/red",
    "{root}/red/a.jpg/b",
    "{root}/pipe",
]
COMMANDS = [
    ["evaluate", "{odd}", PIPELINE],
    ["evaluate", "oxford5k:{odd}", PIPELINE],
    ["search", "{root}", "{odd}", "--pipeline", PIPELINE],
    ["search", "{root}", "red/a.jpg", "--pipeline", "{odd}"],
    ["search", "{root}", "red/a.jpg", "--pipeline", "file:{odd}/max/whole"],
    ["search", "{root}", "red/a.jpg", "--pipeline", "hardnet:./{odd}/bow:8/whole"],
    ["explain", "{root}", "red/a.jpg", "{odd}", "--out", "{cache}/why.html", "--pipeline", PIPELINE],
    [
        "explain",
        "{root}",
        "red/a.jpg",
        "red/b.jpg",
        "--out",
        "{odd}/none/why.html",
        "--pipeline",
        PIPELINE,
    ],
    ["report", "{root}", PIPELINE, "--labels", "folders", "--out", "{odd}/none/x"],
    ["classify", "{root}", "{odd}", "--labels", "folders", "--pipeline", REGIONS],
    ["search", "{root}", "red/a.jpg", "--pipeline", PIPELINE, "--distractors", "{odd}/none"],
    ["evaluate", "{root}", PIPELINE, "--labels", "{odd}"],
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for label in ("red", "blue"):
        (folder / label).mkdir()
        for name in ("a.jpg", "b.jpg", "c\x1b[31m\n.jpg"):
            Image.fromarray(generator.integers(0, 255, (48, 64, 3), np.uint8)).save(folder / label / name)
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def ended(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process: status, standard output and error, which must be encodable."""
    out, error = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
        pytest.raises(SystemExit) as exit,
    ):
        main([*arguments])
    out.getvalue().encode()
    error.getvalue().encode()
    return int(exit.value.code or 0), out.getvalue(), error.getvalue()


def run(cache: Path, *arguments: str) -> tuple[int, str, str]:
    return ended(*arguments, "--cache", str(cache), "--size", "64", "--device", "cpu")


def assert_sentence(result: tuple[int, str, str], of: object = "") -> None:
    status, out, error = result
    assert (status, out) == (2, ""), of
    assert error.startswith("workbench: ") and error.count("\n") == 1 and "Traceback" not in error
    assert not set("\x1b\u202e\0") & set(error)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command)[:50])
def test_an_odd_argument_gives_a_sentence(command: list[str], root: Path, cache: Path) -> None:
    for odd in ODD:
        words = [
            word.replace("{odd}", odd.replace("{root}", str(root)))
            .replace("{root}", str(root))
            .replace("{cache}", str(cache))
            for word in command
        ]
        assert_sentence(run(cache, *words), words)


@pytest.mark.parametrize("option", ["--cache", "--weights"])
@pytest.mark.parametrize(
    "odd", ["", " ", "a" * 300, "x\0y", "\ud800", "/dev/zero", "{root}/pipe", "{root}/red/a.jpg"]
)
def test_an_odd_folder_gives_a_sentence(option: str, odd: str, root: Path, tmp_path: Path) -> None:
    words = [
        "search",
        str(root),
        "red/a.jpg",
        "--pipeline",
        PIPELINE,
        option,
        odd.replace("{root}", str(root)),
    ]
    assert_sentence(ended(*words, *(["--cache", str(tmp_path)] if option == "--weights" else [])))


@pytest.mark.parametrize(
    "box", ["", "1,2,3", "1,2,3,4,5", "nan,0,1,1", "0,0,inf,9", "9,9,1,1", "a,b,c,d", "1e999,0,1,1"]
)
@pytest.mark.parametrize("command", ["search", "classify"])
def test_an_odd_box_gives_a_sentence(box: str, command: str, root: Path, cache: Path) -> None:
    pipeline = PIPELINE if command == "search" else REGIONS
    result = run(
        cache, command, str(root), "red/a.jpg", "--labels", "folders", "--pipeline", pipeline, "--box", box
    )
    assert_sentence(result)
    assert "--box" in result[2]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--seed", "99999999999999999999"),
        ("--seed", "-1"),
        ("--seed", "x"),
        ("--size", "0"),
        ("--size", "-5"),
        ("--size", "99999999999999999999"),
        ("-k", "0"),
        ("-k", "-3"),
        ("-k", "1.5"),
    ],
)
def test_an_odd_number_gives_a_sentence(option: str, value: str, root: Path, cache: Path) -> None:
    words = ["search", str(root), "red/a.jpg", "--pipeline", PIPELINE, "--cache", str(cache)]
    assert_sentence(ended(*words, option, value))


def test_a_huge_number_of_results_is_all_of_them(root: Path, cache: Path) -> None:
    for command, pipeline in (("search", PIPELINE), ("classify", REGIONS)):
        words = [command, str(root), "red/a.jpg", "--labels", "folders", "--pipeline", pipeline, "--json"]
        status, out, error = run(cache, *words, "-k", "9" * 30)
        assert status == 0, error
        assert len(json.loads(out)) == (6 if command == "search" else 2)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=()), max_size=40))
@example("red/a.jpg")
def test_any_query_gives_results_or_a_sentence(root: Path, cache: Path, query: str) -> None:
    if query.startswith("-"):
        return  # an option
    result = run(cache, "search", str(root), query, "--pipeline", PIPELINE)
    if result[0]:
        assert_sentence(result)


def test_control_characters_of_names_are_shown_escaped(root: Path, cache: Path) -> None:
    words = ["search", str(root), "red/a.jpg", "--pipeline", PIPELINE]
    status, out, _ = run(cache, *words)
    assert status == 0 and out.count(r"/c\x1b[31m\n.jpg") == 2
    assert "\x1b" not in out and out.count("\n") == 9  # with a heading, the columns and a note
    _, out, _ = run(cache, *words, "--json")
    assert "red/c\x1b[31m\n.jpg" in [row["image_id"] for row in json.loads(out)] and "\x1b" not in out


@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_tables_and_json_have_no_control_characters(name: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print_json({"name": name})
    assert json.loads(out.getvalue()) == {"name": name}
    out.getvalue().encode()
    with contextlib.redirect_stdout(out):
        print_table(name, [name], [[name]])
    assert not {character for character in out.getvalue() if printable(character, keep="\n") != character}


def test_evaluate_shows_how_many_queries_were_judged(root: Path, cache: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{root}/red/a.jpg,x\n{root}/red/b.jpg,x\n{root}/blue/a.jpg,y\nlost.jpg,y\n")
    status, out, error = run(cache, "evaluate", str(table), PIPELINE)
    assert status == 0, error
    assert "2 of 4" in out and "2 of 4 queries are not judged" in out
    _, out, _ = run(cache, "evaluate", str(table), PIPELINE, "--json")
    (entry,) = json.loads(out)
    assert entry["judged"] == 2 and len(entry["unjudged"]) == 2
