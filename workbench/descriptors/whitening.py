"""PCA, PCA whitening and learned whitening, as plain arrays with their provenance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save

from workbench.common.checksums import require_intact, sealed
from workbench.common.damage import DAMAGE
from workbench.common.drawable import draw
from workbench.common.files import replacing
from workbench.common.lazy import lazy_module
from workbench.config.errors import WorkbenchError
from workbench.descriptors.blocks import Blocks

linalg = lazy_module("scipy.linalg")

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_VECTORS = 65_536  # larger sets are sampled; fewer vectors cost precision, see docs/benchmarks.md


@dataclass(frozen=True)
class Whitening:
    """x ↦ projection · (x - mean): mean [C], projection [D, C]; ``provenance`` describes the fit."""

    kind: str
    mean: torch.Tensor
    projection: torch.Tensor
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def dimensions(self) -> int:
        return len(self.projection)

    @property
    def strength(self) -> float | None:
        """That of PCA whitening from 0 (none, as in ``pca``) to 1; None for a learned one."""
        if self.kind == "lw":
            return None
        return float(self.provenance.get("strength", 1.0)) if self.kind == "pcaw" else 0.0

    @property
    def variances(self) -> np.ndarray | None:
        """The variance [D] of the fitted vectors along each direction; None where it is not stored.

        Directions have unit length, so a row of the projection has length eigenvalue^(-t/2) at strength t.
        """
        strength = self.strength
        if not strength:
            return None
        with np.errstate(all="ignore"):
            variances = self.projection.double().norm(dim=1).numpy() ** (-2 / strength)
        return variances if np.isfinite(variances).all() and variances.all() else None

    def figure(self) -> Figure:
        """The share of variance of each direction, before and after whitening."""
        return draw("spectrum", self)

    @classmethod
    def fit(
        cls,
        vectors: torch.Tensor | np.ndarray | Sequence[torch.Tensor],
        dimensions: int,
        kind: str = "pcaw",
        pairs: np.ndarray | None = None,
        provenance: dict[str, Any] | None = None,
        strength: float = 1.0,
    ) -> Whitening:
        """Fit to vectors [n, C], or blocks of them; keeps the ``dimensions`` directions of most variance.

        ``pca`` rotates; ``pcaw`` also divides by the root of each eigenvalue (Jégou and Chum, ECCV 2012), or
        at a ``strength`` t from 0 to 1 by eigenvalue^(t/2); ``lw`` is learned whitening from ``pairs``
        [m, 2] of matching rows (Mikolajczyk and Matas 2007, as used by Radenović et al. 2018). Raises
        WorkbenchError on too few vectors.
        """
        x = Blocks.of(vectors)
        if x.channels is None or len(x) < 2 or not x.finite():
            raise WorkbenchError(f"{kind} needs at least two finite vectors [n, C], not {x.shape}")
        if kind == "lw":
            if pairs is None or len(pairs) < 2:
                raise WorkbenchError(
                    f"lw:{dimensions} learns from matching pairs, and this collection has "
                    f"{0 if pairs is None else len(pairs)}; use pcaw:{dimensions}"
                )
            mean, projection = _learned(x, np.asarray(pairs), dimensions)
        elif kind in ("pca", "pcaw"):
            mean = x.mean()
            values, directions = _principal(x, mean, dimensions)
            projection = directions / values.sqrt()[:, None] if kind == "pcaw" else directions
        else:
            raise WorkbenchError(f"whitening {kind!r} is not known; valid: pca, pcaw, lw")
        if len(projection) == 0:
            raise WorkbenchError(f"{kind} cannot be fitted: all {len(x)} vectors are the same")
        fit_details = {"kind": kind, "vectors": len(x), "asked": dimensions, "kept": len(projection)}
        time = datetime.now(UTC).isoformat(timespec="seconds")
        fitted = cls(kind, mean, projection.contiguous(), {**fit_details, "when": time, **(provenance or {})})
        return fitted if kind != "pcaw" or strength == 1 else fitted.at_strength(strength)

    def at_strength(self, strength: float) -> Whitening:
        """The same directions divided by eigenvalue^(t/2), of a ``pcaw`` whitening of full strength.

        Directions have unit length, so the length of a row of its projection is eigenvalue^(-1/2).
        """
        lengths = self.projection.norm(dim=1, keepdim=True)
        projection = self.projection / lengths ** (1 - strength)
        kind = "pcaw" if strength else "pca"
        return Whitening(kind, self.mean, projection, {**self.provenance, "kind": kind, "strength": strength})

    def apply(self, vectors: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Project vectors [..., C] to [..., D]; L2 normalisation is left to the pipeline."""
        vectors = torch.as_tensor(vectors, dtype=torch.float32)
        flat = vectors.reshape(-1, vectors.shape[-1])
        return torch.addmm(-self.projection @ self.mean, flat, self.projection.T).reshape(
            *vectors.shape[:-1], self.dimensions
        )

    def to_bytes(self) -> bytes:
        """Serialise arrays and provenance to a safetensors file."""
        header = json.dumps({"kind": self.kind, **self.provenance}, ensure_ascii=False)
        return b"".join(
            sealed(save({"mean": self.mean, "projection": self.projection}, {"whitening": header}))
        )

    def save(self, path: Path | str) -> None:
        """Write arrays and provenance to one safetensors file."""
        with replacing(Path(path)) as part:
            part.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path | str) -> Whitening:
        """Load a file that ``save`` wrote. Raises WorkbenchError if it is another or damaged."""
        require_intact(Path(path), "so it is not a saved whitening any more: fit it again")
        try:
            with safe_open(str(path), framework="pt") as file:
                header = json.loads((file.metadata() or {})["whitening"])
                mean, projection = file.get_tensor("mean"), file.get_tensor("projection")
            _check(header, mean, projection)
            return cls(header["kind"], mean, projection, header)
        except DAMAGE as error:
            raise WorkbenchError(f"{str(path)!r} is not a saved whitening ({type(error).__name__})") from None


