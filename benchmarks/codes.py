"""Binary codes against FAISS: encoding against ITQ, and searching 10^6 codes against its Hamming search."""

from __future__ import annotations

from functools import partial

import faiss
import numpy as np
from _table import print_table
from _timing import at_least, at_most, fastest_in_turn
from _vectors import poster_vectors

from workbench.config.steps import Step
from workbench.search import lsh, spherical_hashing, synthetic_distractors
from workbench.search.binary_index import CodeIndex

CODES, ENCODED, QUERIES, K, RUNS = 1_000_000, 200_000, 64, 100, 20


def main() -> None:
    vectors = poster_vectors()
    encoding(vectors)
    searching(vectors)


def encoding(vectors: np.ndarray) -> None:
    """Print encoding speeds at 128 bits: ITQ makes no more bits than there are dimensions."""
    drawn = np.concatenate(list(synthetic_distractors.draw(vectors, ENCODED)))
    spheres, planes = spherical_hashing.fit(drawn, 128), lsh.itq(drawn, 128)
    ours, theirs = fastest_in_turn(
        partial(spheres.encode, drawn), partial(planes.coder.sa_encode, drawn), RUNS
    )
    print(f"Encoding {ENCODED:,} vectors of {drawn.shape[1]} numbers in 128 bits\n")
    speeds = [f"{ENCODED / seconds:,.0f}" for seconds in (ours, theirs)]
    columns = ["spherical hashing, vectors/s", "ITQ by FAISS, vectors/s", "spherical / ITQ"]
    print_table(columns, [[*speeds, at_least(theirs / ours, 0.5)]])


def searching(vectors: np.ndarray) -> None:
    """Print search times. Those of the workbench include encoding the queries, those of FAISS do not."""
    train = np.concatenate(list(synthetic_distractors.draw(vectors, spherical_hashing.SAMPLE)))
    queries = np.concatenate(list(synthetic_distractors.draw(vectors, QUERIES, seed=1)))
    rows = []
    for name in ("lsh", "sh"):
        coder = spherical_hashing.fit(train, 256) if name == "sh" else lsh.lsh(vectors.shape[1], 256)
        packed = np.concatenate([coder.encode(chunk) for chunk in synthetic_distractors.draw(vectors, CODES)])
        ours, bare = CodeIndex((Step(name, (256.0,)),), coder, packed), faiss.IndexBinaryFlat(256)
        bare.add(packed)
        for threads in sorted({1, faiss.omp_get_max_threads()}):
            faiss.omp_set_num_threads(threads)
            for size in (1, QUERIES):
                batch = queries[:size]
                bare_search = partial(bare.search, coder.encode(batch), K)
                a, b = fastest_in_turn(partial(ours.search, batch, K), bare_search, RUNS)
                times = [f"{1000 / size * seconds:.2f}" for seconds in (a, b)]
                rows.append([str(ours.name), str(threads), str(size), *times, at_most(a / b, 2)])
    print(f"The best {K} of {CODES:,} codes of 256 bits\n")
    columns = ["codes", "threads", "queries together", "workbench, ms a query"]
    print_table([*columns, "Hamming by FAISS, ms a query", "workbench / FAISS"], rows)


if __name__ == "__main__":
    main()
