"""Codes with one bit per hyperplane, the side of a vector: random hyperplanes and ITQ, by FAISS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, interruptible, silent
from workbench.config.errors import WorkbenchError
from workbench.search import kmeans

faiss = lazy_module("faiss")

SAMPLE = 2**16  # vectors to learn from, at most


@dataclass(frozen=True)
class Hyperplanes:
    """A linear map followed by the sign of each output."""

    coder: Any  # a faiss.IndexPreTransform

    @property
    def bits(self) -> int:
        return 8 * int(self.coder.sa_code_size())

    @property
    def nbytes(self) -> int:
        return len(faiss.serialize_index(self.coder))

    @property
    def warning(self) -> str:
        return ""

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Encode vectors [n, D] as codes uint8 [n, B/8]; bit b (lowest of a byte first) is hyperplane b."""
        with kmeans.limit_threads(vectors.size * self.bits):
            return np.asarray(self.coder.sa_encode(np.ascontiguousarray(vectors, np.float32)))

    def state(self) -> dict[str, np.ndarray]:
        return {"coder": faiss.serialize_index(self.coder)}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Hyperplanes:
        return cls(faiss.deserialize_index(state["coder"]))


def lsh(dimensions: int, bits: int, seed: int = 0) -> Hyperplanes:
    """Draw random hyperplanes through the origin: vectors at angle t differ in a fraction t/pi of the bits.

    Charikar, STOC 2002, section 3. Up to D hyperplanes are mutually orthogonal, which keeps that fraction
    and lowers its variance (Ji et al., NIPS 2012); more than D hyperplanes are spread evenly.
    """
    rotation = faiss.RandomRotationMatrix(dimensions, bits)
    with kmeans.one_thread():
        rotation.init(seed)
    return _signs(rotation)


def itq(vectors: np.ndarray, bits: int, seed: int = 0, progress: Progress = silent) -> Hyperplanes:
    """Learn iterative quantization (ITQ) of vectors [n, D]: PCA, then a rotation that minimises the rounding.

    Gong and Lazebnik, CVPR 2011, by FAISS, which first normalises the centred vectors. Learns from at most
    ``SAMPLE`` vectors. Raises WorkbenchError if there are fewer dimensions or vectors than bits.
    """
    check(bits, *vectors.shape)
    train = kmeans.sample(vectors, SAMPLE, seed)
    rotation = faiss.ITQTransform(vectors.shape[1], bits, True)
    rotation.itq.seed = seed
    rotation.max_train_per_dim = len(train)  # otherwise FAISS samples the vectors a second time

    def learn() -> None:
        with kmeans.one_thread():  # many small products: threads would wait for each other on a busy machine
            rotation.train(train)

    interruptible(learn, progress, "learning the rotation")
    return _signs(rotation)


def check(bits: int, vectors: int, dimensions: int) -> None:
    """Raise WorkbenchError if ITQ cannot learn this number of bits from the vectors and dimensions."""
    if bits > dimensions:
        valid = f"itq:{dimensions // 8 * 8} or fewer bits, " if dimensions >= 8 else ""
        raise WorkbenchError(
            f"index itq:{bits}: it rotates {dimensions} dimensions and cannot produce more bits than those; "
            f"valid: {valid}lsh:{bits}, sh:{bits}"
        )
    if vectors < bits:
        valid = f"itq:{vectors // 8 * 8} or fewer bits, " if vectors >= 8 else ""
        raise WorkbenchError(
            f"index itq:{bits}: its {bits} directions need as many vectors, and there are {vectors}; "
            f"valid: {valid}lsh:{bits}, sh:{bits}"
        )


def _signs(rotation: Any) -> Hyperplanes:
    bits = rotation.d_out
    signs: Any = faiss.IndexLSH(bits, bits, False, False)
    coder = faiss.IndexPreTransform(rotation, signs)
    coder.own_fields = True
    rotation.this.disown()
    signs.this.disown()
    return Hyperplanes(coder)