def _check(header: Any, mean: torch.Tensor, projection: torch.Tensor) -> None:
    """Raise ValueError or TypeError unless these are the parts of a whitening."""
    fits = projection.ndim == 2 and mean.shape == projection.shape[1:] and len(projection) > 0
    if not fits or mean.dtype != torch.float32 or projection.dtype != torch.float32:
        raise ValueError("arrays of other shapes or types")
    if not bool(mean.isfinite().all() and projection.isfinite().all()):
        raise ValueError("arrays that are not finite")
    if header["kind"] not in ("pca", "pcaw", "lw"):
        raise ValueError("another kind")
    kinds: dict[str, type | tuple[type, ...]] = dict.fromkeys(("vectors", "asked", "kept"), int)
    for name, kind in {**kinds, "strength": (int, float), "collection": str}.items():
        if name in header and (not isinstance(header[name], kind) or isinstance(header[name], bool)):
            raise TypeError(name)


def _principal(x: Blocks, mean: torch.Tensor, dimensions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the largest eigenvalues [D] of the covariance and their directions [D, C], up to its rank."""
    n, channels = len(x), x.channels
    gram = channels is not None and n < channels  # the smaller of the two matrices has the same eigenvalues
    if gram:
        centred = torch.cat([block.clone() for block in x.centred(mean)]).numpy()
        matrix = centred @ centred.T / n  # symmetric: NumPy computes one half of it
    else:
        matrix = x.covariance(mean)
    values, vectors = _largest(matrix, dimensions)
    # Values far below the squared length of the vectors are rounding errors.
    length = float(np.trace(matrix, dtype=np.float64)) + float(mean @ mean)
    keep = values > max(values[0] * 1e-6, length * 1e-10)
    values, vectors = values[keep], vectors[:, keep]
    directions = (centred.T @ vectors / np.sqrt(values * n)).T if gram else vectors.T
    # The sign is arbitrary; it is fixed so that two fits are equal.
    sign = np.sign(np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1))
    return torch.from_numpy(values).float(), torch.from_numpy(directions * sign).float()


def _largest(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest eigenvalues [D] of a symmetric matrix and their vectors [M, D] in double precision.

    Computed in single precision, which takes half the time; a Rayleigh-Ritz step in double precision
    removes the rounding error.
    """
    # SciPy's would block all other threads.
    try:
        vectors = torch.linalg.eigh(torch.from_numpy(matrix)).eigenvectors
    except torch.linalg.LinAlgError:  # nearly all vectors are equal
        vectors = torch.linalg.eigh(torch.from_numpy(matrix).double()).eigenvectors
    basis = vectors[:, -count:].numpy().astype(np.float64)
    values, rotation = linalg.eigh(basis.T @ (matrix.astype(np.float64) @ basis), basis.T @ basis)
    return values[::-1].copy(), (basis @ rotation)[:, ::-1].copy()


def _learned(x: Blocks, pairs: np.ndarray, dimensions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """P = inverse Cholesky factor of the covariance of matched differences, then PCA in that space.

    Pairs are often fewer than dimensions: the covariance is shrunk towards a multiple of the identity,
    by the intensity that Ledoit and Wolf (2004) derive from the data.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    first = np.unique(pairs[:, 0])
    mean = x.rows(first).mean(0)
    differences = (x.rows(pairs[:, 0]) - x.rows(pairs[:, 1])).double()
    within = differences.T @ differences / len(differences)
    average = within.trace() / len(within)
    if average <= 0:
        return mean, torch.empty(0, len(mean))
    shrinkage = max(float(ledoit_wolf_shrinkage(differences.numpy(), assume_centered=True)), 1e-6)
    within = (1 - shrinkage) * within + shrinkage * average * torch.eye(len(within), dtype=torch.float64)
    root = torch.linalg.cholesky(within)
    # The covariance of the vectors after the inverse of the factor: root^-1 · covariance · root^-T.
    half = torch.linalg.solve_triangular(root, torch.from_numpy(x.covariance(mean)).double(), upper=False)
    transformed = torch.linalg.solve_triangular(root, half.T, upper=False)
    _, directions = torch.linalg.eigh(transformed)
    directions = directions.flip(1)[:, : min(dimensions, len(x) - 1)]
    projection = torch.linalg.solve_triangular(root.T, directions, upper=True).T
    return mean, projection.float()
