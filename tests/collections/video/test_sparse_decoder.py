"""Single frames, decoded without most of those between them, are the frames of decoding in order."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.videos import number_of
from workbench.collections.video.reader import Reader
from workbench.collections.video.sparse_decoder import SparseDecoder
from workbench.config.errors import WorkbenchError

FRAMES, FPS = 90, 30


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 with three B-frames in a row, references among them, and a key frame every 40 frames."""
    path = tmp_path_factory.mktemp("h264") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = 64
        stream.pix_fmt, stream.gop_size = "yuv420p", 40
        stream.options = {"preset": "veryfast", "bf": "3", "b-pyramid": "normal", "sc_threshold": "0"}
        rng = np.random.default_rng(0)
        for number in range(FRAMES):
            bits = 255 * (number >> np.arange(8) & 1)
            pixels = np.repeat(np.repeat(bits[None, :, None], 8, 1), 64, 0).repeat(3, 2)
            noisy = (pixels + rng.integers(-20, 20, pixels.shape)).clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def in_order(video: Path) -> list[np.ndarray]:
    return [pixels for _, pixels in Reader(video).frames()]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.integers(0, FRAMES - 1), min_size=1, max_size=6))
def test_frames_in_any_order(video: Path, in_order: list[np.ndarray], numbers: list[int]) -> None:
    decoder = SparseDecoder(video)
    for number in numbers:
        answer = decoder.frame_at(number / FPS + 0.005)
        assert answer is not None
        seconds, pixels = answer
        assert seconds == pytest.approx(number / FPS, abs=1e-3)
        np.testing.assert_array_equal(pixels, in_order[number])
    decoder.close()


def test_doubt_is_left_to_decoding_in_order(video: Path, tmp_path: Path) -> None:
    decoder = SparseDecoder(video)
    assert decoder.frame_at(FRAMES / FPS + 1) is None  # beyond the end
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    assert SparseDecoder(text).frame_at(0) is None


def test_damage_gives_the_frames_of_decoding_in_order(video: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(video.read_bytes())
    for place in range(len(data) // 3, len(data) // 3 + 2000):
        data[place] ^= 0x5A
    damaged.write_bytes(bytes(data))
    for seconds in (0.5, 1.2, 1.9, 2.8):
        assert _shown(damaged, seconds, sparse=True) == _shown(damaged, seconds, sparse=False)


def _shown(path: Path, seconds: float, sparse: bool) -> int | str:
    reader = Reader(path)
    if not sparse:
        reader._sparse_frame = lambda wanted: None  # type: ignore[method-assign]
    try:
        return number_of(reader.frame_at(seconds)[1])
    except WorkbenchError as error:
        return str(error)
    finally:
        reader.close()
