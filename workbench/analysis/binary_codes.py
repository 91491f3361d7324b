"""What the bits of a binary code say: how evenly they split the images, and the angle that they estimate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.search.binary_index import CodeIndex
from workbench.search.ranking import Index

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_BIN = 0.1  # of cosines


@dataclass(frozen=True)
class BinaryCodeStudy(Drawable):
    """The bits of an index of binary codes, over all pairs of a query and an image.

    ``rarer_side`` is the mean over the bits of the share of images on the smaller side of a bit's surface:
    0.5 is best, and a bit at 0 carries no information. ``distances`` is the mean number of different
    distances of a query's ranking; fewer mean more ties. ``angles`` has a row for each cosine, rounded to
    0.1: cosine, pairs, expected, differing and deviation (bits). ``expected`` is bits · θ / π, the mean of
    random hyperplanes at an angle θ (Charikar, STOC 2002); ``differing`` and ``deviation`` are the mean and
    the standard deviation of the bits that differ.
    """

    index: str
    bits: int
    images: int
    rarer_side: float
    distances: float
    angles: pd.DataFrame = field(repr=False)

    def figure(self) -> Figure:
        """Differing bits over the cosine, beside those of random hyperplanes, by plotly."""
        return draw("binary_codes", self)


def binary_code_study(
    index: Index, database: np.ndarray, queries: np.ndarray, progress: Progress = silent
) -> BinaryCodeStudy:
    """Study the codes of an index of ``database`` [N, D] with ``queries`` [Q, D], all of unit length.

    Raises WorkbenchError if the index has no binary codes.
    """
    if not isinstance(index, CodeIndex):
        raise WorkbenchError(f"{index.name!r} has no binary codes; valid: lsh:256, itq:256, sh:256")
    codes = index.codes(np.arange(index.size))
    sides = np.zeros(index.bits)
    for rows in np.array_split(np.arange(index.size), max(1, index.size // 65536)):
        sides += np.unpackbits(codes[rows], axis=1).sum(0)
    inside = sides / max(1, index.size)
    parts, distances = [], []
    for number, (query, code) in enumerate(zip(queries, index.encode(queries), strict=True)):
        progress("comparing bits", number, len(queries))
        cosines = (database @ query).astype(np.float64).clip(-1, 1)
        differing = np.bitwise_count(codes ^ code).sum(1)
        expected = index.bits * np.arccos(cosines) / np.pi
        parts.append(
            pd.DataFrame({"bin": np.rint(cosines / _BIN), "expected": expected, "differing": differing})
        )
        distances.append(np.unique(index.search(query[None])[0].scores).size)
    pairs = pd.concat(parts, ignore_index=True)
    grouped = pairs.groupby("bin", sort=True)
    angles = Table(
        {
            "pairs": grouped["differing"].size(),
            "expected": grouped["expected"].mean(),
            "differing": grouped["differing"].mean(),
            "deviation": grouped["differing"].std(ddof=0),
        }
    )
    angles.insert(0, "cosine", angles.index.to_numpy() * _BIN + 0.0)
    return BinaryCodeStudy(
        index.name,
        index.bits,
        index.size,
        float(np.minimum(inside, 1 - inside).mean()),
        float(np.mean(distances)),
        angles.reset_index(drop=True),
    )
