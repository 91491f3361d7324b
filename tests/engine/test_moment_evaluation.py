"""Instance search in small videos: rankings of shots, videos and moments, and their measures by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench
from tests.support.videos import write_video
from workbench.bench.bench import Bench
from workbench.cli.main import main
from workbench.collections.collection import Query
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.video.shot import Shot
from workbench.collections.video.truth import Appearance, VideoTruth
from workbench.config.errors import WorkbenchError

SIDE, FPS = 96, 8
PIPELINE = "efficientnet_lite0/mean/whole"
# Seconds of the patterns that each video shows.
VIDEOS = {"a.avi": [(0, 3), (1, 3)], "b.avi": [(2, 3), (0, 2)], "c.avi": [(3, 4)]}


def pattern(number: int) -> np.ndarray:
    blocks = np.random.default_rng(number).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return blocks.repeat(SIDE // 6, 0).repeat(SIDE // 6, 1)


def frames(parts: list[tuple[int, int]]) -> Iterator[np.ndarray]:
    for number, seconds in parts:
        yield from [pattern(number)] * (seconds * FPS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    for name, parts in VIDEOS.items():
        write_video(root / name, frames(parts), FPS)
    Image.fromarray(pattern(0)).save(root / "still.png")
    return root


@pytest.fixture(scope="module")
def bench(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return workbench.open(
        folder, cache=tmp_path_factory.mktemp("cache"), size=SIDE, device="cpu", precision="float32"
    )


@pytest.fixture(scope="module")
def judged(bench: Bench, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The videos with ground truth: pattern 0 appears in a and b, and, by a false entry, late in c."""
    shots = {
        "a.avi": (Shot("a.avi", 0, 3), Shot("a.avi", 3, 6)),
        "b.avi": (Shot("b.avi", 0, 3), Shot("b.avi", 3, 5)),
        "c.avi": (Shot("c.avi", 0, 4),),
    }
    seen = (("a.avi", 0, 3), ("b.avi", 3, 5), ("c.avi", 3.5, 4))
    truth = VideoTruth(shots, appearances=tuple(Appearance("q", *entry) for entry in seen))
    positives = ["a.avi#t=0.00", "a.avi#t=1.00", "a.avi#t=2.00", "b.avi#t=3.00", "b.avi#t=4.00"]
    collection = replace(
        bench.collection,
        images=tuple(image for image in bench.collection.images if "#t=" in image),
        queries=(Query("q", "still.png"),),
        relevance={"q": dict.fromkeys(positives, "easy")},
        protocol=PROTOCOLS["revisited"],
        video_truth=truth,
    )
    return Bench(collection, bench.options)


def test_measures_of_instance_search_by_hand(judged: Bench) -> None:
    evaluation = judged.videos.evaluate(PIPELINE)
    row = evaluation.per_query.iloc[0]
    # Both shots of the pattern are first; the third positive, c's only shot, has another pattern.
    shots = judged.videos.search("q", pipeline=PIPELINE, k=None)
    place = shots["video"].tolist().index("c.avi") + 1
    assert len(shots) == 5 and place >= 3 and row["shots"] == row["videos"] == 3 and row["first_shot"] == 1
    assert row["ap_shots"] == pytest.approx((1 + 1 + 3 / place) / 3) and row["ap_videos"] == 1
    # The best moments in a and b are right; that of c is before 3.5 s.
    error = 3.5 - float(shots["moment"][place - 1].partition("#t=")[2])
    assert error >= 0.5 and evaluation.metrics["time_error"] == row["time_error"] == 0
    assert evaluation.metrics["time_error_mean"] == pytest.approx(error / 3)
    assert evaluation.metrics["near"] == pytest.approx(1.0 if error <= 1 else 2 / 3)
    assert (evaluation.moments, evaluation.shots, evaluation.videos) == (15, 5, 3)
    assert "1 a second" in repr(evaluation)


def test_results_are_grouped_by_detected_shots_and_by_videos(bench: Bench) -> None:
    shots = bench.videos.search("still.png", pipeline=PIPELINE, k=None)
    # The still image is a group of its own, without a video.
    assert shots["rank"].tolist() == [1, 2, 3, 4, 5, 6] and shots["moment"].is_unique
    first = shots[shots["video"] == ""].iloc[0]
    assert first["moment"] == "still.png" and np.isnan(first["start"]) and first["relevance"] == "query"
    top = shots[shots["video"] != ""].head(2)
    assert {*zip(top["video"], top["start"], top["end"], strict=True)} == {("a.avi", 0, 3), ("b.avi", 3, 5)}
    assert shots["score"].is_monotonic_decreasing
    videos = bench.videos.search("still.png", pipeline=PIPELINE, group="video", k=3)
    assert {*videos["video"]} == {"", "a.avi", "b.avi"}
    assert videos.set_index("video").loc["b.avi", "end"] == pytest.approx(5)
    moments = bench.videos.search("still.png", pipeline=PIPELINE, group="moment", k=None)
    assert len(moments) == 16 and set(moments["moment"]) == set(bench.collection.images)


def test_bad_input(bench: Bench, bench24: Bench) -> None:
    with pytest.raises(WorkbenchError, match="'clip' is not known; valid: shot, video, moment"):
        bench.videos.search("still.png", group="clip")  # type: ignore[arg-type]
    with pytest.raises(WorkbenchError, match="has no videos"):
        bench24.videos.search(bench24.collection.images[0])
    with pytest.raises(WorkbenchError, match="no ground truth of objects in videos"):
        bench.videos.evaluate(PIPELINE)


def test_the_command_searches_by_video(
    folder: Path, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["search", str(folder), "still.png", "--pipeline", PIPELINE, "--size", str(SIDE)]
    arguments += ["--precision", "float32", "--cache", str(bench.options.cache), "--by"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "shot", "--json", "-k", "3"])
    assert not ended.value.code
    records = json.loads(capsys.readouterr().out)
    assert {record["video"] for record in records} == {"", "a.avi", "b.avi"}
    assert next(r["start"] for r in records if not r["video"]) is None
    with pytest.raises(SystemExit):
        main([*arguments, "video"])
    assert "0:05.0" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "clip"])
    assert ended.value.code and "valid: shot, video, moment" in capsys.readouterr().err
