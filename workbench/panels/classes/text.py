"""The answer of ONE as text and table rows: pipelines of sets of regions, classes, votes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.collections.collection import Collection
from workbench.config.config import ONE_PIPELINE, Config
from workbench.config.steps import is_local
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column

OWN = ""  # the regions of the session's pipeline
DEFAULT, _, _RMAC = ONE_PIPELINE.partition("/")
SETS = [  # text, and the part of the pipeline after the backbone
    ("R-MAC, three levels", _RMAC),
    ("R-MAC, as codes of 32 bytes", f"{_RMAC}/pq:32"),
    ("20 proposals", _RMAC.replace("rmac:3", "proposals:20")),
    ("of the pipeline", OWN),
]
CLASSES = [
    column("rank", "#", number=True),
    column("label", "Class"),
    column(
        "score", "Score", number=True, hint="1 − d²/2 of the mean squared distance to its nearest regions"
    ),
    column("images", "Images", number=True, hint="of the class that the query was compared with"),
    column("true", "", hint="the query's own label"),
]


def sets_of(value: str, pipeline: str) -> str:
    """The pipeline whose regions are compared: the chosen one, or the session's without its re-ranking."""
    config = Config.parse(pipeline)
    if value != OWN:
        return f"{DEFAULT if is_local(config.backbone) else config.backbone}/{value}"
    codes = [str(step) for step in config.index_steps if step.name in ("pq", "opq")]
    return "/".join([str(config.description), *codes[: len(config.index_steps) == 1]])


def class_frame(classes: pd.DataFrame) -> pd.DataFrame:
    """The classes with their rank, as the table sorts them: label, rank, score, images."""
    label, score, images = (classes.iloc[:, n].to_numpy() for n in range(3))
    return pd.DataFrame(
        {"label": label, "rank": np.arange(1, len(label) + 1), "score": score, "images": images}
    )


def class_row(label: str, rank: int, score: float, images: int, own: str) -> dict[str, Any]:
    """The row of a class; the query's ``own`` label has a tick."""
    defined = not np.isnan(score)
    return {
        "id": label,
        "cells": {
            "rank": str(rank) if defined else "–",
            "label": label,
            "score": f"{score:.3f}" if defined else "–",
            "images": f"{images:,}",
            "true": "✓" if label == own else "",
        },
        "order": {"rank": rank, "images": int(images), **({"score": score} if defined else {})},
        "titles": {"true": "the query's own label"} if label == own else {},
    }


def summary(classes: pd.DataFrame | None, query_label: str, collection: Collection) -> list[Line]:
    """The nearest class and whether it is the query's own label; or why there are no classes."""
    if classes is None:
        return [
            line("Images only.", "numbers", "class by ONE"),
            line(
                f"{collection.name} has no labels, so there are no classes: open a folder with "
                'labels="folders", or a CSV of labels.',
                "note",
            ),
        ]
    first = classes.iloc[0]
    if np.isnan(first["score"]):
        return [line("No class has an image but the query itself.", "numbers")]
    answer = line(f"Class {first['label']}", "numbers", "class by ONE")
    if not query_label:
        return [answer]
    labels = classes["label"].to_list()
    rank = labels.index(query_label) + 1 if query_label in labels else 0
    if rank == 1:
        return [answer, line("✓ the query's own label", "note")]
    position = f"at place {rank} of {len(classes)}" if rank else "not among the classes"
    return [answer, line(f"✗ the query's own label, {query_label}, is {position}", "note")]
