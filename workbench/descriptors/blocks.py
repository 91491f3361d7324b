"""Vectors in blocks of rows: their mean and covariance, without a copy of all vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

ROWS = 8192  # of a block that is centred at a time


@dataclass(frozen=True)
class Blocks:
    """Vectors float32 [n, C] as some tensors below each other."""

    tensors: Sequence[torch.Tensor]

    @classmethod
    def of(cls, vectors: torch.Tensor | np.ndarray | Sequence[torch.Tensor]) -> Blocks:
        if isinstance(vectors, torch.Tensor | np.ndarray):
            return cls([torch.as_tensor(vectors, dtype=torch.float32)])
        return cls(list(vectors))

    def __len__(self) -> int:
        return sum(map(len, self.tensors))

    def centred(self, mean: torch.Tensor) -> Iterator[torch.Tensor]:
        """The vectors less a mean, in blocks of ``ROWS`` rows; a block is valid until the next."""
        block = torch.empty(min(ROWS, len(self)), len(mean))
        filled = 0
        for tensor in self.tensors:
            start = 0
            while start < len(tensor):
                part = tensor[start : start + ROWS - filled]
                torch.sub(part, mean, out=block[filled : filled + len(part)])
                start, filled = start + len(part), filled + len(part)
                if filled == ROWS:
                    yield block
                    filled = 0
        if filled:
            yield block[:filled]

    @property
    def channels(self) -> int | None:
        """C; None if these are not vectors of one length."""
        lengths = {tensor.shape[1] if tensor.ndim == 2 else None for tensor in self.tensors}
        return lengths.pop() if len(lengths) == 1 else None

    @property
    def shape(self) -> tuple[int, ...]:
        """That of all vectors."""
        if len(self.tensors) == 1:
            return tuple(self.tensors[0].shape)
        return (len(self), *self.tensors[0].shape[1:]) if self.tensors else (0, 0)

    def finite(self) -> bool:
        return all(bool(torch.isfinite(tensor.sum())) for tensor in self.tensors)

    def mean(self) -> torch.Tensor:
        """The mean [C]: the same, to the bit, for any division of the vectors into tensors."""
        if len(self.tensors) == 1 and len(self) <= ROWS:
            return self.tensors[0].mean(0)
        blocks = self.centred(torch.zeros(self.tensors[0].shape[1]))
        if len(self) <= ROWS:
            return next(blocks).mean(0)
        total = torch.stack([block.sum(0, dtype=torch.float64) for block in blocks]).sum(0)
        return (total / len(self)).float()

    def covariance(self, mean: torch.Tensor) -> np.ndarray:
        """The covariance float32 [C, C] around a mean; products of blocks are added in double precision."""
        total: np.ndarray | None = None
        for block in self.centred(mean):
            centred = block.numpy()
            product = centred.T @ centred  # symmetric: NumPy computes one half of it
            if total is None:
                total = product
            else:
                total = total.astype(np.float64, copy=False)
                total += product
        assert total is not None
        return (total / len(self)).astype(np.float32)

    def rows(self, positions: np.ndarray) -> torch.Tensor:
        """The vectors at some positions [m, C]."""
        starts = np.cumsum([0, *map(len, self.tensors)])
        of = np.searchsorted(starts, positions, side="right") - 1
        parts = torch.empty(len(positions), self.tensors[0].shape[1])
        for number in np.unique(of):
            chosen = np.flatnonzero(of == number)
            parts[chosen] = self.tensors[number][positions[chosen] - starts[number]]
        return parts
