"""What timelines are asked for, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.collections.collection import Collection
from workbench.panels.video.moments import Moments, Strips


@dataclass(frozen=True, eq=False)
class Request:
    """A ranking, and the collection whose moments it ranks. No two are equal: a ranking is a table."""

    ranking: pd.DataFrame | None
    collection: Collection


class Answer(NamedTuple):
    """The moments, and their scores and strips for the query; None without a ranking."""

    moments: Moments
    scores: np.ndarray | None
    strips: Strips | None
