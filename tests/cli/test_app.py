"""The notebook, port and error messages of ``workbench app``; browser tests cover the page itself."""

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


def test_the_notebook_opens_a_relative_collection_from_the_callers_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path.home())
    photos = tmp_path / "it's my" / 'own "photos"'
    for name in ("a.jpg", "b.jpg"):
        (photos / "kind").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30)).save(photos / "kind" / name)
    options = {"size": 256, "cache": tmp_path / "cache", "weights": None}
    document = notebook(photos.name, "folders", photos.parent, options)
    nbformat.validate(document)
    (cell,) = document["cells"]
    opening, _, showing = cell["source"].rpartition("\n")
    names: dict[str, Any] = {}
    exec(opening, names)
    assert names["bench"].collection.images == ("kind/a.jpg", "kind/b.jpg")
    assert names["bench"].options.size == 256
    assert names["bench"].options.cache == tmp_path / "cache"
    assert showing == "bench.show()"


def test_a_port_in_use_is_refused_and_a_free_port_is_chosen_by_default() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WorkbenchError, match=f"port {port} cannot be used"):
            free_port(port)
        assert free_port(None) != port
    assert free_port(port) == port


@pytest.mark.parametrize("port", [-1, 70_000])
def test_an_invalid_port_is_refused(port: int) -> None:
    with pytest.raises(WorkbenchError, match="--port"):
        free_port(port)


def test_invalid_input_gives_a_message_without_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(WorkbenchError, match="'pink'"):
        serve("posters", "none", {}, theme="pink")
    with pytest.raises(SystemExit) as ended:
        main(["app", str(tmp_path / "nowhere"), "--no-browser"])
    assert ended.value.code == 2
    error_output = capsys.readouterr().err
    assert "nowhere" in error_output
    assert "Traceback" not in error_output
