"""What the local matches of two pictures are on screen: pipelines to ask for, traits, words and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.collections.collection import Box, Query
from workbench.config import QUERY_RERANKING, VERIFIER, Config
from workbench.keypoint_search import Match
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column

if TYPE_CHECKING:
    from workbench.pipeline import Workbench

SIDE = 640  # pixels of a picture's longest side
VERIFIED = 100  # results, where the pipeline verifies none
WORDS = 100  # rows of the table of words
COLUMNS = [
    column("word", "Word", number=True, hint="its number in the vocabulary"),
    column("idf", "idf", number=True, hint="the rarer the word, the larger: log(images ÷ images with it)"),
    column("in_query", "In query", number=True, hint="how many of its keypoints are named so"),
    column("in_image", "In result", number=True, hint="how many of its keypoints are named so"),
    column("contribution", "Adds", number=True, hint="all shared words add up to the score of bow alone"),
]


class Asked(NamedTuple):
    """Two pictures, and the pipeline whose local features are compared."""

    query: Query
    box: Box | None
    image: str
    pipeline: str


def with_features(pipeline: str, features: str) -> str:
    """A pipeline whose local features are those, like the given one in all else that matters to them."""
    config = Config.parse(pipeline)
    if not features or features == config.local:
        return str(config)
    if config.pooling.name == "bow":
        return str(Config.parse(f"{features}/{config.pooling}/whole"))
    return str(Config.parse(f"{config.description}/{_verifying(1, features)}"))


def verified_first(pipeline: str) -> int:
    """How many results a pipeline verifies, or would."""
    steps = Config.parse(pipeline).reranking_steps
    return next((int(step.args[0]) for step in steps if step.name == "sv"), VERIFIED)


def with_and_without(pipeline: str, features: str, first: int) -> tuple[str, str]:
    """The pipeline up to its verification, and the same with the ``first`` results verified.

    A bag of words verifies its own keypoints, whichever others are looked at.
    """
    config = Config.parse(pipeline)
    names = [step.name for step in config.reranking_steps]
    before = list(config.reranking_steps[: names.index("sv") if "sv" in names else None])
    if not any(step.name in QUERY_RERANKING for step in before):
        before = [step for step in before if step.name != "nojunk"]
    chosen = features if features and config.pooling.name != "bow" else config.local
    step = f"sv:{first}" if config.pooling.name == "bow" else _verifying(first, chosen)
    parts = [str(config.description), ",".join(map(str, config.index_steps)), *map(str, before)]
    without = "/".join(filter(None, parts))
    return str(Config.parse(without)), str(Config.parse(f"{without}/{step}"))


def _verifying(first: int, features: str) -> str:
    return f"sv:{first}" if features == VERIFIER else f"sv:{first}:{features.removeprefix('hardnet:')}"


def traits(bench: Workbench, asked: Asked, match: Match) -> dict[str, Any]:
    """What a view of the pair shows."""
    pairs = match.table[["query_keypoint", "image_keypoint"]].to_numpy(np.uint32)
    return {
        "pictures": [
            thumbnail(bench, asked.query.image, SIDE, asked.box or asked.query.box),
            thumbnail(bench, asked.image, SIDE),
        ],
        "sides": [
            {"name": asked.query.id, "role": "query"},
            {"name": asked.image, "role": "result"},
        ],
        "sizes": [list(match.query.size), list(match.image.size)],
        "counts": [len(match.query), len(match.image)],
        "points": np.concatenate([match.query.points, match.image.points]).astype("<f4").tobytes(),
        "pairs": np.ascontiguousarray(pairs, "<u4").tobytes(),
        "inside": match.table["inlier"].to_numpy(np.uint8).tobytes(),
    }


def said(match: Match, features: str) -> list[Line]:
    """The counts in words, or why the image was turned down."""
    found = match.verified
    there = f"{len(match.query):,} and {len(match.image):,} keypoints of {features}"
    matches = plural(len(found.pairs), "match", "matches")
    if found.model is None:
        return [
            line(f"Not verified: {found.why}.", "numbers"),
            line(f"{matches}; {there}.", "note"),
        ]
    inliers = plural(match.inliers, "inlier")
    more = int(found.inside.sum()) - match.inliers
    doubled = f" {more:,} more are at places that count already." if more else ""
    return [
        line(f"{inliers} of {matches}", "numbers"),
        line(f"{there[0].upper()}{there[1:]}; one homography explains the inliers.{doubled}", "note"),
    ]


def plural(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def word_rows(match: Match) -> list[dict[str, Any]]:
    """A row for each of the words that add most."""
    return [
        {
            "id": str(int(row["word"])),
            "cells": {
                "word": f"{row['word']:.0f}",
                "idf": f"{row['idf']:.2f}",
                "in_query": f"{row['in_query']:.0f}",
                "in_image": f"{row['in_image']:.0f}",
                "contribution": f"{row['contribution']:.4f}",
            },
            "order": {name: float(row[name]) for name in match.words.columns},
        }
        for row in match.words.head(WORDS).to_dict("records")
    ]


def words_said(match: Match, bag: bool) -> list[Line]:
    """What the table of words says, or why there is none."""
    if not bag:
        return [line("A bag of words says which are shared: choose sift or hardnet as the backbone.", "note")]
    count, total = len(match.words), float(match.words["contribution"].sum())
    if not count:
        return [line("The two share no visual word.", "note")]
    which = f"the {WORDS} that add most" if count > WORDS else "a row shows where it stands"
    words = plural(count, "shared word")
    verb = "adds" if count == 1 else "add"
    return [line(f"{words} {verb} up to {total:.3f} before later steps; {which}.", "note")]


def with_word(match: Match, word: int) -> list[list[int]]:
    """The keypoints of both pictures that are named so."""
    return [np.flatnonzero(names == word).tolist() for names in match.named]
