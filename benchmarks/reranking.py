"""What re-ranking gains and costs: mAP and milliseconds a query, alone and among synthetic distractors."""

from __future__ import annotations

import numpy as np
from _table import print_table
from scipy.stats import spearmanr

import workbench
from workbench.progress import silent
from workbench.search import diffusion

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"
STEPS = ("", "aqe:5", "aqe:10", "alphaqe:10:3", "dba:5", "diffusion:50", "kreciprocal:20:6:0.3")
SETTINGS = ("easy", "medium", "hard")
ALPHAS = (0.99, 0.9)


def measure(distractors: str, step: str, alpha: float = ALPHAS[0]) -> list[str]:
    """A line of the table; ``alpha`` is the diffusion's."""
    diffusion.ALPHA = alpha
    bench = workbench.open("posters", distractors=distractors)
    evaluation = bench.evaluate("/".join(filter(None, (PIPELINE, step))), localise=False)
    timings = evaluation.provenance["timings"]
    own = f"{step}, α = {alpha:g}" if alpha != ALPHAS[0] else step or "none"
    return [
        own,
        *(f"{100 * evaluation.metrics[f'mAP_{setting}']:.1f}" for setting in SETTINGS),
        f"{timings['milliseconds']:.2f}",
        f"{timings.get(f'seconds to make {step}', 0):.2f}",
    ]


def popularity(distractors: str, alpha: float) -> float:
    """Rank correlation of the diffused scores with the root of the images' degree, a mean over queries."""
    diffusion.ALPHA = alpha
    bench = workbench.open("posters", distractors=distractors)
    searcher = bench._searcher(PIPELINE, silent)
    queries = searcher.ready.described.vectors[searcher.ready.query_rows()]
    edges = diffusion.graph(searcher.vectors, 50)
    ranked = diffusion.rerank(queries.cpu().numpy(), searcher.vectors, searcher.search(queries), edges, 50)
    roots = np.sqrt(edges.sum(1))
    return float(np.mean([spearmanr(found.scores, roots[found.rows])[0] for found in ranked]))


def main() -> None:
    columns = ["re-ranking", *(f"mAP {s} %" for s in SETTINGS), "search, ms a query", "preparing, s"]
    for distractors in ("", "synthetic:10000"):
        print(f"posters, distractors: {distractors or 'none'}\n")
        lines = [measure(distractors, step) for step in STEPS]
        print_table(columns, [*lines, measure(distractors, "diffusion:50", ALPHAS[1])])
        said = ", ".join(f"{popularity(distractors, alpha):.2f} with α = {alpha:g}" for alpha in ALPHAS)
        print(f"Rank correlation of diffused scores with the root of the degree: {said}\n")


if __name__ == "__main__":
    main()
