"""Moments of videos: names, frames at times, and files that are damaged."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from tests.support.videos import number_of, numbered, write_sound, write_video
from workbench.collections import contents, images
from workbench.collections.folder import open_folder
from workbench.collections.lookup import image_at
from workbench.collections.video import reader
from workbench.collections.video.header import sample_times, video_header
from workbench.collections.video.moment import clock, moment_name, moment_of, video_of
from workbench.collections.video.reader import Reader
from workbench.collections.video.sampling import Sampling
from workbench.collections.video.shot import Shot, shot_numbers
from workbench.config.errors import WorkbenchError


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 numbered frames at 25 a second: frame n is shown from n/25 s on."""
    return write_video(tmp_path_factory.mktemp("videos") / "clip.mp4", numbered(250))


@given(
    st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1),
    st.integers(0, 10**7),
)
def test_name_of_a_moment_is_read_back(stem: str, hundredths: int) -> None:
    name = moment_name(f"{stem}.mp4", hundredths / 100)
    moment = moment_of(Path("clips") / name)
    assert moment is not None
    assert (moment.file, round(100 * moment.seconds)) == (Path("clips") / f"{stem}.mp4", hundredths)
    assert video_of(name) == f"{stem}.mp4"


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.jpg#t=1.00", "a.mp4", "a.mp4#t=", "a.mp4#t=-1", "#t=1.00", "a#t=1"]
)
def test_other_names_are_no_moments(name: str) -> None:
    assert moment_of(Path(name)) is None and video_of(name) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (12.4, "0:12.4"), (59.96, "1:00.0"), (3723, "1:02:03.0")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "number"),
    [
        (0, 0),
        (0.03, 0),
        (0.04, 1),
        (1.0, 25),
        (0.99, 24),
        (9.96, 249),
        (5.0, 125),
        (4.99, 124),
        (5.02, 125),
        (0.0, 0),
    ],
)
def test_frame_is_the_last_that_begins_by_the_time(video: Path, seconds: float, number: int) -> None:
    assert number_of(images.load(Path(f"{video}#t={seconds:.2f}"))) == number


@given(st.lists(st.integers(0, 249), min_size=1, max_size=8))
def test_frames_do_not_depend_on_what_was_read_before(video: Path, numbers: list[int]) -> None:
    for number in numbers:
        assert number_of(images.load(Path(f"{video}#t={number / 25:.2f}"))) == number


def test_header_and_samples(video: Path) -> None:
    header = video_header(video)
    assert (header.width, header.height, header.seconds, header.fps, header.note) == (64, 64, 10.0, 25.0, "")
    assert sample_times(header, 1.0) == list(range(10))
    assert sample_times(header, 0.4) == [0, 2.5, 5, 7.5]
    assert sample_times(header, 0.01) == [0]


def test_moment_beyond_the_end_is_refused(video: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"no frame decodes at 11\.00 s"):
        images.load(Path(f"{video}#t=11.00"))


