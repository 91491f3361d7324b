"""A query by ONE over 10,000 images of 20 regions, by product codes, against FAISS's search of them."""

from __future__ import annotations

import os

import faiss
import numpy as np
from _table import best, print_table

from workbench.config import Step
from workbench.search import sets

IMAGES, REGIONS, DIMENSIONS, QUERY = 10_000, 20, 128, 20
RUNS = 9
WANTED = 1.5


def main() -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((500, DIMENSIONS)).astype(np.float32)  # not all alike, as regions are not
    vectors = centres[rng.integers(0, 500, IMAGES * REGIONS)] + rng.standard_normal(
        (IMAGES * REGIONS, DIMENSIONS), np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[rng.integers(0, len(vectors), QUERY)]
    rows = []
    for parts in (8, 16, 32):
        made = sets.build(vectors, np.arange(0, len(vectors) + 1, REGIONS), (Step("pq", (parts,)),))
        faiss.omp_set_num_threads(os.cpu_count() or 1)
        made.nearest(queries)  # compiled
        for k in (1, 100):
            slow = best(lambda k=k, made=made: made.index.index.search(queries, k), RUNS)
            ours = best(lambda made=made: made.nearest(queries).distances.mean(0).argsort(), RUNS)
            ratio = ours / slow
            said = f"{ratio:.2f}" + ("" if ratio <= WANTED else f" (above the {WANTED} aimed at)")
            rows.append([f"pq:{parts}", str(k), f"{1e3 * ours:.0f}", f"{1e3 * slow:.0f}", said])
    print(f"{IMAGES} images of {REGIONS} regions, {DIMENSIONS} dimensions, {QUERY} regions asked\n")
    print_table(["codes", "k of FAISS", "ONE, all images ranked, ms", "FAISS, ms", "ONE / FAISS"], rows)


if __name__ == "__main__":
    main()
