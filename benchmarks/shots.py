"""Recall and precision of shot detection on the embedded videos, whose cuts, fades and dissolves are known.

A boundary is right if it lies in a transition, or at most 0.2 s outside it; each transition counts once.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from _table import print_table

import workbench
from workbench.collections.video.header import video_header
from workbench.collections.video.shot_store import detect_shots
from workbench.common.progress import silent
from workbench.config.options import SHOTS

TOLERANCE = 0.2  # seconds
KINDS = ("cut", "fade", "dissolve")


def main() -> None:
    collection = workbench.open("reels", progress=silent).collection
    truth = collection.video_truth
    assert truth is not None
    paths = {video: collection.path(video) for video in collection.videos}
    frames = sum(header.seconds * header.fps for header in map(video_header, paths.values()))
    lengths = [shot.length for video in paths for shot in truth.shots[video]]
    print(
        f"{len(paths)} clips of `reels` (synthetic), {frames:,.0f} frames, {len(lengths)} shots of "
        f"{np.mean(lengths):.1f} s on average\n"
    )
    rows = []
    for method in SHOTS if "--quick" not in sys.argv else SHOTS[:1]:
        cache = Path(tempfile.mkdtemp(prefix="shots-"))
        started = time.perf_counter()
        detected = detect_shots(paths, method, cache)
        seconds = time.perf_counter() - started
        shutil.rmtree(cache)
        right, all_of, wrong, errors = Counter[str](), Counter[str](), 0, list[float]()
        for video, shots in detected.items():
            assert not isinstance(shots, str)
            boundaries = [shot.start for shot in shots[1:]]
            for transition in truth.transitions[video]:
                middle = (transition.start + transition.end) / 2
                near = [
                    boundary
                    for boundary in boundaries
                    if transition.start - TOLERANCE <= boundary <= transition.end + TOLERANCE
                ]
                all_of[transition.kind] += 1
                if near:
                    nearest = min(near, key=lambda boundary, middle=middle: abs(boundary - middle))
                    boundaries.remove(nearest)
                    right[transition.kind] += 1
                    errors.append(abs(nearest - middle))
            wrong += len(boundaries)
        hits = sum(right.values())
        rows.append(
            [f"`{method}`"]
            + [f"{right[kind]} of {all_of[kind]}" for kind in KINDS]
            + [f"{100 * hits / sum(all_of.values()):.1f}", f"{100 * hits / max(1, hits + wrong):.1f}"]
            + [f"{np.median(errors):.2f}", f"{frames / seconds:,.0f}"]
        )
    columns = ["method", *(f"{kind}s detected" for kind in KINDS), "recall, %", "precision, %"]
    print_table([*columns, "median error, s", "frames/s"], rows)


if __name__ == "__main__":
    main()
