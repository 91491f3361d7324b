"""Files that never end or are not files, and JSON nested without end: one sentence, and no waiting."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file
from torch import ones

from workbench.collections.catalog import open_collection
from workbench.collections.revisited import read_ground_truth
from workbench.common.files import replace_file, replacing
from workbench.common.paths import user_file
from workbench.common.text import DEEPEST, parse_json, read_bytes
from workbench.config.errors import WorkbenchError
from workbench.descriptors.attention import Attention
from workbench.descriptors.rpn import load as load_proposals
from workbench.descriptors.whitening import Whitening
from workbench.learning.finetuning.train import card
from workbench.runs.presets import named_pipelines

DEEP = "[" * 200_000 + "]" * 200_000


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """A reader that waits for a pipe fails instead of blocking the run."""

    def stop(*_: object) -> None:
        raise TimeoutError("a reader waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def listening(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    return path


def device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


KINDS: list[Callable[[Path], Path]] = [pipe, listening, device]


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_that_is_no_file_is_refused(
    tmp_path: Path, kind: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with pytest.raises(WorkbenchError, match="pipe, socket or device"):
        open_collection(kind(Path("labels.csv")))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_is_no_file_is_reported(
    tmp_path: Path, kind: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (32, 24)).save(name)
    kind(Path("odd.jpg"))
    Path("labels.csv").write_text("path,label\na.jpg,x\nb.jpg,x\nodd.jpg,x\n")
    for source in ("labels.csv", "."):
        collection = open_collection(tmp_path / source)
        assert set(collection.images) == {"a.jpg", "b.jpg"}
        ((name, reason),) = collection.problems
        assert name == "odd.jpg" and ("not a file" in reason or "not a regular file" in reason)


@pytest.mark.parametrize("suffix", ["pkl", "json", "parquet"])
def test_a_ground_truth_that_is_a_pipe_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(WorkbenchError, match="pipe, socket or device"):
        read_ground_truth(pipe(tmp_path / f"gnd_roxford5k.{suffix}"))


def test_an_oxford_text_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (32, 24)).save(tmp_path / "a_1.jpg")
    pipe(tmp_path / "a_1_query.txt")
    with pytest.raises(WorkbenchError, match="pipe, socket or device"):
        open_collection(f"oxford5k:{tmp_path}")


def test_deep_json_is_no_json() -> None:
    for text in (DEEP, DEEP[:200_000], '{"a":' * 100_000 + "1" + "}" * 100_000):
        with pytest.raises(ValueError):
            parse_json(text)
    within = "[" * DEEPEST + "]" * DEEPEST
    assert parse_json(within) == json.loads(within)
    with pytest.raises(ValueError, match="too deep"):
        parse_json(f"[{within}]")


def test_deep_json_in_every_file_that_holds_some_gives_a_sentence(tmp_path: Path) -> None:
    truth = tmp_path / "gnd_roxford5k.json"
    truth.write_text(DEEP)
    with pytest.raises(WorkbenchError, match="not a ground truth"):
        read_ground_truth(truth)
    (tmp_path / "favourites.json").write_text(DEEP)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        named_pipelines(tmp_path)
    weights = tmp_path / "weights.safetensors"
    save_file({"x": ones(1)}, weights, dict.fromkeys(("whitening", "attention", "proposals", "card"), DEEP))
    for load in (Whitening.load, Attention.load, load_proposals, card):
        with pytest.raises(WorkbenchError, match=r"weights\.safetensors"):
            load(weights)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_what_is_no_file_is_never_replaced(
    tmp_path: Path, kind: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = kind(Path("target"))
    mode = path.lstat().st_mode
    with pytest.raises(WorkbenchError, match="pipe, socket or device"):
        user_file(path, "--out")
    with pytest.raises(WorkbenchError, match="pipe, socket or device"):
        replace_file(path, b"content")
    with pytest.raises(OSError, match="pipe, socket or device"), replacing(path) as part:
        part.touch()
    assert path.lstat().st_mode == mode and os.listdir() == ["target"]


def test_a_pipe_or_a_missing_file_is_named(tmp_path: Path) -> None:
    for path, reason in (
        (pipe(tmp_path / "p"), "pipe"),
        (tmp_path, "folder"),
        (tmp_path / "none", "not exist"),
    ):
        with pytest.raises(WorkbenchError, match=reason):
            read_bytes(path)
