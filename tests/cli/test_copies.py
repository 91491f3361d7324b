"""The commands that find copies: JSON and nothing else, tables, and errors of one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageOps

from tests.support.videos import write_video
from workbench.cli.main import main
from workbench.collections.posters.photos import read_photos

FAST = "efficientnet_lite0/max/rmac:2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of five photographs each, of which three are in both, and a photograph of the first."""
    root = tmp_path_factory.mktemp("cli")
    photos = [ImageOps.fit(photo, (128, 96)) for photo in read_photos().values()]
    for name, chosen in (("a.mp4", photos[:5]), ("\x1bb.mp4", photos[2:7])):
        write_video(root / name, [np.asarray(photo) for photo in chosen for _ in range(5)], 5)
    photos[0].save(root / "photo.png")
    return root


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_copies(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = [str(folder), "a.mp4", "--pipeline", FAST, "--cache", str(tmp_path), "--size", "128"]
    status, out, _ = run(capsys, "copies", *common, "--json")
    (segment,) = json.loads(out)
    assert status == 0 and segment["video"] == "\x1bb.mp4" and "\x1b" not in out
    numbers = [segment[name] for name in ("query_start", "query_end", "start", "end")]
    assert numbers == pytest.approx([2, 5, 0, 3])
    status, out, _ = run(capsys, "copies", *common)
    assert status == 0 and "0:02.0–0:05.0" in out and "\x1b" not in out
    status, out, _ = run(capsys, "copies", *common, "--min-score", "100")
    assert status == 0 and "no segment scores 100 or more" in out
    common[1] = "none.mp4"
    status, _, err = run(capsys, "copies", *common)
    assert status == 2 and "neither a video of" in err and err.count("\n") == 1


def test_duplicates(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = [str(folder), "--pipeline", FAST, "--cache", str(tmp_path), "--size", "128"]
    status, out, _ = run(capsys, "duplicates", *common, "--json")
    rows = json.loads(out)
    assert status == 0 and {"photo.png", "a.mp4#t=0.00"} in [
        {row["image_id"] for row in rows if row["group"] == group} for group in {r["group"] for r in rows}
    ]
    status, out, _ = run(capsys, "duplicates", *common)
    assert status == 0 and "11 images, 4 groups, 4 copies" in out
    status, _, err = run(capsys, "duplicates", *common, "--bits", "99")
    assert status == 2 and "number of bits" in err
