"""What ``workbench app`` serves, and what it says of wrong input; the page itself is driven in a browser."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

from workbench.cli.app import HOST, free_port, notebook, serve
from workbench.cli.main import main
from workbench.config.errors import WorkbenchError


def test_the_notebook_opens_what_was_asked_from_where_it_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path.home())
    photos = tmp_path / "it's my" / 'own "photos"'
    for name in ("a.jpg", "b.jpg"):
        (photos / "kind").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30)).save(photos / "kind" / name)
    options = {"size": 256, "cache": tmp_path / "cache", "weights": None}
    made = notebook(photos.name, "folders", photos.parent, options)
    nbformat.validate(made)
    (cell,) = made["cells"]
    opening, _, showing = cell["source"].rpartition("\n")
    names: dict[str, Any] = {}
    exec(opening, names)
    assert names["bench"].collection.images == ("kind/a.jpg", "kind/b.jpg")
    assert names["bench"].options.size == 256
    assert names["bench"].options.cache == tmp_path / "cache"
    assert showing == "bench.show()"


def test_a_port_in_use_is_refused_and_the_next_free_one_taken() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WorkbenchError, match=f"port {port} cannot be used"):
            free_port(port)
        assert free_port(None) != port
    assert free_port(port) == port


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(WorkbenchError, match="--port"):
        free_port(port)


def test_wrong_input_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="'pink'"):
        serve("posters", "none", {}, theme="pink")
    with pytest.raises(SystemExit) as ended:
        main(["app", str(tmp_path / "nowhere"), "--no-browser"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "nowhere" in said
    assert "Traceback" not in said
