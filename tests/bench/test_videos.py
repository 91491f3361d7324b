"""``bench.videos``: summaries of small videos whose shots are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench
from tests.support.videos import write_video
from workbench.bench.bench import Bench
from workbench.cli.main import main
from workbench.config.errors import WorkbenchError

PIPELINE = "efficientnet_lite0/mean/whole"
COLOURS = ((200, 30, 30), (30, 30, 200), (30, 160, 30))


def scene(kind: int, frames: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Frames of one picture of a colour of its own."""
    generator = np.random.default_rng(10 * kind + seed)
    noise = generator.integers(0, 80, (16, 16, 3)) + np.array(COLOURS[kind])
    picture = np.asarray(Image.fromarray(noise.clip(0, 255).astype(np.uint8)).resize((96, 96)))
    for _ in range(frames):
        yield picture


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Two videos at 5 frames a second: of 4, 2 and 6 seconds of three scenes, and of the second one alone."""
    root = tmp_path_factory.mktemp("clips")
    (root / "clips").mkdir()
    frames = [*scene(0, 20), *scene(1, 10), *scene(2, 30)]
    write_video(root / "clips/three.mp4", frames, 5.0)
    write_video(root / "clips/<b>one.mp4", [*scene(1, 30)], 5.0)
    return workbench.open(root, cache=tmp_path_factory.mktemp("cache"), size=96, device="cpu")


def test_a_summary_has_a_moment_of_each_scene(bench: Bench) -> None:
    result = bench.videos.summary("clips/three.mp4", k=3, pipeline=PIPELINE)
    assert [cue[:3] for cue in result.cues] == [
        ("clips/three.mp4", 0.0, 3.5),
        ("clips/three.mp4", 3.5, 5.5),
        ("clips/three.mp4", 5.5, 12.0),
    ]
    assert result.moments == tuple(cue.moment for cue in result.cues)
    assert 0.95 < result.coverage <= result.bound <= 1 + 1e-6
    assert result.table["k"].tolist() == [1, 2, 3]
    # Of two moments of three scenes, those of the longest ones; uniform sampling has none of the last.
    assert result.order[0].endswith(tuple(f"t={second}.00" for second in range(6, 12)))
    assert (result.table["facility_location"] >= result.table["uniform"] - 1e-6).all()
    assert (result.nearest["similarity"] <= 1 + 1e-5).all() and len(result.nearest) == 12


def test_all_videos_are_summarised_together(bench: Bench) -> None:
    result = bench.videos.summary(k=3, pipeline=PIPELINE)
    assert result.video == "" and len(result.nearest) == 18 and result.coverage > 0.95
    assert len({cue.moment for cue in result.cues}) == 3
    everything = bench.videos.summary(k=100, pipeline=PIPELINE)
    assert len(everything.moments) == 18 and everything.coverage == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_summarised_is_said(bench: Bench, bench24: Bench) -> None:
    with pytest.raises(WorkbenchError, match=r"'x\.mp4' is not a video of .*; it has 'clips/"):
        bench.videos.summary("x.mp4", pipeline=PIPELINE)
    with pytest.raises(WorkbenchError, match="k is 0"):
        bench.videos.summary(k=0, pipeline=PIPELINE)
    with pytest.raises(WorkbenchError, match="has no videos"):
        bench24.videos.summary(pipeline=PIPELINE)


def test_command_writes_a_storyboard(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["summary", str(bench.collection.root), "clips/three.mp4", "-k", "3", "--size", "96"]
    arguments += ["--device", "cpu", "--pipeline", PIPELINE, "--cache", str(bench.options.cache)]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(tmp_path / "board.png"), "--json"])
    assert not ended.value.code
    printed = json.loads(capsys.readouterr().out)
    assert [moment["start"] for moment in printed["moments"]] == [0.0, 3.5, 5.5]
    assert Image.open(tmp_path / "board.png").width > 3 * 96
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(tmp_path / "board.pdf")])
    assert ended.value.code == 2 and "is not a kind of file" in capsys.readouterr().err


def test_events_are_the_shots_that_a_query_describes(bench: Bench) -> None:
    query = "image:clips/three.mp4#t=8.00 - 0.5 image:clips/three.mp4#t=1.00"
    result = bench.videos.events(query, pipeline=PIPELINE, name="green")
    assert result.table[["video", "start", "end"]].to_numpy().tolist() == [["clips/three.mp4", 5.5, 12.0]]
    assert result.table["peak"][0].startswith("clips/three.mp4#t=")
    assert result.title == "green" and [cue[1:3] for cue in result.cues] == [(5.5, 12.0)]
    blue = bench.videos.events("image:clips/three.mp4#t=5.00", 2.0, 0.2, pipeline=PIPELINE)
    assert set(blue.table["video"]) == {"clips/three.mp4", "clips/<b>one.mp4"}
    assert not len(bench.videos.events("image:clips/three.mp4#t=5.00", 2.0, 99, pipeline=PIPELINE).table)


@pytest.mark.parametrize(
    "query",
    [
        "image:clips/three.mp4#t=8.00 - 0.5 image:clips/three.mp4#t=1.00",
        "image:clips/three.mp4#t=8.00 and text:sky",
        "image:clips/three.mp4#t=8.00 + image:clips/three.mp4#t=8.00",
    ],
)
def test_recountings_add_up_to_the_score(bench: Bench, query: str) -> None:
    result = bench.videos.events(query, pipeline=PIPELINE)
    assert len(result.table)
    why = result.recount(0)
    assert why.score == result.table["score"][0] >= result.threshold
    assert why.moments["contribution"].sum() == pytest.approx(why.score, abs=1e-9)
    assert why.table["contribution"].sum() == pytest.approx(why.score, abs=1e-6)
    assert sum(float(part.heatmap.sum()) for part in why.cells) + why.constant == pytest.approx(why.score)
    assert why.sum().groups.sum() == pytest.approx(why.score, abs=1e-6)
    # What the parts of each moment add is what the moment adds.
    by_moment = why.table.groupby("moment")["contribution"].sum()
    expected = why.moments.set_index("moment")["contribution"]
    assert by_moment[expected.index].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_moments_beyond_those_explained_are_added_as_a_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.analysis.recounting.EXPLAINED", 2)
    why = bench.videos.events("image:clips/three.mp4#t=8.00 or text:sky", pipeline=PIPELINE).recount()
    assert len(why.cells) == 2 < len(why.moments) and "other moments" in set(why.table["name"])
    assert why.table["contribution"].sum() == pytest.approx(why.score, abs=1e-6)


def test_what_is_no_event_is_said(bench: Bench, bench24: Bench) -> None:
    query = "image:clips/three.mp4#t=8.00"
    for arguments, message in (
        (("nothing.jpg",), "nothing.jpg"),
        (("text:",), "text"),
        ((query, -1.0), "min_seconds is -1.0"),
        ((query, float("nan")), "min_seconds is nan"),
        ((query, 2.0, float("inf")), "threshold is inf"),
        ((Image.new("RGB", (8, 8)),), "give the picture's file"),
    ):
        with pytest.raises(WorkbenchError, match=message):
            bench.videos.events(*arguments, pipeline=PIPELINE)
    with pytest.raises(WorkbenchError, match="has no videos"):
        bench24.videos.events("text:sky", pipeline=PIPELINE)
    with pytest.raises(WorkbenchError, match=r"9 is not a row .*; valid: 0 to"):
        bench.videos.events(query, pipeline=PIPELINE).recount(9)


def test_command_lists_events_and_recounts_one(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["events", str(bench.collection.root), "--query", "image:clips/three.mp4#t=8.00"]
    arguments += ["--size", "96", "--device", "cpu", "--pipeline", PIPELINE]
    arguments += ["--cache", str(bench.options.cache), "--recount", "1"]
    with pytest.raises(SystemExit):
        main([*arguments, "--json"])
    printed = json.loads(capsys.readouterr().out)
    (event,) = printed["events"]
    assert (event["start"], event["end"]) == (5.5, 12.0)
    assert sum(row["contribution"] for row in printed["recounting"]) == pytest.approx(
        event["score"], abs=1e-6
    )
    with pytest.raises(SystemExit):
        main(arguments)
    out = capsys.readouterr().out
    assert "0:05.5  0:12.0" in out and "the score as a sum" in out
