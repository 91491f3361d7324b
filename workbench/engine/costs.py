"""The cost of a search: bytes per image and milliseconds per query."""

from __future__ import annotations

import statistics

from workbench.common.progress import Progress, silent
from workbench.engine.searcher import Searcher

TIMED_QUERIES = 20  # queries whose search is timed


def costs(searcher: Searcher, progress: Progress = silent) -> dict[str, float]:
    """The cost of using a pipeline: ``bytes`` per image, and ``milliseconds`` per query, total and by step.

    ``bytes`` is the size of the code, or of the vector in single precision. Milliseconds are the time to
    search, rank and re-rank all images that the index reaches for one given descriptor: the median of at most
    20 queries on this machine.
    """
    rows, queries = searcher.described.query_rows()[:TIMED_QUERIES], searcher.described.collection.queries
    query_timings: list[dict[str, float]] = []
    for row, query in zip(rows, queries, strict=False):

        def timed(_task: str, _done: int, _total: int) -> None:
            progress("timing queries", len(query_timings), len(rows))

        timed("", 0, 0)
        timings: dict[str, float] = {}
        searcher.search(
            searcher.described.descriptors.vectors[row : row + 1],
            [searcher.junk_of(query)],
            timed,
            timings=timings,
            features=searcher.features([row]),
        )
        query_timings.append(timings)

    def median(seconds: list[float]) -> float:
        return 1000 * statistics.median(seconds) if seconds else float("nan")

    steps = {
        f"milliseconds {step}": median([timings[step] for timings in query_timings])
        for step in (query_timings[0] if query_timings else ())
    }
    for step in searcher.config.reranking_steps:
        if step.name == "sv":
            pairs = min(step.args[0], searcher.index.size)
            steps[f"milliseconds {step}, a pair"] = steps.get(f"milliseconds {step}", float("nan")) / pairs
    total = median([sum(timings.values()) for timings in query_timings])
    return {"bytes": searcher.bytes, "milliseconds": total, **steps}
