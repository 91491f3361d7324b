"""Seconds to search and align a video of 60 s in 10^6 moments and in 1,000 hours, at one frame a second.

The moments are those of ``reels`` with noise around them (``synthetic_distractors``), in videos of 1,000 s.
The query is made of moments of clips that are left out of the database; a copy of it, with noise, is planted
in one of the videos. Each frame is searched as it is and once more, for the mirrored query. ``--hours`` sets
the largest database (1,000); ``--gaussian`` draws moments by the mean and covariance of those of ``reels``.
"""

from __future__ import annotations

import argparse
import math
import tempfile

import numpy as np
from _table import print_table
from _timing import at_most, fastest

import workbench
from workbench.collections.video.moment import video_of
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.config.options import default_cache
from workbench.config.steps import parse_index
from workbench.engine.copies import DEEPEST, MIN_SCORE, background
from workbench.engine.description_cache import DescriptionCache
from workbench.search import faiss_index, synthetic_distractors
from workbench.search.copy_segments import AlignedSegment, candidates, copied_segments, without_overlaps
from workbench.search.ranking import Index, Ranking

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:128"
INDEXES = ("pq:16", "itq:128", "ivf:1024,pq:16")
SECONDS, LENGTH = 60, 1000  # of the query and of a video
VIDEO, OFFSET, COSINE = 7, 321, 0.8  # where the copy is planted, and how similar its frames are
AIM = 2.0  # seconds
RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=int, default=1000, help="hours of the largest database (1,000)")
    parser.add_argument("--gaussian", action="store_true", help="by mean and covariance")
    arguments = parser.parse_args()
    most = 3600 * arguments.hours
    bench = workbench.open("reels")
    described = DescriptionCache(bench.collection, bench.options).describe(Config.parse(PIPELINE), silent)
    moments = np.ascontiguousarray(described.database.numpy())
    query = moments[:SECONDS]
    queried = {video_of(image) for image in described.collection.images[:SECONDS]}
    others = [video_of(image) not in queried for image in described.collection.images]
    bandwidth = math.inf if arguments.gaussian else None
    rows = []
    with tempfile.TemporaryFile(dir=default_cache()) as file:
        for chunk in synthetic_distractors.draw(moments[others], most, seed=0, bandwidth=bandwidth):
            file.write(chunk.data)
        file.flush()
        vectors = np.memmap(file, np.float32, "r+", shape=(most, moments.shape[1]))
        first = VIDEO * LENGTH + OFFSET
        vectors[first : first + SECONDS] = _noisy(query)
        for size in sorted({min(10**6, most), most}):
            for name in INDEXES:
                index = faiss_index.build(parse_index(name), vectors[:size])
                rows.append(
                    [
                        f"{size:,}",
                        f"{size / 3600:,.0f}",
                        f"`{name}`",
                        *_measured(index, vectors[:size], query),
                    ]
                )
                print(*rows[-1], flush=True)
    columns = ["moments", "hours", "index", "bytes a moment", "search, s", "align, s", "both, s"]
    print_table([*columns, "first segment"], rows)
    print(f"The copy is {VIDEO}: {OFFSET}–{OFFSET + SECONDS} s, at a cosine of {COSINE}.")


def _noisy(vectors: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=vectors.shape)
    noise -= (noise * vectors).sum(1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return (COSINE * vectors + np.sqrt(1 - COSINE**2) * noise).astype(np.float32)


def _measured(index: Index, vectors: np.ndarray, query: np.ndarray) -> list[str]:
    numbers, times = np.divmod(np.arange(index.size), LENGTH)
    known = background(vectors)
    mirrored = np.roll(query, 1, axis=1)  # as many frames, which are nowhere

    def search() -> list[list[Ranking]]:
        return [index.search(frames, DEEPEST) for frames in (query, mirrored)]

    def align(rankings: list[list[Ranking]]) -> list[AlignedSegment]:
        segments: list[AlignedSegment] = []
        for frames, ranked in zip((query, mirrored), rankings, strict=True):
            if index.name.startswith("itq"):
                ranked = [Ranking(r.rows, np.cos(np.pi * (1 - r.scores))) for r in ranked]
            pairs = candidates(ranked, index.size, sample=frames @ known.T)
            segments += copied_segments(
                pairs, np.arange(float(len(query))), numbers, times.astype(float), least=MIN_SCORE
            )
        return without_overlaps(segments)

    rankings = search()
    segments = align(rankings)
    searching, aligning = fastest(search, RUNS), fastest(lambda: align(rankings), RUNS)
    best = segments[0] if segments else None
    shown = "none" if best is None else f"{best.video}: {best.alignment.start:.0f}–{best.alignment.end:.0f} s"
    both = at_most(searching + aligning, AIM)
    return [f"{index.bytes:.0f}", f"{searching:.2f}", f"{aligning:.2f}", both, shown]


if __name__ == "__main__":
    main()
