"""The colours of the points of a map: by label, AP, cluster, or similarity to the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from workbench.collections.answers import answers, labelled
from workbench.collections.collection import Collection
from workbench.panels.session import Session

LABEL, AP, CLUSTER, SIMILARITY = "label", "AP", "cluster", "similarity to the query"


class Colour(NamedTuple):
    """The colour of each point, as the arguments of ``figures.embedding.embedding``."""

    colour: pd.Series | str
    heading: str
    limits: tuple[float, float] | None = None
    first: str | None = None


def own_query(collection: Collection) -> dict[str, str]:
    """The query of each image: the query with this image, else the first that it is relevant to."""
    return answers(collection) | {query.image: query.id for query in collection.queries}


def choices(collection: Collection) -> list[str]:
    """The quantities that can colour a collection's images."""
    labels = [LABEL] if labelled(collection)[1] else []
    return [*labels, *([AP] if collection.protocol else []), CLUSTER, SIMILARITY]


def colour_by(chosen: str, session: Session, frame: pd.DataFrame, pipeline: str) -> Colour:
    """The colours of the map of a pipeline by one of the ``choices``, from the session's current results."""
    images = frame["image_id"]
    if chosen == LABEL:
        title, labels = labelled(session.bench.collection)
        query = session.queries.get(session.query)
        first = labels.get(query.image, query.id) if query else None  # always in the legend
        return Colour(images.map(_pick(labels)).astype(object), title, first=first)
    if chosen == CLUSTER:
        return Colour("cluster", "Cluster (k-means)")
    if chosen == AP:
        belongs, evaluation = own_query(session.bench.collection), session.evaluation
        current = evaluation is not None and evaluation.pipeline == pipeline
        ap = evaluation.per_query.set_index("query")["ap"].to_dict() if current else {}
        shares = [100 * ap.get(belongs.get(image, ""), float("nan")) for image in images]
        return Colour(pd.Series(shares, dtype=float), "AP of the image's query, %", (0, 100))
    scores: dict[str, float] = {}
    if session.ranking is not None and session.ranked.pipeline == pipeline:
        scores = dict(zip(session.ranking["image_id"], session.ranking["score"], strict=True))
    return Colour(images.map(_pick(scores)).astype(float), "Similarity to the query")


def _pick(values: Mapping[str, Any]) -> Any:
    """``values.get`` for ``Series.map``, to which a mapping would be converted with its missing keys."""
    return lambda image: values.get(image)
