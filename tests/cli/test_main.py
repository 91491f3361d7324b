"""The command line: output, JSON without anything else, exit statuses and one-line error messages.

Commands run in this process through ``main``, which turns errors into a message and an exit status
(typer's CliRunner would bypass ``main``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.cli.lab import FIRST, provide_notebooks
from workbench.cli.main import main

ROOT = Path(__file__).parents[2]
FAST = "efficientnet_lite0/max/rmac:2"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labels of three images each: noise in two colours, with one file name that is HTML."""
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for label, colour in (("red", (220, 40, 40)), ("blue", (40, 40, 220))):
        (root / label).mkdir()
        for name in ("a.jpg", "b.png", "<script>alert(1)<.jpg"):
            noise = generator.integers(0, 60, (96, 128, 3)) + np.array(colour) * 3 // 4
            Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(root / label / name)
    return root


def run(capsys: pytest.CaptureFixture[str], cache: Path, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--cache", str(cache)] if cache != Path() else [*arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_evaluate_json_prints_json_only(photos: Path, tmp_path: Path) -> None:
    """In another process, so that output of any library is detected, also on import."""
    command = [
        sys.executable,
        "-m",
        "workbench",
        "evaluate",
        str(photos),
        FAST,
        "efficientnet_lite0/mean/whole",
    ]
    command += ["--labels", "folders", "--json", "--cache", str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    first, second = json.loads(process.stdout)
    assert set(first) == {
        "pipeline",
        "collection",
        "protocol",
        "mean_ap",
        "judged",
        "unjudged",
        "metrics",
        "provenance",
        "warnings",
    }
    assert (first["pipeline"], second["pipeline"]) == (FAST, "efficientnet_lite0/mean/whole")
    assert first["protocol"] == "labels" and first["metrics"]["mAP"] == first["mean_ap"] > 0.9
    assert first["provenance"]["ap_variant"] == "sum"


def test_evaluate_prints_a_table(photos: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, cache, "evaluate", str(photos), FAST, "--labels", "folders")
    assert status == 0
    assert FAST in out and "protocol labels" in out and "100.0" in out


def test_search_prints_a_ranking(photos: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(photos / "red" / "a.jpg")
    status, out, _ = run(capsys, cache, "search", str(photos), name, "-k", "3", "--json", "--pipeline", FAST)
    assert status == 0
    records = json.loads(out)
    assert [r["rank"] for r in records] == [1, 2, 3]
    assert all(set(r) == {"rank", "image_id", "score", "relevance"} for r in records)
    assert all(r["image_id"].startswith("red/") for r in records)
    assert records[0]["image_id"] == "red/a.jpg" and records[0]["score"] == pytest.approx(1, abs=1e-3)
    status, out, _ = run(
        capsys, cache, "search", str(photos), name, "--box", "0,0,64,64", "--pipeline", FAST, "-k", "2"
    )
    assert status == 0 and "red/" in out


def test_search_by_parts_prints_what_each_part_adds(
    photos: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = 'image:red/a.jpg - 0.5 image:"red/<script>alert(1)<.jpg"'
    arguments = ["search", str(photos), "--pipeline", FAST, "-k", "3"]
    status, out, _ = run(capsys, cache, *arguments, "--query", line)
    assert status == 0 and line in out and "part 2" in out
    status, out, _ = run(capsys, cache, *arguments, line, "--json")
    record = json.loads(out)[0]
    assert status == 0 and record["score"] == pytest.approx(record["part 1"] + record["part 2"])
    status, out, err = run(capsys, cache, *arguments, "--query", "image:a beside image:b")
    assert (status, out) == (2, "")
    assert err.split("\n")[1:] == ["image:a beside image:b", "        ^", ""]
    page = tmp_path / "why.html"
    status, out, _ = run(
        capsys, cache, "explain", str(photos), line, "red/b.png", "--pipeline", FAST, "--out", str(page)
    )
    text = page.read_text(encoding="utf-8")
    assert status == 0 and "<script>alert" not in text and "mean of all images" in text


def test_suggest_prints_what_was_tried_and_a_sentence(
    photos: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = "suggest", str(photos), "--labels", "folders", "--seconds", "1"
    status, out, _ = run(capsys, cache, *arguments)
    assert status == 0 and "6 judged queries" in out and "too few to tell" in out
    status, out, _ = run(capsys, cache, *arguments, "--json")
    content = json.loads(out)
    assert content["pipeline"] == content["default"] == content["table"][0]["pipeline"]
    assert (content["difference"], content["interval"]) == (0, [0, 0])
    status, out, err = run(capsys, cache, "suggest", str(photos))
    assert (status, out) == (2, "") and "no ground truth" in err and err.count("\n") == 1


def test_explain_writes_a_page_without_active_content(
    photos: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent")  # of kaleido
    page = tmp_path / "why.html"
    arguments = ["explain", str(photos), "red/a.jpg", "red/<script>alert(1)<.jpg", "--out", str(page)]
    status, out, _ = run(capsys, cache, *arguments, "--pipeline", FAST, "--static")
    assert status == 0 and str(page) in out
    text = page.read_text(encoding="utf-8")
    assert (
        "<script" not in text
        and text.count("data:image/svg+xml") == 4
        and "&lt;script&gt;alert(1)&lt;.jpg" in text
    )
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert text.count("data:image/jpeg") == 2 and text.count("data:image/png") == 1  # the scale


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nowhere-at-all", FAST], "nowhere-at-all"),
        (["evaluate", "{photos}", FAST], "no ground truth"),
        (["evaluate", "{photos}", "efficientnet_lite0/maxx/whole", "--labels", "folders"], "'maxx'"),
        (["evaluate", "{photos}", "vgg99/max/whole", "--labels", "folders"], "'vgg99'"),
        (["evaluate", "{photos}", FAST, "--labels", "frob"], "frob"),
        (["evaluate", "{photos}", FAST, "--labels", "folders", "--device", "abacus"], "abacus"),
        (["evaluate", "{photos}", FAST, "--labels", "folders", "--precision", "int3"], "int3"),
        (["evaluate", "{photos}", FAST, "--labels", "folders", "--size", "10"], "size 10"),
        (["evaluate", "{photos}", FAST, "--size", "large"], "--size"),
        (["evaluate", "{photos}"], "pipelines"),
        (["search", "{photos}", "red/zzz.jpg"], "red/zzz.jpg"),
        (["search", "{photos}", "red/a.jpg", "--box", "1,2,3"], "x0,y0,x1,y1"),
        (
            ["search", "{photos}", "red/a.jpg", "--box", "500,500,600,600", "--pipeline", FAST],
            "holds no pixel",
        ),
        (["search", "{photos}", "red/a.jpg", "-k", "0"], "k is 0"),
        (["search", "{photos}"], "give one of IMAGE, --text and --query, not none"),
        (["search", "{photos}", "red/a.jpg", "--text", "a cat"], "not IMAGE and --text"),
        (["search", "{photos}", "--text", " "], "text: is empty"),
        (["search", "{photos}", "--query", "-image:red/a.jpg"], "nothing is searched for"),
        (["search", "{photos}", "--query", "image:red/zzz.jpg + image:red/a.jpg"], "red/zzz.jpg"),
        (
            ["explain", "{photos}", "image:red/a.jpg - image:b", "red/zzz.jpg", "--out", "w.html"],
            "red/zzz.jpg",
        ),
        (
            ["search", "{photos}", "red/a.jpg", "--pipeline", "efficientnet_lite0/max/proposals:20:lost"],
            "lost.safetensors' is missing",
        ),
        (
            ["explain", "{photos}", "red/a.jpg", "red/zzz.jpg", "--out", "why.html", "--pipeline", FAST],
            "red/zzz.jpg",
        ),
        (
            ["explain", "{photos}", "red/a.jpg", "red/b.png", "--out", "/no/such/folder/why.html"],
            "/no/such/folder",
        ),
        (["fetch", "imagenet"], "imagenet"),
        (["frob"], "frob"),
    ],
)
def test_invalid_input_gives_status_2_and_a_one_line_message(
    arguments: list[str], message: str, photos: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [argument.replace("{photos}", str(photos)) for argument in arguments]
    status, out, err = run(capsys, Path() if arguments == ["frob"] else cache, *arguments)
    assert status == 2 and out == ""
    assert message in err and err.startswith("workbench: ") and err.count("\n") == 1
    assert "Traceback" not in err


def test_collections_and_backbones_print_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, tmp_path, "collections")
    assert status == 0 and "workbench fetch roxford5k" in out and "posters" in out
    status, out, _ = run(capsys, Path(), "backbones")
    assert status == 0 and "embedded" in out and "dinov2_small" in out


def test_doctor_reports_problems_and_how_to_repair_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = run(capsys, tmp_path, "doctor")
    assert "torchvision" in out and "efficientnet_lite0" in out and str(tmp_path) in out
    monkeypatch.setenv("WORKBENCH_WEIGHTS", str(tmp_path / "absent"))
    status, out, _ = run(capsys, tmp_path, "doctor")
    assert status == 1 and "FIX weights folder" in out and "WORKBENCH_WEIGHTS" in out


def test_an_incompatible_torchvision_is_reported(tmp_path: Path) -> None:
    """In a separate process whose torchvision raises the error of a CUDA build beside a CPU-only torch."""
    (tmp_path / "torchvision").mkdir()
    broken = "raise RuntimeError('operator torchvision::nms does not exist')"
    (tmp_path / "torchvision" / "__init__.py").write_text(broken)
    code = """
from workbench.cli.main import main
for arguments in (["doctor"], ["evaluate", "posters", "efficientnet_lite0/max/proposals:20"]):
    try:
        main(arguments)
    except SystemExit as ended:
        print("status", ended.code)
"""
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    assert process.returncode == 0, process.stderr
    first, second, end = process.stdout.split("status ")
    assert (second.split()[0], end.split()[0]) == ("1", "2")
    sentence = "pip install torch torchvision together"
    assert sentence in first and sentence in process.stderr
    assert "Traceback" not in process.stderr


def test_notebooks_are_copied_from_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies the notebooks as from a wheel; an edited copy is not overwritten."""
    package = tmp_path / "site" / "workbench"
    (package / "notebooks").mkdir(parents=True)
    source = Path(__file__).parents[2] / "notebooks" / FIRST
    (package / "notebooks" / FIRST).write_bytes(source.read_bytes())
    monkeypatch.setattr("workbench.cli.lab.__file__", str(package / "cli" / "lab.py"))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert provide_notebooks(empty) == empty / "notebooks"
    assert (empty / "notebooks" / FIRST).read_bytes() == source.read_bytes()
    (empty / "notebooks" / FIRST).write_text("mine")
    provide_notebooks(empty)
    assert (empty / "notebooks" / FIRST).read_text() == "mine"


def test_classify_and_locate_print_labels_and_boxes(
    photos: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lone_image = photos / "lone" / "one.png"
    lone_image.parent.mkdir()
    Image.new("RGB", (96, 64), (30, 160, 30)).save(lone_image)
    arguments = "classify", str(photos), "lone/one.png", "--labels", "folders"
    pipeline = "--pipeline", "efficientnet_lite0/mean/grid:2x2"
    try:
        status, out, _ = run(capsys, cache, *arguments, *pipeline, "--json")
        classes = json.loads(out)
        assert status == 0 and [row["label"] for row in classes][2] == "lone"
        assert classes[2]["score"] is None and classes[2]["votes"] == [] and classes[2]["images"] == 0
        assert [vote["region"] for vote in classes[0]["votes"]] == [0, 1, 2, 3]
        assert np.mean([vote["similarity"] for vote in classes[0]["votes"]]) == pytest.approx(
            classes[0]["score"], abs=1e-5
        )
        status, out, _ = run(capsys, cache, "classify", str(photos), "red/a.jpg", *arguments[3:], *pipeline)
        assert status == 0 and out.index("red") < out.index("blue")
    finally:
        lone_image.unlink()
        lone_image.parent.rmdir()
    search = "search", str(photos), "red/a.jpg", "--pipeline", FAST, "--locate"
    status, out, _ = run(capsys, cache, *search, "--json")
    first = json.loads(out)[0]
    assert status == 0 and 0 <= first["x0"] < first["x1"] <= 128 and 0 <= first["y0"] < first["y1"] <= 96
    status, out, _ = run(capsys, cache, *search, "-k", "2")
    assert status == 0 and "box" in out.splitlines()[1]
    status, out, err = run(capsys, cache, "classify", str(photos), "red/a.jpg", *pipeline)
    assert status != 0 and "has no labels" in err
