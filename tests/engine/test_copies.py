"""Copies of small videos of photographs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import workbench
from tests.support.videos import write_video
from workbench.bench.bench import Bench
from workbench.collections.posters.photos import crop, read_photos
from workbench.collections.video import border_store
from workbench.common.progress import silent
from workbench.config.errors import WorkbenchError

SIDE, FPS = 96, 5.0
PIPELINE = "efficientnet_lite0/max/rmac:3"


def scenes(first: int, seconds: int) -> list[np.ndarray]:
    """Frames of which each second shows a part of a photograph of its own."""
    photos = list(read_photos().values())
    frames = []
    for scene in range(first, first + seconds):
        picture = crop(photos[scene % len(photos)], SIDE, SIDE, np.random.default_rng(scene), 1.5)
        frames += [np.asarray(picture)] * int(FPS)
    return frames


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("copies")
    (root / "<b>").mkdir()
    write_video(root / "<b>/a.mp4", scenes(0, 9), FPS)
    write_video(root / "<b>/c.mp4", scenes(100, 9), FPS)
    inside = [*scenes(203, 2), *scenes(103, 4)]
    letterbox = []
    for frame in inside:
        bars = np.zeros((SIDE, SIDE, 3), np.uint8)
        bars[16:80] = cv2.resize(frame[:, ::-1], (SIDE, 64))
        letterbox.append(bars)
    queries = tmp_path_factory.mktemp("queries")
    write_video(queries / "q.mp4", letterbox, FPS)
    return workbench.open(
        root, cache=tmp_path_factory.mktemp("cache"), size=128, device="cpu", precision="float32"
    )


@pytest.fixture(scope="module")
def query(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield next(tmp_path_factory.getbasetemp().glob("queries*/q.mp4"))


@pytest.mark.parametrize("pipeline", [PIPELINE, f"{PIPELINE}/lsh:256"])
def test_mirrored_segment_in_a_letterbox_is_located(bench: Bench, query: Path, pipeline: str) -> None:
    copies = bench.copies(query, pipeline=pipeline, progress=silent)
    assert list(copies.columns) == ["query_start", "query_end", "video", "start", "end", "score"]
    best = copies.iloc[0]
    assert best["video"] == "<b>/c.mp4"
    numbers = [best["query_start"], best["query_end"], best["start"], best["end"]]
    assert numbers == pytest.approx([2, 6, 3, 7], abs=1.01)


def test_video_of_the_collection_is_not_a_copy_of_itself(bench: Bench) -> None:
    assert "<b>/a.mp4" not in set(bench.copies("<b>/a.mp4", pipeline=PIPELINE, progress=silent)["video"])


def test_alignment_has_the_similarities_of_all_frames(bench: Bench, query: Path) -> None:
    alignment = bench.videos.alignment(query, "<b>/c.mp4", pipeline=PIPELINE, progress=silent)
    assert alignment.similarities.shape == (len(alignment.query_times), len(alignment.times)) == (6, 9)
    assert alignment.mirrored
    assert alignment.similarities[4].argmax() == 5
    figure = alignment.figure()
    np.testing.assert_allclose(figure.data[0].z, alignment.similarities, atol=6e-4)
    best = alignment.segments.iloc[0]
    line = figure.data[1]
    assert list(line.x) == [best["start"], best["end"]]
    assert list(line.y) == [best["query_start"], best["query_end"]]
    assert "&lt;b&gt;" in figure.layout.title.subtitle.text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"video": "none.mp4"}, "neither a video of"),
        ({"video": ""}, "is empty"),
        ({"video": "<b>/a.mp4", "fps": 0}, "not a number of frames"),
        ({"video": "<b>/a.mp4", "min_score": -1}, "not a number of seconds"),
        ({"video": __file__}, "cannot|can be decoded|not a video"),
    ],
)
def test_wrong_input_is_named(bench: Bench, arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(WorkbenchError, match=reason):
        bench.copies(**arguments, progress=silent)  # type: ignore[arg-type]


def test_borders_of_database_videos_are_cut_too(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is the clean video, and the database has it with pillars, squeezed."""
    framed = []
    for frame in scenes(300, 6):
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        picture[:, 24:72] = cv2.resize(frame, (48, SIDE))
        framed.append(picture)
    root = tmp_path / "root"
    root.mkdir()
    write_video(root / "framed.mp4", framed, FPS)
    write_video(root / "other.mp4", scenes(320, 9), FPS)
    query = write_video(tmp_path / "q.mp4", scenes(300, 6), FPS)
    new = workbench.open(root, cache=tmp_path / "cache", size=128, device="cpu", precision="float32")
    for code in ("/sh:256", "/lsh:256", ""):
        best = new.copies(query, pipeline=PIPELINE + code, progress=silent).iloc[0]
        assert best["video"] == "framed.mp4"
        numbers = [best["query_start"], best["query_end"], best["start"], best["end"]]
        assert numbers == pytest.approx([0, 6, 0, 6], abs=1.01), code
    (box,) = border_store.video_boxes({"a": root / "framed.mp4"}, tmp_path / "cache").values()
    assert box is not None and box[:3] == pytest.approx([24, 0, 72], abs=2)

    def refuse(*_: object) -> None:
        raise AssertionError("described again")

    # All frames and boxes are stored now.
    monkeypatch.setattr("workbench.engine.copies.frame_vectors", refuse)
    monkeypatch.setattr("workbench.engine.cropped_moments.frame_vectors", refuse)
    monkeypatch.setattr(border_store, "content_box", refuse)
    again = workbench.open(root, cache=tmp_path / "cache", size=128, device="cpu", precision="float32")
    assert again.copies(query, pipeline=PIPELINE, progress=silent).iloc[0].equals(best)
    with pytest.raises(AssertionError, match="again"):  # other descriptors are not mixed up with these
        again.copies(query, pipeline=f"{PIPELINE}/norm", progress=silent)
