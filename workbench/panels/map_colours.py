"""What the points of a map are coloured by: label, AP, cluster, or similarity to the query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.collections.collection import Collection

CLASSES = 12  # told apart by colour and shape
OTHER, NONE = 254, 255  # codes of what has no colour of its own
Coloured = tuple[bytes, dict[str, Any]]  # codes and colour of a Scatter


def answers(collection: Collection) -> dict[str, str]:
    """For each image that answers a query, that query, the first where there are several."""
    found: dict[str, str] = {}
    for query in collection.queries:
        for image, grade in collection.relevance.get(query.id, {}).items():
            if grade != "junk":
                found.setdefault(image, query.id)
    return found


def labelled(collection: Collection) -> tuple[str, Mapping[str, str]]:
    """What labels of images mean, and the labels; empty where the collection knows none."""
    if collection.labels:
        return "Label", collection.labels
    return "Query it answers", answers(collection)


def own_query(collection: Collection) -> dict[str, str]:
    """The query that an image belongs to: the one it is itself, else the first that it answers."""
    return answers(collection) | {query.image: query.id for query in collection.queries}


def classes(title: str, names: Sequence[str | None], first: str | None = None) -> Coloured:
    """A colour for ``first`` and the most frequent names, at most CLASSES; the rest are other, None none."""
    counts = Counter(name for name in names if name is not None)
    ranked = sorted(counts, key=lambda name: (name != first, -counts[name], name))
    shown = ranked if len(ranked) <= CLASSES else ranked[: CLASSES - 1]
    # By name in the legend, so that numbers and labels stand in their order.
    items = sorted(shown, key=lambda name: (len(name), name) if name.isdigit() else (0, name))
    code = dict.fromkeys(ranked, OTHER) | {name: number for number, name in enumerate(items)}
    codes = bytes(NONE if name is None else code[name] for name in names)
    return codes, {
        "kind": "classes",
        "title": title,
        "items": [{"text": name, "count": counts[name]} for name in items],
        "other": sum(counts[name] for name in ranked[len(items) :]),
        "others": f"{len(ranked) - len(items):,} others",
        "none": sum(name is None for name in names),
    }


def values(title: str, numbers: np.ndarray, low: float, high: float, texts: tuple[str, str]) -> Coloured:
    """Numbers [n] as shares of the way from ``low`` to ``high``, written as ``texts``; NaN is none."""
    shares = ((numbers - low) / ((high - low) or 1)).clip(0, 1)
    return shares.astype(np.float32).tobytes(), {
        "kind": "values",
        "title": title,
        "low": texts[0],
        "high": texts[1],
        "other": 0,
        "none": int(np.isnan(numbers).sum()),
    }
