"""The concepts that images show, and what these are kinds of, with their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.collections.lookup import image_at
from workbench.common.arguments import result_count
from workbench.common.geometry import Box
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.engine.class_probabilities import MAPS
from workbench.engine.engine import Engine
from workbench.engine.queries import QueryLike, query_input, require_query
from workbench.features.map_source import MapSource
from workbench.text.classifier import image_probabilities, load_classifier
from workbench.text.concepts import Concepts, load_concepts

_LEAST = {"concept": 0.02, "parent": 0.1}  # probability of a tag
_VAGUE = frozenset(  # of WordNet's top levels, which say nothing of a picture
    "entity,physical entity,abstraction,object,whole,artifact,instrumentality,matter,living thing,organism,"
    "thing,causal agent,unit,article,substance,device".split(",")
)


def tags(
    engine: Engine,
    images: QueryLike | Sequence[QueryLike],
    box: Box | None = None,
    k: int | None = 10,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The first ``k`` tags of an image, or of several, whose mean probabilities count: see ``rank_tags``."""
    chosen = [images] if not isinstance(images, Sequence) or isinstance(images, str) else list(images)
    if not chosen:
        raise WorkbenchError("there is no image to tag; give an image, or a list of them")
    probabilities = np.stack(_probabilities(engine, chosen, box, progress)).mean(0)
    return rank_tags(probabilities, load_concepts(), result_count(k))


def rank_tags(probabilities: np.ndarray, concepts: Concepts, k: int | None = 10) -> pd.DataFrame:
    """The tags of class probabilities [K]: tag, score (its probability), kind and classes (their number).

    A tag is a ``concept``, or a ``parent``: a hypernym with the sum of the probabilities of its concepts.
    They are ranked by score · log(K / classes), so that a special tag goes before a general one of the same
    probability. A parent of one probable concept says no more than this, and is left out.
    """
    rows = [
        (concepts.titles[i], float(p), "concept", 1)
        for i, p in enumerate(probabilities)
        if p >= _LEAST["concept"]
    ]
    for name in np.unique(concepts.hypernyms):
        classes = np.flatnonzero((concepts.hypernyms == name).any(1))
        inside = probabilities[classes]
        more = inside.sum() - inside.max() >= _LEAST["concept"]
        if inside.sum() >= _LEAST["parent"] and more and concepts.names[name] not in _VAGUE:
            rows.append((concepts.names[name], float(inside.sum()), "parent", len(classes)))
    table = pd.DataFrame(rows, columns=["tag", "score", "kind", "classes"])
    information = table["score"] * np.log(len(probabilities) / table["classes"])
    order = np.argsort(-information.to_numpy(float), kind="stable")
    return Table(table.iloc[order[:k]].reset_index(drop=True))


def _probabilities(
    engine: Engine, images: Sequence[QueryLike], box: Box | None, progress: Progress
) -> list[np.ndarray]:
    """The class probabilities [K] of each image: stored ones of the collection, or computed now."""
    rows: list[np.ndarray] = []
    row_of: dict[str, int] = {}
    stored: np.ndarray | None = None
    for image in images:
        inside = None if box is not None or not isinstance(image, str) else _id(engine, image)
        if inside is None:
            require_query(engine.collection, image)
            picture = query_input(engine.collection, image, box)
            maps = MapSource.of(MAPS, engine.options).maps_of(picture)[0]
            rows.append(image_probabilities(maps, load_classifier())[0].numpy())
            continue
        if stored is None:
            found, stored = engine.class_probabilities(progress)
            row_of = {name: row for row, name in enumerate(found.collection.images)}
        rows.append(stored[row_of[inside]])
    return rows


def _id(engine: Engine, image: str) -> str | None:
    found = image_at(engine.collection, image)
    return found if found in engine.collection.images else None
