"""A query by ONE over 10,000 images of 20 regions, by product codes, against FAISS."""

from __future__ import annotations

import os

import faiss
import numpy as np
from _table import print_table
from _timing import at_most, fastest

from workbench.config.steps import Step
from workbench.search import region_sets as sets

IMAGES, REGIONS, DIMENSIONS, QUERY = 10_000, 20, 128, 20
RUNS = 9
AIM = 1.5


def main() -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((500, DIMENSIONS)).astype(np.float32)  # clusters, as real regions have
    vectors = centres[rng.integers(0, 500, IMAGES * REGIONS)] + rng.standard_normal(
        (IMAGES * REGIONS, DIMENSIONS), np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[rng.integers(0, len(vectors), QUERY)]
    rows = []
    for parts in (8, 16, 32):
        region_sets = sets.build(vectors, np.arange(0, len(vectors) + 1, REGIONS), (Step("pq", (parts,)),))
        faiss.omp_set_num_threads(os.cpu_count() or 1)
        region_sets.nearest(queries)  # compiles
        for k in (1, 100):
            bare = fastest(
                lambda k=k, region_sets=region_sets: region_sets.index.index.search(queries, k), RUNS
            )
            ours = fastest(
                lambda region_sets=region_sets: region_sets.nearest(queries).distances.mean(0).argsort(), RUNS
            )
            times = [f"{1e3 * seconds:.0f}" for seconds in (ours, bare)]
            rows.append([f"pq:{parts}", str(k), *times, at_most(ours / bare, AIM)])
    print(f"{IMAGES} images of {REGIONS} regions, {DIMENSIONS} dimensions, {QUERY} regions in the query\n")
    print_table(["codes", "k of FAISS", "ONE, all images ranked, ms", "FAISS, ms", "ONE / FAISS"], rows)


if __name__ == "__main__":
    main()
