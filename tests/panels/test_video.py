"""The panel of videos without a browser: timelines, seeking, shots, grouping, files and frames."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.support.benches import opened
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from tests.support.sessions import settled
from tests.support.videos import number_of, numbered, write_video
from workbench.bench.bench import Bench
from workbench.collections.collection import Collection
from workbench.panels import Session
from workbench.panels.results.groups import SHOTS, VIDEOS, group_keys
from workbench.panels.results.panel import Results
from workbench.panels.video.file_server import FileServer, byte_range
from workbench.panels.video.frames import frame_jpeg
from workbench.panels.video.moments import Moments, Strips
from workbench.panels.video.panel import VideoPanel
from workbench.panels.widgets.player import Player

PIPELINE = f"{NETWORK}/mean/whole"
A, B = "a <b>.mp4", "sub/b.mp4"
TWO = {A: (f"{A}#t=0.00", f"{A}#t=1.00", f"{A}#t=2.00"), B: (f"{B}#t=0.00", f"{B}#t=1.00")}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Two videos of 3 and 2 seconds, and an image."""
    folder = folder_of(tmp_path_factory.mktemp("videos"), 1)
    (folder / "sub").mkdir()
    write_video(folder / A, numbered(75))
    write_video(folder / B, numbered(50))
    return opened(folder, tmp_path_factory.mktemp("cache"), labels="none", size=64)


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    session = Session(bench, pipeline=PIPELINE, query=f"{A}#t=0.00")
    session.refresh()
    yield settled(session)
    session.cancel()
    assert session.wait(60)


def test_lengths_are_those_of_headers_or_else_of_moments() -> None:
    videos = {"a.mp4": ("a.mp4#t=0.00",), "b.mp4": ("b.mp4#t=0.00", "b.mp4#t=2.00")}
    rows = Moments(videos, {"a.mp4": 7.5}).rows()
    assert [row["seconds"] for row in rows] == [7.5, 4.0]


def strips_of(table: pd.DataFrame) -> Strips:
    moments = Moments(TWO)
    return moments.strips(table, moments.scores(table))


def ranking(*rows: tuple[str, float, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["image_id", "score", "relevance"])
    table.insert(0, "rank", range(1, len(rows) + 1))
    return table


# Timelines


def test_strips_have_a_byte_for_each_moment_the_best_videos_first_and_the_first_results_as_hits() -> None:
    strips = strips_of(
        ranking(
            (f"{A}#t=0.00", 1.0, "query"),
            (f"{B}#t=1.00", 0.8, "positive"),
            ("image.jpg", 0.7, "unknown"),
            (f"{A}#t=2.00", 0.5, "negative"),
            (f"{A}#t=1.00", 0.3, "negative"),
        )
    )
    # On the scale 0.3 … 0.8, without the query: 0.5 is 1 + 254 · 0.4. One moment is not ranked.
    assert list(strips.values) == [255, 1, 103, 0, 255]
    assert strips.scale == [0.3, 0.8] and strips.order == [0, 1]
    assert strips.hits[1:3] == [[4, 2, "✓", "positive"], [2, 4, "✗", "negative"]]


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=5))
def test_order_of_videos_is_that_of_their_best_moments(scores: list[float]) -> None:
    names = [name for moments in TWO.values() for name in moments]
    table = ranking(*((name, score, "unknown") for name, score in zip(names, scores, strict=True)))
    order = strips_of(table).order
    assert sorted(order) == [0, 1] and (order[0] == 0) == (max(scores[:3]) >= max(scores[3:]))


def test_nothing_ranked_has_no_scale() -> None:
    strips = strips_of(ranking())
    assert strips.values == bytes(5) and strips.scale == [] and strips.hits == []


def test_nearest_moment_and_length_of_a_video() -> None:
    moments = Moments(TWO)
    assert moments.nearest(A, 1.4) == f"{A}#t=1.00" and moments.nearest(B, 99.0) == f"{B}#t=1.00"
    assert moments.length(A) == 3.0 and [row["count"] for row in moments.rows()] == [3, 2]


# The panel


def test_click_on_a_timeline_shows_the_video_and_studies_its_nearest_moment(session: Session) -> None:
    panel = VideoPanel(session)
    settled(session)
    assert [row["name"] for row in panel.timelines.rows] == [A, B]
    assert len(panel.timelines.values) == 5 and panel.timelines.hits
    message = {"seek": 0.9, "video": B}
    panel.timelines._handle_custom_msg(message, [])
    settled(session)
    assert session.image == f"{B}#t=1.00"
    assert panel.player.video == panel.timelines.current == B
    shots, pictures = panel.player.shots, panel.storyboard.grid.figures
    assert shots[0][0] == 0 and shots[-1][1] == pytest.approx(2.0)
    table = panel.storyboard.shots
    assert isinstance(table, pd.DataFrame) and set(table["video"]) == {B}
    assert pictures[0]["caption"].startswith("0:00.0 – ") and pictures[-1]["caption"].endswith(" – 0:02.0")
    # Each shot has a picture of its own, even where two have one nearest moment; it opens that moment.
    assert len({picture["name"] for picture in pictures}) == len(pictures) == len(shots)
    assert {picture["opens"] for picture in pictures} <= set(TWO[B])
    assert {figure["name"] for figure in panel.summary.grid.figures} == set(TWO[B])


