"""The gain and the cost of re-ranking: mAP and milliseconds, alone and among synthetic distractors.

With names of collections (``python benchmarks/reranking.py posters scenes grocery``): re-rankers on the same
first results of words, geometric models among them, and the classes of pairs that each verifies.
"""

from __future__ import annotations

import sys

import numpy as np
from _photos import DATASETS, RESIZE, grocery
from _table import print_table
from scipy.stats import spearmanr

import workbench
from workbench.analysis.reranking import Method, Reranking
from workbench.common.progress import silent
from workbench.search import diffusion

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"
STEPS = ("", "aqe:5", "aqe:10", "alphaqe:10:3", "dba:5", "diffusion:50", "kreciprocal:20:6:0.3")
SETTINGS = ("easy", "medium", "hard")
ALPHAS = (0.99, 0.9)
WORDS = "sift/bow:4096/whole/power:0.5"
QUERIES, PAIRS = 60, 300


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


def compare(name: str) -> None:
    """Print re-rankers on the first results of a collection, and the pairs that geometric models verify."""
    places = {
        "posters": lambda: workbench.open("posters", resize=RESIZE),
        "scenes": lambda: workbench.open(DATASETS / "scenes", "folders", resize=RESIZE),
        "grocery": lambda: workbench.open(grocery("test"), resize=RESIZE),
    }
    compared = places[name]().studies.reranking(WORDS, queries=QUERIES, pairs=PAIRS)
    count, plain = len(compared.queries), 100 * compared.methods[0].mean_ap
    print(f"{name}, `{compared.pipeline}`: {count} queries, mAP {plain:.1f} % without re-ranking\n")
    columns = ["re-ranking", "difference, 95 %", "ms a query", "ms a pair", "inlier ratio %"]
    columns += ["positives verified", "negatives verified"]
    print_table(columns, [_compared(compared, method) for method in compared.methods[1:]])
    classes = compared.classes
    kinds = [kind for kind in classes["class"].unique() if classes[classes["class"] == kind]["pairs"].max()]
    counts = classes.groupby("class")["pairs"].max()
    print(f"{name}, pairs with a positive that are verified, % (95 % interval)\n")
    cells = classes.set_index(["class", "method"])
    rows = []
    for method in compared.verifying:
        shares = [100 * cells.loc[(kind, method), ["share", "low", "high"]] for kind in kinds]
        rows.append([f"`{method}`", *(f"{mean:.0f} ({low:.0f} to {high:.0f})" for mean, low, high in shares)])
    print_table(["model", *(f"{kind}, {counts[kind]}" for kind in kinds)], rows)


def _compared(compared: Reranking, method: Method) -> list[str]:
    change = compared.difference(method.name)
    ends = f"{100 * change.mean:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
    if method.positives is None or method.negatives is None:
        return [f"`{method.name}`", ends, f"{method.milliseconds:.1f}", "", "", "", ""]
    counts = (f"{count.verified} of {count.total}" for count in (method.positives, method.negatives))
    pair = f"{method.pair_milliseconds:.1f}"
    ratio = f"{100 * method.inlier_ratio:.0f}"
    return [f"`{method.name}`", ends, f"{method.milliseconds:.0f}", pair, ratio, *counts]


def main() -> None:
    for name in sys.argv[1:]:
        compare(name)
    if sys.argv[1:]:
        return
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
