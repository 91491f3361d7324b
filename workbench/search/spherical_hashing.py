"""Spherical hashing: one bit per hypersphere, set inside it (Heo, Lee, He, Chang and Yoon, CVPR 2012)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

SHARED, SPREAD = 0.10, 0.15  # the paper's tolerances, as fractions of a quarter of the vectors
SAMPLE = 10_000  # vectors to learn from, at most
ROUNDS = 100  # of moving the pivots, at most
_PIVOT_SAMPLE = 10  # random vectors whose mean is the initial pivot
_BATCH_NUMBERS = 2**22  # numbers in memory at a time while encoding


@dataclass(frozen=True)
class Spheres:
    """Pivots float32 [B, D] and radii [B] of the spheres, and how evenly they divide the training vectors.

    Of n training vectors, o_ij lie in both sphere i and sphere j. ``balance`` is the mean of |o_ij - n/4|
    over the pairs of spheres and ``spread`` the standard deviation of o_ij, both as fractions of n/4.
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
        """A message if the spheres miss the tolerances; otherwise empty."""
        if self.balance <= SHARED and self.spread <= SPREAD:
            return ""
        return (
            f"the spheres of sh:{self.bits} overlap unevenly: after {self.iterations} rounds pairs deviate "
            f"{self.balance:.0%} from a quarter (at most {SHARED:.0%} is intended) with a standard deviation "
            f"of {self.spread:.0%} (at most {SPREAD:.0%}); use fewer bits or more images"
        )

    @property
    def bounds(self) -> np.ndarray:
        """The least x·p - |x|²/2 [B] of points x in each sphere: |x - p|² <= r² is >= (|p|² - r²)/2.

        The margin keeps points on a sphere inside it.
        """
        lengths = np.einsum("bd,bd->b", self.pivots, self.pivots)
        return np.asarray((lengths - self.radii**2) / 2 - 1e-6 * np.maximum(1, lengths))

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Encode vectors [n, D] as codes uint8 [n, B/8]; bit b (lowest bit of a byte first) is sphere b."""
        bounds = self.bounds
        codes = np.empty((len(vectors), self.bits // 8), np.uint8)
        for start in range(0, len(vectors), step := max(1, _BATCH_NUMBERS // self.bits)):
            inside = _nearness(vectors[start : start + step], self.pivots) >= bounds
            codes[start : start + step] = np.packbits(inside, axis=1, bitorder="little")
        return codes

    def state(self) -> dict[str, np.ndarray]:
        statistics = np.array([self.iterations, self.balance, self.spread])
        return {"pivots": self.pivots, "radii": self.radii, "learned": statistics}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Spheres:
        iterations, balance, spread = state["learned"].tolist()
        return cls(state["pivots"], state["radii"], int(iterations), balance, spread)


def fit(vectors: np.ndarray, bits: int, seed: int = 0, progress: Progress = silent) -> Spheres:
    """Learn spheres that each contain half of the vectors [n, D] and pairwise share a quarter.

    Algorithm 1 of the paper: the radii are medians of distances. The pivots are then moved by

        f_ij = 1/2 (o_ij - n/4) / (n/4) (p_i - p_j),    p_i <- p_i + mean over j of f_ij,

    so that a pair moves apart if it shares too much and together if too little, until the tolerances
    are met or ``ROUNDS`` rounds are done; ``warning`` then reports it. Learns from at most ``SAMPLE``
    vectors, drawn by the seed. Raises WorkbenchError without vectors or if ``bits`` is not a multiple of 8.
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
    pivots = x[random.integers(0, n, (bits, min(n, _PIVOT_SAMPLE)))].mean(1)
    pairs = np.triu_indices(bits, 1)
    best: Spheres | None = None
    for round_number in range(ROUNDS + 1):
        progress("balancing spheres", round_number, ROUNDS)
        near = np.ascontiguousarray(_nearness(x, pivots).T)
        medians = np.partition(near, [(n - 1) // 2, n // 2], axis=1)[:, [(n - 1) // 2, n // 2]].mean(1)
        inside = (near >= medians[:, None]).astype(np.float32)
        excess = (inside @ inside.T) / np.float32(n / 4) - 1
        balance, spread = float(np.abs(excess[pairs]).mean()), float(excess[pairs].std())
        if best is None or balance < best.balance:  # with too few vectors the pivots diverge
            radii = np.sqrt(np.maximum(0, np.einsum("bd,bd->b", pivots, pivots) - 2 * medians))
            best = Spheres(pivots, radii, round_number, balance, spread)
        if balance <= SHARED and spread <= SPREAD:
            return Spheres(pivots, radii, round_number, balance, spread)
        np.fill_diagonal(excess, 0)
        force = (excess.sum(1)[:, None] * pivots - excess @ pivots) / np.float32(2 * bits)
        if not force.any():
            break
        pivots = pivots + force
    assert best is not None
    return best


def _nearness(vectors: np.ndarray, pivots: np.ndarray) -> np.ndarray:
    """Return x·p - |x|²/2 of vectors [n, D] and pivots [B, D], float32 [n, B]: larger is nearer."""
    x = np.asarray(vectors, np.float32)
    near: np.ndarray = x @ pivots.T
    near -= np.einsum("nd,nd->n", x, x)[:, None] / 2
    return near
