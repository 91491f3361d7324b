"""The button that saves files: what it asks for, what it sends, and under which name."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.config.errors import WorkbenchError
from workbench.panels.widgets.download import Download, safe_file_name


class Recorded(Download):
    """A button that records what it sends to the browser."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.sent: list[tuple[Any, Any]] = []

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((content, buffers))

    def ask(self, number: int, version: int | None = None) -> tuple[Any, Any]:
        """Choose a file as the browser does; returns what is sent for it."""
        content = {"save": number, "version": self.version if version is None else version}
        self._handle_custom_msg(content, [])
        assert self.runner.wait(10)
        return self.sent.pop()


def test_file_is_made_when_it_is_chosen_and_sent_under_a_safe_name() -> None:
    made: list[str] = []

    def make(kind: str) -> tuple[str, bytes]:
        made.append(kind)
        return f"../<b>{kind}</b>.csv", kind.encode()

    button = Recorded()
    button.offer({"CSV": lambda: make("table"), "LaTeX": lambda: make("rows")})
    assert button.files == ["CSV", "LaTeX"] and made == []
    assert button.ask(1) == ({"name": "b_rows_b_.csv"}, [b"rows"])
    assert made == ["rows"]


def test_error_is_a_sentence_beside_the_button() -> None:
    def fail() -> tuple[str, bytes]:
        raise WorkbenchError("'a.jpg' cannot be opened: it does not exist")

    button = Recorded()
    button.offer({"Heat": fail})
    assert button.ask(0) == ({"error": "'a.jpg' cannot be opened: it does not exist"}, None)


def test_choice_among_earlier_files_saves_nothing() -> None:
    button = Recorded()
    button.offer({"A": lambda: ("a", b"")})
    shown = button.version
    button.offer({"B": lambda: ("b", b"")})
    content, buffers = button.ask(0, shown)
    assert "changed" in content["error"] and buffers is None


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("heat of p04.png", "heat_of_p04.png"),
        ("a/b\\c.png", "a_b_c.png"),
        ("../../.bashrc", "bashrc"),
        ("<img src=x onerror=alert(1)>.png", "img_src_x_onerror_alert_1_.png"),
        ("né.csv", "né.csv"),
        ("\u202egnp.exe", "gnp.exe"),
        ("///", "download"),
        ("", "download"),
    ],
)
def test_name_of_a_file_has_no_folders_and_no_signs(name: str, safe: str) -> None:
    assert safe_file_name(name) == safe


@pytest.mark.parametrize("letter", ["x", "é", "図"])
def test_long_name_keeps_its_end(letter: str) -> None:
    safe = safe_file_name(letter * 300 + ".png")
    assert len(safe.encode()) <= 143 and safe.endswith(f"{letter}.png")
