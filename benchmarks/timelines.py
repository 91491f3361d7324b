"""Time the kernel's half of timelines: from the ranking of moments to the bytes of the strips."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd

from workbench.panels.video.moments import Moments


def measure(videos: int, each: int) -> dict[str, float]:
    """Milliseconds for numbering the moments, once a collection, and for the strips of one ranking."""
    names = {
        f"clips/{video:05}.mp4": tuple(f"clips/{video:05}.mp4#t={second:.2f}" for second in range(each))
        for video in range(videos)
    }
    start = time.perf_counter()
    moments = Moments(names)
    numbered = time.perf_counter() - start
    count = len(moments.names)
    order = np.random.default_rng(0).permutation(count)
    ranking = pd.DataFrame(
        {
            "rank": np.arange(1, count + 1),
            "image_id": [moments.names[number] for number in order],
            "score": np.linspace(1, 0, count),
            "relevance": "unknown",
        }
    )
    start = time.perf_counter()
    moments.strips(ranking, moments.scores(ranking))
    strips = time.perf_counter() - start
    return {"moments": count, "numbering ms": round(1000 * numbered, 1), "strips ms": round(1000 * strips, 1)}


if __name__ == "__main__":
    for videos, each in ((1, 3_600), (1, 10_000), (300, 60), (10_000, 100)):
        print(json.dumps({"videos": videos, **measure(videos, each)}))
