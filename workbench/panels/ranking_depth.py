"""How deep a ranking is asked for, and what is said of an image that is not in it."""

from __future__ import annotations

import pandas as pd

from workbench.collections.collection import Collection

WHOLE = 20_000  # images, up to which a ranking is of all of them
DEPTH = 10_000  # results of a ranking of more
NOT_REACHED = "not reached by the index"


def depth_of(collection: Collection) -> int | None:
    """The results of a ranking; None: all images, as of videos, whose timelines show each moment."""
    return DEPTH if len(collection.images) > WHOLE and not collection.videos else None


def absence(ranking: pd.DataFrame) -> str:
    """Why an image is not in a ranking of ``Session.rank``."""
    depth = ranking.attrs.get("depth")
    return NOT_REACHED if depth is None else f"below rank {depth:,}"