def test_late_message_of_a_video_that_was_left_is_dropped(session: Session) -> None:
    panel = VideoPanel(session)
    settled(session)
    panel.timelines._handle_custom_msg({"show": B}, [])
    panel.player._handle_custom_msg({"seek": 2.0, "video": A}, [])
    settled(session)
    assert panel.player.video == B and session.image.startswith(B)


def test_image_of_another_panel_moves_the_player(session: Session) -> None:
    panel = VideoPanel(session)
    settled(session)
    session.image = f"{B}#t=1.00"
    settled(session)
    assert panel.player.video == B and panel.player.at == {"video": B, "seconds": 1.0}
    session.image = next(image for image in session.bench.collection.images if "#t=" not in image)
    assert panel.player.video == B  # an image that is no moment changes nothing


def test_slider_changes_the_number_of_moments_of_the_summary(session: Session) -> None:
    panel = VideoPanel(session)
    session.image = f"{A}#t=1.00"
    settled(session)
    panel.summary.slider._handle_custom_msg({"slider": 0, "at": 1, "value": "2"}, [])
    settled(session)
    assert len(panel.summary.grid.figures) == 2 and "cover" in panel.summary.lines.lines[0]["text"]
    name, contents = panel.summary.download._makers[1]()
    assert name.endswith(".csv") and contents.decode().count(A) >= 2


def test_second_video_is_aligned_with_the_first(session: Session) -> None:
    panel = VideoPanel(session)
    session.image = f"{A}#t=0.00"
    settled(session)
    panel.timelines._handle_custom_msg({"beside": B}, [])
    settled(session)
    assert panel.second.video == B and panel.second.leader == A
    assert panel.pair.plot.figure is not None
    assert len(panel.timelines.segments) == 2 * len(panel.second.follows)
    panel.timelines._handle_custom_msg({"beside": ""}, [])
    settled(session)
    assert panel.second.video == "" and panel.timelines.segments == []


def test_new_query_dims_the_timelines_at_once(session: Session) -> None:
    panel = VideoPanel(session)
    settled(session)
    assert not panel.timelines.stale
    session.choose(f"{B}#t=0.00")
    assert panel.timelines.stale
    settled(session)
    assert not panel.timelines.stale


def test_collection_without_videos_says_what_to_open(bench24: Bench) -> None:
    session = Session(bench24, pipeline=PIPELINE)
    panel = VideoPanel(session)
    assert "no videos" in panel.lines.lines[0]["text"] and panel.body.layout.display == "none"
    assert Results(session).groups.select.layout.display == "none"


# Ranked moments


def test_group_keys_are_those_of_videos_and_of_known_shots() -> None:
    names = [*TWO[A], *TWO[B], "image.jpg"]
    collection = Collection("two", Path(), tuple(names))
    starts = {A: [0.0, 1.5]}
    assert len(set(group_keys(names, VIDEOS, collection, starts))) == 3
    shots = group_keys(names, SHOTS, collection, starts)
    assert shots[:3] == [(A, 1), (A, 1), (A, 2)]
    assert len(set(shots[3:])) == 3  # of a video whose shots are not known each moment is a group


def test_results_show_times_and_are_grouped_by_video_and_shot(session: Session) -> None:
    results = Results(session)
    settled(session)
    results.draw(None)
    captions = {figure["name"]: str(figure.get("caption")) for figure in results.grid.figures}
    assert captions[f"{A}#t=2.00"].startswith("0:02.0") and captions[f"{A}#t=2.00"].endswith(A)
    results.groups.select.value = VIDEOS
    settled(session)
    figures = results.grid.figures
    assert [figure["rank"] for figure in figures] == ["1", "2", "3"]
    assert sorted(figure.get("members", "") for figure in figures) == ["", "2 moments", "3 moments"]
    assert figures[0]["name"] == f"{A}#t=0.00"  # the query itself
    results.groups.select.value = SHOTS
    settled(session)
    assert "shot 1" in results.grid.figures[0]["caption"] and set(session.shots) == {A, B}
    results.groups.select.value = "moments"
    assert len(results.grid.figures) == 6 and "members" not in results.grid.figures[0]


