"""The local matches of two pictures on screen: pipelines, traits of the view, text and table rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from workbench.common.picture_bytes import png
from workbench.config.config import Config
from workbench.config.steps import LIGHTGLUE, QUERY_RERANKING, VERIFIER
from workbench.figures.style import subtitle
from workbench.local.cells import CellFeatures
from workbench.local.matching import Match
from workbench.panels.formatting import plural
from workbench.panels.widgets.download import File
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column
from workbench.report.pictures import match_picture

VERIFIED, MATCHED = 100, 10  # results, where the pipeline verifies none: by neighbours, and by LightGlue
WORDS = 100  # rows of the table of words
COLUMNS = [
    column("word", "Word", number=True, hint="its number in the vocabulary"),
    column("idf", "idf", number=True, hint="larger for rarer words: log(images ÷ images with the word)"),
    column("in_query", "In query", number=True, hint="number of its keypoints of this word"),
    column("in_image", "In result", number=True, hint="number of its keypoints of this word"),
    column(
        "contribution", "Adds", number=True, hint="all shared words add up to the score without later steps"
    ),
]


def with_features(pipeline: str, features: str) -> str:
    """The pipeline with other local features; only the parts that matter to them are kept."""
    config = Config.parse(pipeline)
    if not features or features == features_of(config):
        return str(config)
    if config.has_words and not config.has_cells:
        keypoints, _, matcher = features.partition("+")
        return str(Config.parse(f"{keypoints}/{config.pooling}/whole{f'/sv:1:{matcher}' * bool(matcher)}"))
    verified = Config.parse(f"{config.description}/{_verifying(1, features)}")
    return str(_with_geometry(verified, config.geometry))


def features_of(config: Config) -> str:
    """The local features that a pipeline matches, and the network that matches them if there is one."""
    return "+".join(filter(None, [config.local, config.matcher]))


def verified_first(pipeline: str, features: str = "") -> int:
    """The number of results that a pipeline verifies.

    VERIFIED if it verifies none, or MATCHED if LightGlue, which takes seconds a pair, was chosen for it.
    """
    config = Config.parse(pipeline)
    if features.endswith(LIGHTGLUE) and not config.matcher:
        return MATCHED
    return int(config.verification.args[0]) if config.verification else VERIFIED


def with_and_without(pipeline: str, features: str, first: int) -> tuple[str, str]:
    """The pipeline up to its verification, and the same with the ``first`` results verified.

    With words of keypoints, a pipeline verifies these, whatever ``features`` says; cells have no exact place
    and are verified by keypoints.
    """
    config = Config.parse(pipeline)
    names = [step.name for step in config.reranking_steps]
    before = list(config.reranking_steps[: names.index("sv") if "sv" in names else None])
    if not any(step.name in QUERY_RERANKING for step in before):
        before = [step for step in before if step.name != "nojunk"]
    if config.has_words and not config.has_cells:
        step = f"sv:{first}:{config.matcher}".rstrip(":")
    elif config.has_cells:  # verified by keypoints, as cells have no exact place
        step = _verifying(
            first, features or "+".join(filter(None, [config.compared or VERIFIER, config.matcher]))
        )
    else:
        step = _verifying(first, features or features_of(config))
    parts = [str(config.description), ",".join(map(str, config.index_steps)), *map(str, before)]
    without = "/".join(filter(None, parts))
    verified = Config.parse(f"{without}/{step}")
    return str(Config.parse(without)), str(_with_geometry(verified, config.geometry))


def _verifying(first: int, features: str) -> str:
    return f"sv:{first}" if features == VERIFIER else f"sv:{first}:{features.removeprefix('hardnet:')}"


def _with_geometry(config: Config, geometry: str) -> Config:
    """A pipeline that verifies by the geometric model of another."""
    steps = (replace(s, geometry=geometry) if s.name == "sv" else s for s in config.steps)
    return replace(config, steps=tuple(steps))


def summary(match: Match, features: str) -> list[Line]:
    """The counts of matches and inliers, or why the image was not verified."""
    verified = match.verified
    matching = "LightGlue" if features.endswith(LIGHTGLUE) else "ratio test"
    explained = "inliers", matching, "keypoints"  # words of the glossary
    kind = "cells" if isinstance(match.query, CellFeatures) else "keypoints"
    counts = f"{len(match.query):,} and {len(match.image):,} {kind} of {features}"
    matches = plural(len(verified.pairs), "match", "matches")
    if verified.model is None:
        return [
            line(f"Not verified: {verified.why}.", "numbers", *explained),
            line(f"{matches}; {counts}.", "note"),
        ]
    inliers = plural(match.inliers, "inlier")
    more = int(verified.inside.sum()) - match.inliers
    repeated = f" {more:,} more are at positions that are counted already." if more else ""
    return [
        line(f"{inliers} of {matches}", "numbers", *explained),
        line(f"{counts}; one {verified.geometry.name} explains the inliers.{repeated}", "note"),
    ]


def files(match: Match, features: str) -> dict[str, File]:
    """Both pictures with their matches as a file to download."""
    if match.pictures is None:
        return {}
    notes = [f"local features: {features}", *filter(None, [subtitle(collection=match.collection)])]
    name = " and ".join(picture.name for picture in match.pictures)
    return {"Pictures and matches (PNG)": lambda: (f"{name}.png", png(match_picture(match, notes)))}


def word_rows(match: Match) -> list[dict[str, Any]]:
    """A row for each of the words that add most to the score."""
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


def words_summary(match: Match, config: Config) -> list[Line]:
    """The sum of the shared words, or why there is no table of words."""
    if not config.has_words:
        return [
            line(
                "Shared words need a bag of words or ASMK: choose sift or other keypoints as the backbone.",
                "note",
                "visual words",
            )
        ]
    if config.has_cells and config.compared is not None:
        return [line("These keypoints verify results; the visual words are those of cells.", "note")]
    count, total = len(match.words), float(match.words["contribution"].sum())
    if not count:
        return [line("The two share no visual word.", "note")]
    hint = f"the {WORDS} that add most" if count > WORDS else "choose a row to mark its keypoints"
    words = plural(count, "shared word")
    verb = "adds" if count == 1 else "add"
    kinds = ["visual words"] if config.has_vectors else ["visual words", "ASMK"]
    return [line(f"{words} {verb} up to {total:.3f} before later steps; {hint}.", "note", *kinds)]


def with_word(match: Match, word: int) -> list[list[int]]:
    """The keypoints of both pictures that belong to the word."""
    return [np.flatnonzero((words == word).any(1)).tolist() for words in match.words_of]