def test_moments_have_keys_of_their_content(video: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    cache = contents.of(tmp_path / "cache")
    keys = [
        cache.header(Path(f"{file}#t={t}")).fingerprint for file in (video, copy) for t in ("1.00", "2.00")
    ]
    assert keys[0] == keys[2] != keys[1] == keys[3]
    write_video(copy, numbered(100))
    os.utime(copy, ns=(1, 1))
    assert cache.header(Path(f"{copy}#t=1.00")).fingerprint != keys[0]
    assert video_header(copy).seconds == 4.0


def test_folder_of_images_and_videos_opens(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed" / "a b"
    folder.mkdir(parents=True)
    (folder / "clip <b>.mp4").write_bytes(video.read_bytes())
    (folder / "empty.mp4").touch()
    (folder / "text.mov").write_text("no video" * 100)
    write_sound(folder / "sound.mkv")
    images.load(Path(f"{video}#t=0.00")).save(folder / "photo.png")
    collection = open_folder(tmp_path / "mixed", sampling=Sampling(fps=0.5))
    moments = [f"a b/clip <b>.mp4#t={t}.00" for t in range(0, 10, 2)]
    assert list(collection.images) == ["a b/photo.png", *moments]
    assert dict(collection.problems) == {
        "a b/empty.mp4": "the file is empty",
        "a b/sound.mkv": "the file has no pictures, only sound",
        "a b/text.mov": "the content is not a video that can be decoded",
    }
    assert image_at(collection, folder / "clip <b>.mp4#t=2") == moments[1]
    assert image_at(collection, folder / "clip <b>.mp4#t=2.5") is None
    assert image_at(collection, folder / "other.mp4#t=2") is None


def test_video_that_is_cut_short_is_read_up_to_its_end(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.avi", numbered(100)).read_bytes()
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "cut.avi").write_bytes(whole[: len(whole) // 2])
    mp4 = write_video(tmp_path / "whole.mp4", numbered(100)).read_bytes()
    (folder / "cut.mp4").write_bytes(mp4[: len(mp4) // 2])  # its index is at the end
    collection = open_folder(folder)
    assert 1 <= len(collection.images) <= 3 and {video_of(image) for image in collection.images} == {
        "cut.avi"
    }
    for image in collection.images:
        assert number_of(images.load(collection.path(image))) == 25 * round(float(image.rpartition("=")[2]))
    assert "index (moov) is missing" in dict(collection.problems)["cut.mp4"]


def test_pipelines_work_on_moments(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(video.read_bytes())
    bench = wb.open(folder, cache=tmp_path / "cache", size=64)
    pipeline = "timm:test_resnet@random/mean/whole"
    ranking = bench.search("clip.mp4#t=3.00", pipeline=pipeline, k=3)
    assert ranking["image_id"][0] == "clip.mp4#t=3.00" and ranking["score"][0] == pytest.approx(1, abs=1e-3)
    why = bench.explain("clip.mp4#t=3.00", ranking["image_id"][1], pipeline=pipeline)
    assert why.image_heatmap.sum() + why.constant == pytest.approx(why.score, abs=1e-4)
    outside = bench.search(f"{folder / 'clip.mp4'}#t=3.04", pipeline=pipeline, k=1)  # a frame between samples
    assert len(outside) == 1
    assert bench.thumbnail("clip.mp4#t=3.00")[:2] == b"\xff\xd8"


def test_videos_of_a_collection_are_listed_with_their_moments(video: Path, tmp_path: Path) -> None:
    bench = wb.open(video.parent, cache=tmp_path, fps=0.5)
    names = tuple(f"clip.mp4#t={seconds:.2f}" for seconds in (0, 2, 4, 6, 8))
    assert bench.collection.videos == {"clip.mp4": names}
    assert bench.videos.table().to_dict("records") == [
        {"video": "clip.mp4", "seconds": 10.0, "fps": 25.0, "width": 64, "height": 64, "moments": 5}
    ]


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=8), st.integers(0, 30_000))
def test_shot_of_a_time_contains_it(lengths: list[int], hundredths: int) -> None:
    ends = np.cumsum(lengths) / 100
    shots = [Shot("a.mp4", end - length / 100, end) for end, length in zip(ends, lengths, strict=True)]
    seconds = hundredths / 100
    number = int(shot_numbers(shots, [seconds])[0])
    if seconds < ends[-1] - 0.005:
        assert shots[number].start - 0.005 <= seconds < shots[number].end
    else:
        assert number == len(shots) - 1


def test_headers_are_stored_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cache = tmp_path / "clips", tmp_path / "cache"
    folder.mkdir()
    for name in ("a", "b"):
        file = write_video(folder / f"{name}.mp4", numbered(25))
    (folder / "c.mp4").write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    monkeypatch.setattr("workbench.collections.video.header_table.is_settled", lambda _: True)
    opened: list[str] = []

    def reader_of(path: Path) -> Reader:
        opened.append(path.name)
        return reader.reader_of(path)

    def open_as_another_process() -> list[str]:
        monkeypatch.setattr("workbench.collections.video.header._headers", {})
        opened.clear()
        collection = open_folder(folder, cache=cache)
        moments.append((collection.images, collection.problems, collection.notes))
        return sorted(set(opened))

    moments: list[object] = []
    monkeypatch.setattr("workbench.collections.video.header.reader_of", reader_of)
    assert open_as_another_process() == ["a.mp4", "b.mp4", "c.mp4"]
    assert open_as_another_process() == ["c.mp4"]  # which cannot be read
    (folder / "b.mp4").write_bytes((folder / "b.mp4").read_bytes() + b"\0")
    assert open_as_another_process() == ["b.mp4", "c.mp4"]
    assert moments[0] == moments[1] == moments[2]
    (cache / "contents.sqlite").write_bytes(b"damaged")
    assert open_as_another_process() == ["a.mp4", "b.mp4", "c.mp4"]
    assert moments[3] == moments[0]
