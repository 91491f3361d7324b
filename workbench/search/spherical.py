"""Spherical hashing: one bit a hypersphere, for being inside it (Heo, Lee, He, Chang and Yoon, CVPR 2012)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.config import WorkbenchError
from workbench.progress import Progress, silent

SHARED, SPREAD = 0.10, 0.15  # the paper's tolerances, of a quarter of the vectors
SAMPLE = 10_000  # vectors to learn from, at most
ROUNDS = 100  # of moving the pivots, at most
_A_PIVOT = 10  # random vectors, whose mean is where a pivot starts
_TOGETHER = 2**22  # numbers held at a time while encoding


@dataclass(frozen=True)
class Spheres:
    """Pivots float32 [B, D] and radii [B] of the spheres, and how well they came to share the vectors.

    ``balance`` is the mean of |o_ij - n/4| over the pairs of spheres and ``spread`` the deviation of
    o_ij, both as shares of n/4, where o_ij of the n vectors learned from lie in both spheres.
    """

    pivots: np.ndarray
    radii: np.ndarray
    iterations: int
    balance: float
    spread: float

    @property
    def bits(self) -> int:
        return len(self.pivots)

    @property
    def nbytes(self) -> int:
        return int(self.pivots.nbytes + self.radii.nbytes)

    @property
    def warning(self) -> str:
        """What to know of these spheres where they miss the tolerances; otherwise nothing."""
        if self.balance <= SHARED and self.spread <= SPREAD:
            return ""
        return (
            f"the spheres of sh:{self.bits} overlap unevenly: after {self.iterations} rounds pairs are "
            f"{self.balance:.0%} off a quarter (at most {SHARED:.0%} are wanted) with a deviation of "
            f"{self.spread:.0%} (at most {SPREAD:.0%}); fewer bits or more images would part them better"
        )

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Codes uint8 [n, B/8] of vectors [n, D]; bit b, the lowest of a byte first, is sphere b's."""
        lengths = np.einsum("bd,bd->b", self.pivots, self.pivots)
        # |x - p|² <= r² is x·p - |x|²/2 >= (|p|² - r²)/2. On a sphere counts as in it, however it is rounded.
        bounds = (lengths - self.radii**2) / 2 - 1e-6 * np.maximum(1, lengths)
        codes = np.empty((len(vectors), self.bits // 8), np.uint8)
        for start in range(0, len(vectors), step := max(1, _TOGETHER // self.bits)):
            inside = _nearness(vectors[start : start + step], self.pivots) >= bounds
            codes[start : start + step] = np.packbits(inside, axis=1, bitorder="little")
        return codes

    def state(self) -> dict[str, np.ndarray]:
        learned = np.array([self.iterations, self.balance, self.spread])
        return {"pivots": self.pivots, "radii": self.radii, "learned": learned}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Spheres:
        iterations, balance, spread = state["learned"].tolist()
        return cls(state["pivots"], state["radii"], int(iterations), balance, spread)


def fit(vectors: np.ndarray, bits: int, seed: int = 0, progress: Progress = silent) -> Spheres:
    """Spheres that each hold half of the vectors [n, D] and by pairs share a quarter.

    Algorithm 1 of the paper: radii are medians of distances. Then pivots are moved, j pushing i by

        f_ij = 1/2 (o_ij - n/4) / (n/4) (p_i - p_j),    p_i <- p_i + mean over j of f_ij,

    away where a pair shares too much and closer where too little, until the tolerances hold, or for
    ``ROUNDS`` rounds: ``warning`` then says so. Learns from at most ``SAMPLE`` vectors, drawn by the seed.
    Raises WorkbenchError without vectors, or for bits that are no whole bytes.
    """
    if bits < 8 or bits % 8:
        raise WorkbenchError(f"index sh:{bits}: codes are whole bytes; valid: multiples of 8 bits")
    if not len(vectors):
        raise WorkbenchError(f"index sh:{bits}: spheres are learned from vectors, and there are none")
    random = np.random.default_rng(seed)
    if len(vectors) > SAMPLE:
        vectors = vectors[np.sort(random.choice(len(vectors), SAMPLE, replace=False))]
    x = np.ascontiguousarray(vectors, np.float32)
    n = len(x)
    pivots = x[random.integers(0, n, (bits, min(n, _A_PIVOT)))].mean(1)
    pairs = np.triu_indices(bits, 1)
    best: Spheres | None = None
    for rounds in range(ROUNDS + 1):
        progress("balancing spheres", rounds, ROUNDS)
        near = np.ascontiguousarray(_nearness(x, pivots).T)
        middle = np.partition(near, [(n - 1) // 2, n // 2], axis=1)[:, [(n - 1) // 2, n // 2]].mean(1)
        inside = (near >= middle[:, None]).astype(np.float32)
        excess = (inside @ inside.T) / np.float32(n / 4) - 1
        balance, spread = float(np.abs(excess[pairs]).mean()), float(excess[pairs].std())
        if best is None or balance < best.balance:  # too few vectors drive pivots ever further apart
            radii = np.sqrt(np.maximum(0, np.einsum("bd,bd->b", pivots, pivots) - 2 * middle))
            best = Spheres(pivots, radii, rounds, balance, spread)
        if balance <= SHARED and spread <= SPREAD:
            return Spheres(pivots, radii, rounds, balance, spread)
        np.fill_diagonal(excess, 0)
        force = (excess.sum(1)[:, None] * pivots - excess @ pivots) / np.float32(2 * bits)
        if not force.any():
            break
        pivots = pivots + force
    assert best is not None
    return best


def _nearness(vectors: np.ndarray, pivots: np.ndarray) -> np.ndarray:
    """x·p - |x|²/2 of vectors [n, D] and pivots [B, D], float32 [n, B]: the larger, the nearer."""
    x = np.asarray(vectors, np.float32)
    near: np.ndarray = x @ pivots.T
    near -= np.einsum("nd,nd->n", x, x)[:, None] / 2
    return near
