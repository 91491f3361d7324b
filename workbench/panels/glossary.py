"""The words on the screen, each explained in two sentences, with its formula and its source."""

from __future__ import annotations

from typing import NamedTuple

from workbench.panels.study_words import STUDY_WORDS

Card = dict[str, str]


class Meaning(NamedTuple):
    """What a word means: two sentences; a formula in plain text and the source, which may be empty."""

    text: str
    formula: str = ""
    source: str = ""


GLOSSARY: dict[str, Meaning] = {
    "mAP": Meaning(
        "Mean average precision: how early the right images are ranked, averaged over the queries; 100 is "
        "perfect. AP is the area under the curve of precision over recall of one query.",
        "mAP = (1/Q) Σ AP(q)\nOxford, Paris: AP = Σₖ (Rₖ − Rₖ₋₁) · (Pₖ + Pₖ₋₁) / 2\n"
        "others: AP = Σₖ (Rₖ − Rₖ₋₁) · Pₖ",
        "Philbin et al., CVPR 2007",
    ),
    "easy, medium, hard": Meaning(
        "Three settings of the same rankings: easy counts the clearly visible positives, hard only "
        "those that are small, tilted or partly hidden, medium both. The positives that a setting does "
        "not count are ignored, as junk is.",
        "",
        "Radenović et al., CVPR 2018",
    ),
    "keys": Meaning(
        "A click or Space explains a result, a double click, Enter or f opens it large, + and − judge it, "
        "and s or Ctrl+click selects it. The arrow keys, Home and End move from result to result.",
    ),
    "combined query": Meaning(
        "Words, drawings and pictures that are searched for together: while Add to query is pressed, each "
        "joins the query as a part, with a weight that moves the images with it up or, below 0, down. "
        "The scores of each part are standardised over the collection before they are combined.",
        "score = Σ wₚ · (sₚ − mean sₚ) / std sₚ\nand: the smallest of them, or: the largest",
    ),
    "parts": Meaning(
        "What each part of the query adds to the score of a result: to the right of its middle a part moves "
        "the result up, to the left down. The bars of all results have one scale.",
        "wₚ · (sₚ − mean sₚ) / std sₚ",
    ),
    "junk": Meaning(
        "Images that show the object too badly to count as right or as wrong. They are taken out of the "
        "ranking before it is measured, and their sign is ~.",
        "",
        "Philbin et al., CVPR 2007",
    ),
    "AP of this query": Meaning(
        "Average precision of the ranking on screen: the area under its precision over its recall. A "
        "dash means that it is not known: the query changed, or has no ground truth.",
        "AP = Σₖ (Rₖ − Rₖ₋₁) · (Pₖ + Pₖ₋₁) / 2",
        "Philbin et al., CVPR 2007",
    ),
    "N-S": Meaning(
        "UKBench's measure: how many of the four pictures of an object are among the first four "
        "results, the query included. Four is perfect.",
        "N-S = mean of |{positives in the first 4}|",
        "Nistér and Stewénius, CVPR 2006",
    ),
    "mP@10": Meaning(
        "Mean precision of the first ten results: how many of the images that a user sees first are "
        "right. If the last positive is before rank ten, k is its rank.",
        "P@k = |{positives in the first k}| / k,  k = min(10, rank of the last positive)",
        "Radenović et al., CVPR 2018",
    ),
    "heat on target": Meaning(
        "The share of what adds to the score that lies on the object itself, in query and result. "
        "Beside it is the share that heat spread evenly over the picture would have: only more than "
        "that says that the network looks at the object.",
        "Σ max(h, 0) on the target / Σ max(h, 0)",
        "docs/explanations.md",
    ),
    "box IoU": Meaning(
        "How well the most similar region, aligned with the query, covers the true outline of the "
        "object. One is a perfect fit.",
        "IoU = |A ∩ B| / |A ∪ B|",
        "Everingham et al., IJCV 2010",
    ),
    "bytes an image": Meaning(
        "The memory that searching takes for each image: its vector, four bytes a number, or its code, and "
        "local features if re-ranking compares them.",
        "vector: 4 · D;  code: bits / 8",
    ),
    "milliseconds a query": Meaning(
        "The time to search, rank and re-rank for one query whose vector is known: the median of up to "
        "twenty queries, here.",
    ),
    "backbone": Meaning(
        "The network that turns a picture into a feature map: one vector for each cell of a coarse "
        "grid. sift, hardnet, xfeat, aliked and disk describe keypoints instead, for bags of words and "
        "spatial verification.",
    ),
    "pooling": Meaning(
        "How the vectors of the cells become one vector. max (MAC) keeps the strongest cell of each "
        "channel, mean (SPoC) all cells, gem:p lies between them, crow weights cells and channels.",
        "gem: f = ((1/N) Σ xᵖ)^(1/p);  p = 1 is mean, p → ∞ is max",
        "Tolias et al. 2016; Babenko and Lempitsky 2015; Radenović et al. 2019; Kalantidis et al. 2016",
    ),
    "regions": Meaning(
        "The parts of the picture that are pooled separately and then added up. rmac:L are squares at L "
        "sizes that overlap by about 40 %, grid:RxC is a plain grid, proposals come from a trained "
        "network.",
        "side at level l: 2 · min(H, W) / (l + 1)",
        "Tolias, Sicre and Jégou, ICLR 2016",
    ),
    "weighting": Meaning(
        "How much each cell or region counts. centre prefers the middle of the picture, norm strong "
        "cells, attention the regions to which a small trained network gives weight.",
        "centre: exp(−d² / 2σ²), σ = a third of the distance from the centre to the border",
        "Babenko and Lempitsky 2015; Kim and Yoon, BMVC 2018",
    ),
    "whitening": Meaning(
        "Turns and shortens vectors (pca), and gives every direction the same variance (pcaw), so that "
        "what all pictures share counts less. It needs many images: fitted on few, it amplifies noise, so "
        "its strength can be chosen, from 0 (pca) to 1 (pcaw).",
        "y = Λ^(−t/2) Vᵀ (x − μ), t the strength",
        "Jégou and Chum, ECCV 2012",
    ),
    "index": Meaning(
        "How the nearest vectors are found. exact compares with all; ivf and imi compare with a few cells, "
        "hnsw follows the links of a graph, pq, opq, itq, lsh and sh compare short codes: they are faster, "
        "smaller and approximate.",
        "",
        "Jégou et al., TPAMI 2011; Malkov and Yashunin 2018; Gong et al. 2013; Heo et al. 2012",
    ),
    "re-ranking": Meaning(
        "A second comparison of the first results. aqe, alphaqe and dba average with neighbours, diffusion "
        "and kreciprocal follow the graph of neighbours, sv tests whether keypoints fit one view of the "
        "object.",
        "",
        "Chum et al. 2007; Radenović et al. 2019; Iscen et al. 2017; Zhong et al. 2017; Philbin et al. 2007",
    ),
    "feedback": Meaning(
        "Mark results as good (+) or bad (−), and the query moves towards the good ones and away "
        "from the bad ones. The mAP never includes feedback.",
        "Rocchio: q' = α q + β mean(good) − γ mean(bad)",
        "Rocchio 1971",
    ),
    "recall@k": Meaning(
        "The share of the first k results of exact search that the index finds among its own first k. "
        "It needs no ground truth, and says what approximation loses.",
        "recall@k = |exact first k ∩ first k| / k",
        "Jégou et al., TPAMI 2011",
    ),
    "Pareto front": Meaning(
        "The indexes that no other one beats in both quantities of the axes. An index behind the front "
        "need not be used: another one is better in one and no worse in the other.",
    ),
    "interval": Meaning(
        "The difference is measured again on queries drawn with replacement from the same ones; 95 % of "
        "the results lie in the interval. p is the share of random exchanges of the two pipelines, query by "
        "query, whose mean difference is as large: below 0.05 it is more than chance explains.",
        "",
        "Efron 1979; Sakai, SIGIR 2006; Smucker et al., CIKM 2007",
    ),
    "grid search": Meaning(
        "Evaluates every combination of the switched-on parts. The best of many is so partly by chance: its "
        "mAP on other queries will be lower.",
    ),
    "contribution": Meaning(
        "The part of the score that comes from a region, a level or a cell; all parts and the constant "
        "add up to the score exactly. It is the feature map times the gradient of the score.",
        "score = Σ contributions + constant",
        "docs/explanations.md",
    ),
    "constant": Meaning(
        "What the score would be without either picture: centring subtracts the mean of the collection "
        "from both vectors, and the products with that mean belong to no cell.",
    ),
    "inliers": Meaning(
        "Matches of keypoints that one change of viewpoint explains (a homography). Many inliers mean "
        "that both pictures show the same flat or distant object.",
        "|H x − x'| below a few pixels",
        "Philbin et al., CVPR 2007; Fischler and Bolles 1981",
    ),
    "ratio test": Meaning(
        "A match counts if the second nearest keypoint is clearly further away than the nearest. "
        "Otherwise the place looks like several others, and the match is not reliable.",
        "d₁ / d₂ below the ratio",
        "Lowe, IJCV 2004",
    ),
    "class by ONE": Meaning(
        "For each region of the query the nearest region among all images of a class is found; the answer is "
        "the class with the least mean distance. Search and classification are then the same computation.",
        "d(q, class) = mean over regions r of min ‖r − r'‖²",
        "Xie et al., ICMR 2015",
    ),
    "embedding map": Meaning(
        "The descriptors of all images drawn in two or three dimensions, near ones near each other. Near "
        "points are reliable; distances between groups, and their sizes, are not.",
        "",
        "McInnes et al. 2018 (UMAP); van der Maaten and Hinton 2008 (t-SNE)",
    ),
    "agreement": Meaning(
        "How many of the nearest images of a picture are the same under two pipelines. Low agreement "
        "marks the pictures for which the change of pipeline matters.",
        "|kNN_A ∩ kNN_B| / k",
    ),
    "recall of regions": Meaning(
        "The share of true objects that some region covers well enough. A grid needs no training, so a "
        "proposal network must do better with as many regions.",
        "share of objects with max IoU ≥ threshold",
        "Hosang et al., TPAMI 2016",
    ),
    "held-out mAP": Meaning(
        "Mean average precision on labelled images that the training never sees. Training ends when it "
        "stops rising, and the best epoch is kept.",
    ),
}

GLOSSARY |= {word: Meaning(*parts) for word, parts in STUDY_WORDS.items()}


def cards(*words: str) -> list[Card]:
    """The cards of some words of the glossary, as a widget shows them."""
    return [{"word": _titled(word), **GLOSSARY[word]._asdict()} for word in words]


def _titled(word: str) -> str:
    """A word with a capital, except for one such as mAP."""
    return word if word[1].isupper() else word[0].upper() + word[1:]
