"""The cells of two feature maps in their common principal components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

KEPT = 6  # components
COLOURED = 3  # components shown at once, as red, green and blue
_TAILS = (2, 98)  # percentiles of the cells at which a colour is 0 and 1


@dataclass(frozen=True, eq=False)
class Basis:
    """Principal components of the cells of feature maps, and their range.

    ``mean`` [C], ``axes`` [K, C] of unit length in the order of their variance, and ``shares`` [K] of the
    variance of all channels. ``low`` and ``high`` [K] are percentiles 2 and 98 of the cells, so that single
    cells do not stretch the colours. Rows beyond the rank are zero.
    """

    mean: np.ndarray = field(repr=False)
    axes: np.ndarray = field(repr=False)
    shares: np.ndarray
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)

    def values(self, maps: np.ndarray) -> np.ndarray:
        """The components [K, H, W] of the cells of a map [C, H, W].

        Raises WorkbenchError if the map has another number of channels.
        """
        channels, height, width = maps.shape
        if channels != len(self.mean):
            raise WorkbenchError(
                f"the components are those of {len(self.mean)} channels, and this layer has {channels}; "
                "compute components of this layer"
            )
        cells = _unit(maps) - self.mean
        return np.asarray((self.axes @ cells.T).reshape(-1, height, width))


@dataclass(frozen=True)
class Components(Drawable):
    """Two pictures with the components of their cells: ``values`` are two arrays [K, H, W], in ``basis``.

    Cells of both pictures with similar features have similar values, and so similar colours.
    """

    basis: Basis = field(repr=False)
    values: tuple[np.ndarray, np.ndarray] = field(repr=False)
    pictures: tuple[NamedPicture, NamedPicture] | None = field(default=None, repr=False, compare=False)
    collection: str = field(default="", repr=False, compare=False)
    pipeline: str = field(default="", repr=False, compare=False)

    def __repr__(self) -> str:
        names = " and ".join(repr(picture.name) for picture in self.pictures or ())
        return f"Components({names or 'two maps'}: {shares_text(self.shares)})"

    @property
    def shares(self) -> np.ndarray:
        """The share of the variance [K] of each component."""
        return self.basis.shares

    def colours(self, first: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Components ``first`` to ``first + 2`` of both pictures as RGB, two arrays [H, W, 3] from 0 to 1.

        Raises WorkbenchError for another first component than 1 to 4.
        """
        last = KEPT - COLOURED + 1
        if not 1 <= first <= last:
            raise WorkbenchError(f"first component {first} is not known; valid: 1 to {last}")
        chosen = slice(first - 1, first - 1 + COLOURED)
        low, high = (end[chosen, None, None] for end in (self.basis.low, self.basis.high))
        span = np.where(high > low, high - low, 1.0)
        grey = np.where(high > low, 0.0, 0.5)  # a component without variance says nothing
        one, other = (((v[chosen] - low) / span + grey).clip(0, 1).transpose(1, 2, 0) for v in self.values)
        return one, other

    def figure(self, first: int = 1) -> Figure:
        """Both pictures under the colours of three components, with the shares of the variance."""
        return draw("components", self, first=first)


def components(maps: np.ndarray, other: np.ndarray, basis: Basis | None = None) -> Components:
    """The cells of two maps [C, H, W] in the principal components of both together, or in those of ``basis``.

    Cells are scaled to unit length first, as descriptors are: their direction says what is in a cell, their
    norm how strongly the network responds. Coloured components of patch features of several pictures are the
    usual view of what a network takes for the same part (Oquab et al. 2023, DINOv2, figure 1). Raises
    WorkbenchError if the channels differ.
    """
    if len(maps) != len(other):
        raise WorkbenchError(f"maps of {len(maps)} and of {len(other)} channels have no common components")
    basis = basis or fit([maps, other])
    return Components(basis, (basis.values(maps), basis.values(other)))


def fit(maps: Sequence[np.ndarray]) -> Basis:
    """The principal components of the cells of all maps [C, H, W].

    The sign of a component makes its largest loading positive; the order of the maps has no influence but
    that of rounding.
    """
    cells = np.concatenate([_unit(array) for array in maps])
    mean = cells.mean(0)
    centred = cells - mean
    if centred.shape[0] < centred.shape[1]:  # the eigenvectors of the smaller product are enough
        variances, vectors = np.linalg.eigh(centred @ centred.T)
        rows = vectors.T[::-1][:KEPT] @ centred
    else:
        variances, vectors = np.linalg.eigh(centred.T @ centred)
        rows = vectors.T[::-1][:KEPT]
    variances, total = variances[::-1][:KEPT].clip(0), float((centred**2).sum())
    known = variances > 1e-9 * max(total, 1e-12)
    axes, shares = np.zeros((KEPT, len(mean))), np.zeros(KEPT)
    lengths = np.linalg.norm(rows[known], axis=1, keepdims=True)
    signs = np.sign(np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1))[known]
    count = int(known.sum())
    axes[:count], shares[:count] = rows[known] / lengths * signs, variances[known] / (total or 1.0)
    low, high = np.percentile(centred @ axes.T, _TAILS, axis=0)
    return Basis(mean, axes, shares, low, high)


def shares_text(shares: np.ndarray, first: int = 1) -> str:
    """Three components with their colours and shares of the variance, as one line."""
    chosen = zip(("red", "green", "blue"), shares[first - 1 :], strict=False)
    parts = [
        f"{colour}: component {first + n} ({100 * share:.0f} %)" for n, (colour, share) in enumerate(chosen)
    ]
    return ", ".join(parts) + " of the variance"


def _unit(maps: np.ndarray) -> np.ndarray:
    """The cells of a map [C, H, W] as rows [H · W, C] of unit length; a cell of zeros stays zero."""
    cells = np.asarray(maps, np.float64).reshape(len(maps), -1).T
    return np.asarray(cells / np.linalg.norm(cells, axis=1, keepdims=True).clip(1e-12))
