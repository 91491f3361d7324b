"""Video frames a second through decoding, shots, network and description, and bytes an hour of video.

Aim: extraction from end to end at least 0.8 of the slower of the bare decoder, which reads and converts all
frames by OpenCV, and the bare network, which runs on batches in memory. On one machine both use the same
cores, so that the sum of their times is the other bound shown.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from _photos import DATASETS
from _table import print_table
from _timing import at_least, fastest
from skimage import data

import workbench
from workbench.bench.bench import Bench
from workbench.collections import images
from workbench.collections.video.header import video_header
from workbench.collections.video.shot_store import detect_shots
from workbench.common.progress import silent
from workbench.features import batches, device, models
from workbench.features.backbones import BackboneSpec
from workbench.features.map_source import MapSource
from workbench.features.network import run

PIPELINE, DIMENSIONS = "efficientnet_lite0/max/rmac:3/pcaw:128", 128
CORES = torch.get_num_threads()
CLIPS, SECONDS, FPS, SIZE = 4, 120, 25, (640, 360)
VIDEOS, LENGTH, RATE = 5e9, 300, 30  # the lecture's example; the length in seconds is assumed
SHOT = 10  # seconds, assumed
YEAR = 365.25 * 86400  # seconds

T = TypeVar("T")


@dataclass(frozen=True)
class Speeds:
    """Seconds of the stages for some videos, by name, with their frames, length and moments."""

    title: str
    frames: int
    seconds: float
    moments: int
    times: dict[str, float]
    map_bytes: float  # of a moment


def synthetic(folder: Path) -> Path:
    """Clips of photographs of scikit-image under a moving window, a cut every five seconds, as MPEG-4."""
    photos = [data.astronaut(), data.coffee(), data.chelsea(), data.immunohistochemistry(), data.rocket()]
    wide = [cv2.resize(photo[:, :, ::-1], (960, 640)) for photo in photos]
    rng = np.random.default_rng(0)
    for clip in range(CLIPS):
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(folder / f"{clip}.mp4"), code, FPS, SIZE)
        for number in range(SECONDS * FPS):
            if number % (5 * FPS) == 0:
                photo = wide[rng.integers(len(wide))]
                start, step = rng.uniform(0, 100, 2), rng.uniform(-0.8, 0.8, 2)
            x, y = (int(abs(value)) for value in start + step * (number % (5 * FPS)))
            writer.write(np.ascontiguousarray(photo[y : y + SIZE[1], x : x + SIZE[0]]))
        writer.release()
    return folder


def in_threads(work: Callable[[T], object], parts: Sequence[T]) -> Callable[[], object]:
    """Work on each part, on all cores, with one thread of torch in each."""

    def run_all() -> None:
        with ThreadPoolExecutor(CORES, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, parts))

    return run_all


def read_all(path: Path) -> None:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while capture.read()[0]:
        pass


def network_alone(bench: Bench) -> Callable[[], object]:
    """The model unchanged from its library, on batches in memory in the shapes of the moments."""
    card = BackboneSpec.parse("efficientnet_lite0").card()
    precision = getattr(torch, device.choose_precision("auto", "cpu"))
    plain = models.build_random(card).eval().to(precision).to(memory_format=torch.channels_last)
    paths = [bench.collection.path(moment) for moment in bench.collection.images]
    items = [batches.item(path, images.header(path), None, 512, 32, 1.0, "exact") for path in paths]
    inputs = [
        torch.rand(len(batch[i : i + 2]), 3, *batch[0].size[::-1])
        .to(precision)
        .to(memory_format=torch.channels_last)
        for batch in batches.plan(items)
        for i in range(0, len(batch), 2)
    ]

    def forward(batch: torch.Tensor) -> None:
        with torch.inference_mode():
            run(plain, None, batch)

    forward(inputs[0])  # warm
    return in_threads(forward, inputs)


def measure(title: str, folder: Path, runs: int) -> Speeds:
    cache = Path(tempfile.mkdtemp(prefix="video-"))
    bench = workbench.open(folder, cache=cache, progress=silent)
    paths = {video: bench.collection.path(video) for video in bench.collection.videos}
    videos = list(paths.values())

    def load(path: Path) -> None:
        for moment in bench.collection.videos[path.relative_to(folder).as_posix()]:
            images.load(bench.collection.path(moment))

    def shots() -> None:
        shutil.rmtree(cache / "shots", ignore_errors=True)
        detect_shots(paths, "content", cache)

    def end_to_end() -> Bench:
        shutil.rmtree(cache, ignore_errors=True)
        fresh = workbench.open(folder, cache=cache, progress=silent)
        fresh.engine.describe(fresh.engine.config(PIPELINE))
        return fresh

    described = end_to_end()  # warm
    config = described.engine.config(PIPELINE)
    source = described.engine.describe(config).source
    assert isinstance(source, MapSource)
    stored = sum(file.stat().st_size for file in source.store(1.0).folder.glob("*.safetensors"))

    def describe() -> None:
        again = workbench.open(folder, cache=cache, progress=silent)
        again.engine.describe(config)

    times = {
        "bare decoder": fastest(in_threads(read_all, videos), runs),
        "moments decoded": fastest(in_threads(load, videos), runs),
        "shots": fastest(shots, runs),
        "bare network": fastest(network_alone(bench), runs),
        "description from stored maps": fastest(describe, runs),
        "end to end": fastest(end_to_end, runs),
    }
    shutil.rmtree(cache)
    headers = [video_header(path) for path in videos]
    seconds = sum(header.seconds for header in headers)
    frames = round(sum(header.seconds * header.fps for header in headers))
    moments = len(bench.collection.images)
    return Speeds(title, frames, seconds, moments, times, stored / moments)


def print_speeds(measured: Sequence[Speeds]) -> None:
    stages = list(measured[0].times)
    columns = ["videos, frames/s", "frames", "moments", *stages]
    columns += ["end to end / slower of both", "sum of both / end to end"]
    rows = []
    for speeds in measured:
        both = [speeds.times["bare decoder"], speeds.times["bare network"]]
        whole = speeds.times["end to end"]
        rows.append(
            [speeds.title, f"{speeds.frames:,}", f"{speeds.moments:,}"]
            + [f"{speeds.frames / speeds.times[stage]:,.0f}" for stage in stages]
            + [at_least(max(both) / whole, 0.8), f"{sum(both) / whole:.2f}"]
        )
    print_table(columns, rows)


def print_bytes(map_bytes: float) -> None:
    """Bytes of an hour of video, at a moment a second and at one a shot."""
    kinds = {
        "feature maps, float16 (may be deleted)": map_bytes,
        f"descriptors, {DIMENSIONS} float32": 4 * DIMENSIONS,
        "codes pq:16": 16,
        "codes sh:128": 128 / 8,
        "perceptual hash, 64 bits": 8,
    }
    rows = [
        [kind, f"{size:,.0f}", f"{3600 * size / 1e6:,.3f}", f"{3600 / SHOT * size / 1e6:,.3f}"]
        for kind, size in kinds.items()
    ]
    columns = ["kept of each moment", "bytes a moment", "MB an hour, a moment a second"]
    print_table([*columns, f"MB an hour, a moment a shot of {SHOT} s"], rows)


def print_paper(speeds: Speeds) -> None:
    """All videos of the lecture's example: vectors, bytes of codes, and years of this machine."""
    decoded = VIDEOS * LENGTH * RATE / (speeds.frames / speeds.times["bare decoder"])
    shots = VIDEOS * LENGTH * RATE / (speeds.frames / speeds.times["shots"])
    network = speeds.times["bare network"] / speeds.moments
    print(
        f"{VIDEOS:.0e} videos of {LENGTH} s at {RATE} frames a second, by {CORES} cores of this machine: "
        f"decoding {decoded / YEAR:,.0f} years, with the detection of shots {shots / YEAR:,.0f} years\n"
    )
    rows = []
    for title, period in (("frame", 1 / RATE), ("second", 1.0), (f"shot of {SHOT} s", SHOT)):
        count = VIDEOS * LENGTH / period
        rows.append(
            [
                f"a vector a {title}",
                f"{count:.1e}",
                f"{4 * DIMENSIONS * count / 1e15:,.3f}",
                f"{24 * count / 1e15:,.4f}",
                f"{np.ceil(24 * count / 256e9):,.0f}",
                f"{count * network / YEAR:,.0f}",
            ]
        )
    columns = ["sampling", "vectors", "PB of float32", "PB of ivf:N,pq:16", "machines of 256 GB"]
    print_table([*columns, "years of the network"], rows)


def main() -> None:
    runs = 1 if "--quick" in sys.argv else 2
    folder = Path(tempfile.mkdtemp(prefix="clips-"))
    started = time.perf_counter()
    measured = [measure(f"MPEG-4, {SIZE[0]}x{SIZE[1]}, made here", synthetic(folder), runs)]
    real = DATASETS / "videos"
    if real.is_dir():
        measured.append(measure("H.264, 480x720 to 1080x1080, real", real, runs))
    print(f"{CORES} cores, a moment a second, {PIPELINE}; {time.perf_counter() - started:.0f} s\n")
    print_speeds(measured)
    print_bytes(measured[0].map_bytes)
    print_paper(measured[0])
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
