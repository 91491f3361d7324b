"""Binary codes beside what FAISS has: encoding beside ITQ, searching 10^6 of them beside Hamming search."""

from __future__ import annotations

from functools import partial

import faiss
import numpy as np
from _table import print_table, verdict
from _vectors import own_vectors
from searching import at_most, in_turn

from workbench.config import Step
from workbench.search import hyperplanes, spherical, synthetic
from workbench.search.codes import CodeIndex

CODES, ENCODED, QUERIES, K, RUNS = 1_000_000, 200_000, 64, 100, 20


def main() -> None:
    own = own_vectors()
    encoding(own)
    searching(own)


def encoding(own: np.ndarray) -> None:
    """At 128 bits, as ITQ makes no more of them than there are dimensions."""
    x = np.concatenate(list(synthetic.draw(own, ENCODED)))
    spheres, planes = spherical.fit(x, 128), hyperplanes.itq(x, 128)
    ours, theirs = in_turn(partial(spheres.encode, x), partial(planes.coder.sa_encode, x), RUNS)
    print(f"Encoding {ENCODED:,} vectors of {x.shape[1]} numbers in 128 bits\n")
    speeds = [f"{ENCODED / seconds:,.0f}" for seconds in (ours, theirs)]
    columns = ["spherical hashing, vectors/s", "ITQ by FAISS, vectors/s", "spherical / ITQ"]
    print_table(columns, [[*speeds, verdict(theirs / ours, 0.5)]])


def searching(own: np.ndarray) -> None:
    """Our times include encoding the queries; those of FAISS begin with their codes."""
    train = np.concatenate(list(synthetic.draw(own, spherical.SAMPLE)))
    queries = np.concatenate(list(synthetic.draw(own, QUERIES, seed=1)))
    rows = []
    for name in ("lsh", "sh"):
        coder = spherical.fit(train, 256) if name == "sh" else hyperplanes.lsh(own.shape[1], 256)
        packed = np.concatenate([coder.encode(chunk) for chunk in synthetic.draw(own, CODES)])
        ours, bare = CodeIndex((Step(name, (256.0,)),), coder, packed), faiss.IndexBinaryFlat(256)
        bare.add(packed)
        for threads in sorted({1, faiss.omp_get_max_threads()}):
            faiss.omp_set_num_threads(threads)
            for size in (1, QUERIES):
                some = queries[:size]
                call = partial(bare.search, coder.encode(some), K)
                a, b = in_turn(partial(ours.search, some, K), call, RUNS)
                times = [f"{1000 / size * seconds:.2f}" for seconds in (a, b)]
                rows.append([str(ours.name), str(threads), str(size), *times, at_most(a / b, 2)])
    print(f"The best {K} of {CODES:,} codes of 256 bits\n")
    columns = ["codes", "threads", "queries together", "workbench, ms a query"]
    print_table([*columns, "Hamming by FAISS, ms a query", "workbench / FAISS"], rows)


if __name__ == "__main__":
    main()
