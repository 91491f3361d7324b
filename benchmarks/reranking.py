"""The gain and the cost of re-ranking: mAP and milliseconds, alone and among synthetic distractors."""

from __future__ import annotations

import numpy as np
from _photos import RESIZE
from _table import print_table
from scipy.stats import spearmanr

import workbench
from workbench.common.progress import silent
from workbench.search import diffusion

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"
STEPS = ("", "aqe:5", "aqe:10", "alphaqe:10:3", "dba:5", "diffusion:50", "kreciprocal:20:6:0.3")
SETTINGS = ("easy", "medium", "hard")
ALPHAS = (0.99, 0.9)


def measure(distractors: str, step: str, alpha: float = ALPHAS[0]) -> list[str]:
    """A row of the table; ``alpha`` is the parameter of diffusion."""
    diffusion.ALPHA = alpha
    bench = workbench.open("posters", distractors=distractors, resize=RESIZE)
    evaluation = bench.evaluate("/".join(filter(None, (PIPELINE, step))), localise=False)
    timings = evaluation.provenance["timings"]
    title = f"{step}, α = {alpha:g}" if alpha != ALPHAS[0] else step or "none"
    return [
        title,
        *(f"{100 * evaluation.metrics[f'mAP_{setting}']:.1f}" for setting in SETTINGS),
        f"{timings['milliseconds']:.2f}",
        f"{timings.get(f'seconds to make {step}', 0):.2f}",
    ]


def popularity(distractors: str, alpha: float) -> float:
    """The rank correlation of diffused scores and the root of the images' degree, averaged over queries."""
    diffusion.ALPHA = alpha
    bench = workbench.open("posters", distractors=distractors, resize=RESIZE)
    searcher = bench.engine.searcher(PIPELINE, silent)
    queries = searcher.described.descriptors.vectors[searcher.described.query_rows()]
    graph = diffusion.graph(searcher.vectors, 50)
    rankings = diffusion.rerank(queries.cpu().numpy(), searcher.vectors, searcher.search(queries), graph, 50)
    roots = np.sqrt(graph.sum(1))
    return float(np.mean([spearmanr(ranking.scores, roots[ranking.rows])[0] for ranking in rankings]))


def main() -> None:
    columns = ["re-ranking", *(f"mAP {s} %" for s in SETTINGS), "search, ms a query", "preparing, s"]
    for distractors in ("", "synthetic:10000"):
        print(f"posters, distractors: {distractors or 'none'}\n")
        lines = [measure(distractors, step) for step in STEPS]
        print_table(columns, [*lines, measure(distractors, "diffusion:50", ALPHAS[1])])
        correlations = ", ".join(
            f"{popularity(distractors, alpha):.2f} with α = {alpha:g}" for alpha in ALPHAS
        )
        print(f"Rank correlation of diffused scores with the root of the degree: {correlations}\n")


if __name__ == "__main__":
    main()
