"""The colours of the points of a map: by label, AP, cluster, or similarity to the query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.collections.answers import answers
from workbench.collections.collection import Collection

CLASSES = 12  # classes with a colour and shape of their own
OTHER, NONE = 254, 255  # codes of classes without a colour, and of points without a class
Coloured = tuple[bytes, dict[str, Any]]  # codes and colour of a Scatter


def own_query(collection: Collection) -> dict[str, str]:
    """The query of each image: the query with this image, else the first that it is relevant to."""
    return answers(collection) | {query.image: query.id for query in collection.queries}


def classes(title: str, names: Sequence[str | None], first: str | None = None) -> Coloured:
    """Colours for ``first`` and the most frequent names, at most CLASSES; other names share one colour."""
    counts = Counter(name for name in names if name is not None)
    ranked = sorted(counts, key=lambda name: (name != first, -counts[name], name))
    shown = ranked if len(ranked) <= CLASSES else ranked[: CLASSES - 1]
    # The legend is sorted by name; numbers in their order.
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
    """Numbers [n] scaled to 0…1 from ``low`` to ``high``, which are shown as ``texts``; nan has no colour."""
    shares = ((numbers - low) / ((high - low) or 1)).clip(0, 1)
    return shares.astype(np.float32).tobytes(), {
        "kind": "values",
        "title": title,
        "low": texts[0],
        "high": texts[1],
        "other": 0,
        "none": int(np.isnan(numbers).sum()),
    }
