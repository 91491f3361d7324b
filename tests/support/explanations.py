"""Explanations, evidence and confusions with contributions given by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from workbench.analysis.confusion import Confusion
from workbench.analysis.cooccurrence import Cooccurrence, correlate
from workbench.collections.named_picture import NamedPicture
from workbench.common.tables import Table
from workbench.explain.combined import CombinedExplanation, ExplainedPart, added
from workbench.explain.one import Evidence
from workbench.explain.score import Explanation
from workbench.explain.text import TextExplanation
from workbench.query.part import Part
from workbench.query.query import Leaf


def explained(
    contributions: Sequence[Sequence[float]],
    query_levels: Sequence[int] = (),
    image_levels: Sequence[int] = (),
    names: Sequence[str] = (),
    constant: float = 0.0,
) -> Explanation:
    """An explanation with these contributions of query regions (rows) and image regions (columns).

    Region i is from i/10 to i/10 + 1/2 across. ``names`` are those of the query, the image, the pipeline and
    the collection.
    """
    table = np.array(contributions, float)
    rows, columns = (axis.ravel() for axis in np.indices(table.shape))
    pairs = pd.DataFrame(
        {"query_region": rows, "image_region": columns, "contribution": table.ravel()}
    ).sort_values("contribution", ascending=False, kind="stable", ignore_index=True)
    query_boxes, image_boxes = (
        np.array([[i / 10, 0, i / 10 + 0.5, 1] for i in range(n)]) for n in table.shape
    )
    heat = np.full((2, 3), table.sum() / 6)
    query, image, pipeline, collection = names or ("", "", "", "")
    return Explanation(
        float(table.sum()) + constant,
        heat,
        heat,
        pairs,
        query_boxes,
        image_boxes,
        constant=constant,
        query_levels=np.array(query_levels, int),
        image_levels=np.array(image_levels, int),
        pipeline=pipeline,
        collection=collection,
        pictures=(pictured(query), pictured(image)) if names else None,
    )


def text_explained(
    concepts: Sequence[str] = ("espresso", "cup"),
    text: str = "coffee",
    name: str = "cup.jpg",
    probabilities: Sequence[float] = (0.5, 0.25, 0.125, 0.125),
    constant: float = 0.0,
) -> TextExplanation:
    """An explanation of a text, with weights 1, ½, ⅓ … of concepts; each has its heat in another cell."""
    count = len(concepts)
    weights = 1 / np.arange(1, count + 1)
    parts = weights * np.array(probabilities[:count])
    table = pd.DataFrame(
        {
            "concept": list(concepts),
            "nearest name": list(concepts),
            "similarity": 0.5 + weights / 4,
            "weight": weights,
            "probability": list(probabilities[:count]),
            "contribution": parts,
        }
    )
    heats = {concept: np.zeros((2, 3)) for concept in concepts}
    for cell, (heat, part) in enumerate(zip(heats.values(), parts, strict=True)):
        heat.flat[cell % heat.size] = part - constant / count
    return TextExplanation(
        text, float(parts.sum()), Table(table), sum(heats.values(), np.zeros((2, 3))), constant, heats,
        collection="posters", picture=pictured(name),
    )  # fmt: skip


def pictured(name: str) -> NamedPicture:
    """A teal picture of that name."""
    return NamedPicture(name, Image.new("RGB", (60, 40), "teal"))


def evidence(names: Sequence[str]) -> Evidence:
    """Two votes, one of each image that ``names`` end with; the first is of the query."""
    query, first, second = names
    votes = Table(
        {"query_region": [1, 0], "image_id": [first, second], "image_region": 0, "contribution": [0.5, 0.25]}
    )
    boxes = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1]])
    heat = {first: np.full((1, 2), 0.25), second: np.full((1, 2), 0.125)}
    return Evidence(
        0.75,
        np.array([[0.25, 0.5]]),
        boxes,
        heat,
        dict.fromkeys(heat, boxes),
        votes,
        query_levels=np.array([1, 2]),
        subject=first,
        pictures=(pictured(query), pictured(first)),
    )


def confused(pairs: Sequence[tuple[str, str]], pipeline: str = "x", collection: str = "photos") -> Confusion:
    """A confusion of images with these labels and predicted labels; an image is named by its number."""
    rows = [
        (f"{number}.jpg", label, predicted, "near.jpg") for number, (label, predicted) in enumerate(pairs)
    ]
    images = Table(rows, columns=["image_id", "label", "predicted", "nearest"])
    return Confusion(images, "the nearest image", "label", pipeline, collection)


def correlated(pipeline: str = "x/max/whole/pcaw:2", collection: str = "photos") -> Cooccurrence:
    """Dimensions 0 and 1 equal and 2 independent, before a whitening to two uncorrelated directions."""
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], float)
    before = np.stack([2 * signs[:, 0], 2 * signs[:, 0], signs[:, 1]], axis=1)
    result = correlate(before, signs, 64)
    return Cooccurrence(
        result.before,
        result.after,
        result.dimensions,
        result.shared,
        result.spectrum,
        result.vectors,
        pipeline,
        collection,
        1.0,
    )


def combined_explained(
    values: Sequence[float], names: Sequence[str] = (), counts: Sequence[bool] = (), penalty: float = 0.0
) -> CombinedExplanation:
    """An explanation of a query of images that add these values, their means 0 and deviations 1.

    ``names`` are those of the parts, then of the result, the pipeline and the collection. Each part has two
    regions, which add 3/4 and 1/4 of its value but for 0.1, the mean.
    """
    count = len(values)
    titles = [*names, *(f"{n}.jpg" for n in range(len(names), count))]
    image, pipeline, collection = names[count : count + 3] if len(names) > count else ("", "", "")
    parts = []
    for n, value in enumerate(values):
        why = explained([[0.75 * (value - 0.1), 0.25 * (value - 0.1)]])
        leaf = Leaf(Part("image", titles[n]))
        heat = why.image_heatmap
        counted = counts[n] if counts else True
        constant = value - float(heat.sum())
        parts.append(ExplainedPart(n + 1, leaf, value, 0.0, 1.0, value, counted, heat, constant, why))
    score = sum(part.contribution for part in parts) + penalty
    heat = added([part.heatmap for part in parts if part.counts])
    return CombinedExplanation(
        score,
        tuple(parts),
        penalty,
        heat,
        score - float(heat.sum()),
        " + ".join(str(part.leaf) for part in parts),
        pipeline=pipeline,
        collection=collection,
        picture=pictured(image) if image else None,
    )
