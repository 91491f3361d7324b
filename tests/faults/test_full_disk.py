"""On a full disk no output of a command is left empty or partial, and the file that was there is kept."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.cli.main import main

PIPELINE = f"{NETWORK}/max/whole"


@contextlib.contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file may grow beyond ``most`` bytes: writing more raises OSError, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 6, kinds=2)


@pytest.mark.parametrize("existing", [b"", b"an earlier page"])
@pytest.mark.parametrize("most", [0, 4096])
@pytest.mark.parametrize("command", ["explain", "report"])
def test_a_page_is_written_whole_or_not_at_all(
    command: str, most: int, existing: bytes, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, out = photos / ".cache", tmp_path / "pages" / "page.html"
    arguments = {
        "explain": ["kind0/000.jpg", "kind1/001.jpg", "--pipeline", PIPELINE],
        "report": [PIPELINE],
    }[command]
    options = ["--labels", "folders", "--cache", str(cache), "--size", "128", "--device", "cpu"]
    written = tmp_path / "written.html"
    with pytest.raises(SystemExit) as ended:
        main([command, str(photos), *arguments, "--out", str(written), *options])
    assert ended.value.code == 0 and len(written.read_bytes()) > 4096
    out.parent.mkdir()
    if existing:
        out.write_bytes(existing)
    with full_disk(most), pytest.raises(SystemExit) as ended:
        main([command, str(photos), *arguments, "--out", str(out), *options])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "cannot be written" in error and "page.html" in error and "Traceback" not in error
    assert [path.read_bytes() for path in out.parent.iterdir()] == [existing] * bool(existing)