def test_group_has_the_best_relevance_of_its_moments_and_the_score_of_its_first(session: Session) -> None:
    groups = Results(session).groups
    groups.select.value = VIDEOS
    table = ranking(
        (f"{B}#t=0.00", 0.9, "negative"),
        (f"{A}#t=2.00", 0.8, "negative"),
        (f"{A}#t=0.00", 0.7, "hard"),
        (f"{A}#t=1.00", 0.6, "junk"),
        (f"{B}#t=1.00", 0.5, "junk"),
    )
    grouped = groups.grouped(table, table)
    assert grouped[["rank", "score", "relevance", "members"]].to_numpy().tolist() == [
        [1, 0.9, "junk", 2],
        [2, 0.8, "hard", 3],
    ]
    errors = groups.grouped(table, table[table["relevance"] == "negative"].iloc[1:])
    assert errors[["rank", "relevance", "members"]].to_numpy().tolist() == [[2, "negative", 3]]


# Files in ranges


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("", (0, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=2-5", (2, 6)),
        ("bytes=8-99", (8, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=10-", None),
        ("bytes=-0", None),
        ("bytes=0-1,4-5", (0, 10)),
        ("lines=1-2", (0, 10)),
        ("bytes=-", (0, 10)),
    ],
)
def test_range_of_bytes(text: str, interval: tuple[int, int] | None) -> None:
    assert byte_range(text, 10) == interval


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[FileServer, Path]]:
    file = tmp_path / "a.webm"
    file.write_bytes(bytes(range(256)) * 4)
    server = FileServer(lambda name: file if name == "50% é/<b>.webm" else None)
    yield server, file
    server.close()


def fetched(address: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.netloc, timeout=10)
    connection.request(method, parts.path, headers={name.replace("_", "-"): v for name, v in headers.items()})
    answer = connection.getresponse()
    result = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return result


def test_file_is_served_whole_and_in_ranges(served: tuple[FileServer, Path]) -> None:
    server, file = served
    address = server.address("50% é/<b>.webm")
    status, headers, body = fetched(address)
    assert (status, headers["Content-Type"], body) == (200, "video/webm", file.read_bytes())
    status, headers, body = fetched(address, Range="bytes=10-19")
    assert (status, headers["Content-Range"], body) == (206, "bytes 10-19/1024", bytes(range(10, 20)))
    assert fetched(address, Range="bytes=2000-")[0] == 416
    status, headers, body = fetched(address, "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "1024", b"")
    # A part of a changed file does not fit to what the page has: the whole is sent.
    tag = headers["ETag"]
    assert fetched(address, Range="bytes=0-1", If_Range=tag)[0] == 206
    file.write_bytes(b"other")
    assert fetched(address, Range="bytes=0-1", If_Range=tag)[::2] == (200, b"other")
    file.unlink()
    assert fetched(address)[0] == 404


def test_other_names_tokens_and_hosts_are_refused(served: tuple[FileServer, Path]) -> None:
    server, file = served
    address = server.address("50% é/<b>.webm")
    token = urlsplit(address).path.split("/")[1]
    assert len(token) > 40
    for other in (
        server.address("../a.webm"),
        server.address(str(file)),
        address.replace(token, "x" * len(token)),
        address.replace(f"/{token}", ""),
    ):
        assert fetched(other)[0] == 404
    assert fetched(address, Host="evil.example")[0] == 404
    assert fetched(address, "POST")[0] == 501


# Frames from the kernel


class Recorded(Player):
    """A player that records what it sends to the browser."""

    def __init__(self, *arguments: Any) -> None:
        self.sent: list[tuple[Any, Any]] = []
        super().__init__(*arguments)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((content, buffers))


def test_frame_is_the_one_of_its_time_and_the_last_one_beyond_the_end(bench: Bench) -> None:
    path = bench.collection.path(A)
    for seconds, number in ((0.0, 0), (1.22, 30), (99.0, 74)):
        assert number_of(Image.open(io.BytesIO(frame_jpeg(path, seconds, 64)))) == number


def test_playing_sends_frames_in_order_and_stops_at_once(bench: Bench) -> None:
    path = bench.collection.path(A)
    player = Recorded(lambda video, seconds, side: frame_jpeg(path, seconds, side))
    player.load(A, "", 3.0, np.arange(3))
    player._handle_custom_msg({"play": 1.0, "video": A, "side": 64}, [])
    deadline = time.monotonic() + 10
    while len(player.sent) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)  # three frames wait to be shown: no further one is sent
    frames = [content["frame"] for content, _ in player.sent]
    assert len(frames) == 3 and frames == sorted(frames) and frames[0] == 1.0
    player._handle_custom_msg({"stop": True}, [])
    assert player.runner.wait(0.5)


def test_frame_that_does_not_decode_is_a_sentence(tmp_path: Path) -> None:
    player = Recorded(lambda video, seconds, side: frame_jpeg(tmp_path / "missing.mp4", seconds, side))
    player._handle_custom_msg({"frame": 1.0, "video": A, "side": 64}, [])
    assert player.runner.wait(10)
    assert "missing" in player.sent[-1][0]["error"]
