"""How deep a ranking is asked for, and what is said of an image that is not in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.collections.collection import Collection

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

WHOLE = 20_000  # images, up to which a ranking is of all of them
DEPTH = 10_000  # results of a ranking of more
NOT_REACHED = "not reached by the index"


def depth_of(collection: Collection) -> int | None:
    """The results of a ranking; None: all images, as of videos, whose timelines show each moment."""
    return DEPTH if len(collection.images) > WHOLE and not collection.videos else None


def rank(bench: Bench, *query: Any, **options: Any) -> pd.DataFrame:
    """The ranking of ``bench.search``, as deep as its collection's; ``attrs`` have the ``depth`` if there are
    more results."""
    depth = depth_of(bench.collection)
    ranking = bench.search(*query, k=depth, **options)
    if depth is not None and len(ranking) >= depth:
        ranking.attrs["depth"] = depth
    return ranking


def absence(ranking: pd.DataFrame) -> str:
    """Why an image is not in a ranking of ``rank``."""
    depth = ranking.attrs.get("depth")
    return NOT_REACHED if depth is None else f"below rank {depth:,}"
