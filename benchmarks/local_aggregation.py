"""ASMK: the same scores as the asmk package and how much faster, and its mAP beside bags of words.

The package (``pip install asmk``; it is not needed otherwise) gets our descriptors, words and centroids.
"""

from __future__ import annotations

import numpy as np
from _photos import DATASETS, RESIZE
from _table import print_table
from _timing import at_least, at_most, fastest, fastest_in_turn
from words import table

import workbench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.engine.searcher import Searcher
from workbench.local import asmk as kernels
from workbench.local import vocabulary
from workbench.local.asmk_index import AsmkIndex

WORDS = ("bow:4096", "bow:4096/whole/he:24", "bow:65536", "bow:65536/whole/power:0.5")
SUMS = ("asmk:4096", "asmk:65536", "asmk-full:65536", "asmk:65536/whole/sv:50")
COMPARED = ("asmk:65536", "asmk-full:65536")
QUERIES, RUNS = 20, 3


def compare(searcher: Searcher) -> list[str]:
    """A row: differences of scores, seconds and bytes of the package and of the workbench."""
    from asmk import inverted_file, kernel

    index = searcher.index
    assert isinstance(index, AsmkIndex) and searcher.keypoints is not None
    words, binary = index.words, index.kernel.binary
    theirs = kernel.ASMKKernel(type("Codebook", (), {"centroids": words.centroids}), binary=binary)
    images = [searcher.keypoints.of(row) for row in range(index.size)]
    file = inverted_file.IVF.initialize_empty(codebook_size=len(words.centroids), use_idf=False)
    sums = theirs.aggregate(
        np.concatenate([features.descriptors for features in images]),
        words.words[: words.starts[index.size], None],
        np.repeat(np.arange(index.size), np.diff(words.starts[: index.size + 1])),
    )
    file.add(*sums)
    rows = searcher.described.query_rows()[:QUERIES]
    queries = [searcher.keypoints.of(row) for row in rows]
    their_sums = [
        theirs.aggregate_image(query.descriptors, words.nearest(query, kernels.ASSIGNED)) for query in queries
    ]
    our_sums = [index.sums(query) for query in queries]

    def similarity(*arguments: np.ndarray) -> object:
        return theirs.similarity(*arguments, alpha=index.kernel.alpha, similarity_threshold=index.kernel.tau)

    def ask_package() -> list[np.ndarray]:
        ranked = [file.search(*one, similarity_func=similarity, topk=None) for one in their_sums]
        return [scores[np.argsort(order)] for order, scores in ranked]

    def ask_workbench() -> list[np.ndarray]:
        found = [
            kernels.scores(one, index.postings, index.kernel, words.centroids.shape[1]) for one in our_sums
        ]
        return [scores for scores in found if len(np.argsort(-scores, kind="stable"))]

    difference = np.abs(np.array(ask_package()) - np.array(ask_workbench())).max()
    seconds = fastest_in_turn(ask_package, ask_workbench, RUNS)
    entries = index.postings.counts.sum() / index.size
    their_bytes = entries * (sums[0].itemsize * sums[0].shape[1] + file.ivf_image_ids[sums[1][0]].itemsize)
    return [
        f"`{searcher.config}`",
        f"{difference:.0e}",
        *(f"{1000 * value / len(queries):.2f}" for value in seconds),
        at_least(seconds[0] / seconds[1], 1),
        f"{their_bytes / 1024:.1f}",
        f"{index.bytes / 1024:.1f}",
        at_most(index.bytes / their_bytes, 1),
    ]


def assignment(searcher: Searcher) -> list[str]:
    """A row: how many of the nearest words the index of cells finds, and the time of both indexes."""
    index = searcher.index
    assert isinstance(index, AsmkIndex) and searcher.keypoints is not None
    sample = np.concatenate([searcher.keypoints.of(row).descriptors[:100] for row in range(QUERIES)])
    exact = vocabulary.faiss.IndexFlatL2(sample.shape[1])
    exact.add(index.words.centroids)
    nearest, found = (
        vocabulary.nearest_words(sample, by, kernels.ASSIGNED) for by in (exact, index.words.index)
    )
    both = [len(np.intersect1d(*pair)) for pair in zip(nearest, found, strict=True)]
    seconds = [
        fastest(lambda by=by: vocabulary.nearest_words(sample, by, kernels.ASSIGNED), 3)
        for by in (exact, index.words.index)
    ]
    return [
        f"{100 * (nearest[:, 0] == found[:, 0]).mean():.2f}",
        f"{100 * np.mean(both) / kernels.ASSIGNED:.2f}",
        *(f"{1e6 * value / len(sample):.0f}" for value in seconds),
        at_least(seconds[0] / seconds[1], 1),
    ]


def main() -> None:
    posters = workbench.open("posters", resize=RESIZE)
    searchers = [posters.engine.searcher(Config.parse(f"sift/{name}"), silent) for name in COMPARED]
    try:
        rows = [compare(searcher) for searcher in searchers]
    except ImportError:
        print("The asmk package is not installed (pip install asmk): no comparison with it.\n")
    else:
        print(f"posters, {QUERIES} queries; the same descriptors, words and centroids\n")
        columns = [
            "pipeline",
            "largest difference of scores",
            "asmk package, ms a query",
            "workbench",
            "times faster",
        ]
        print_table([*columns, "asmk package, KB an image", "workbench", "ratio"], rows)
    print("posters: the five nearest of 65,536 words by the index of cells, against all words\n")
    columns = ["the nearest, %", "the nearest five, %", "all words, µs a keypoint", "cells", "times faster"]
    print_table(columns, [assignment(searchers[0])])
    pipelines = [f"sift/{name}" for name in (*WORDS, *SUMS)]
    canonical = [str(Config.parse(pipeline)) for pipeline in pipelines]
    table("posters", posters, canonical, canonical[0])
    if DATASETS.is_dir():
        scenes = workbench.open(DATASETS / "scenes", "folders", resize=RESIZE)
        table("scenes", scenes, canonical, canonical[0])


if __name__ == "__main__":
    main()
