"""Batches of pairs of patches, drawn from the places of several photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.learning.hardnet.patch_pairs import Places

APART = 2.0  # times the larger size: places of a photo that are nearer overlap and are no negatives


@dataclass(frozen=True)
class Batch:
    """Pairs of patches uint8 [n, 32, 32] of as many ``places`` [n], the rows of those.

    ``overlap`` [n, n]: whether two pairs overlap, so that neither is a negative of the other.
    """

    anchors: np.ndarray
    positives: np.ndarray
    overlap: np.ndarray
    places: np.ndarray


def draw_batch(
    places: Places, photos: Sequence[np.ndarray], rng: np.random.Generator, at_once: int, each: int
) -> Batch:
    """Draw ``each`` places of ``at_once`` photos (given by the rows of their places), two patches of each.

    No place is drawn twice. Both patches of a pair are rotated and mirrored in the same way, one of eight.
    """
    chosen = rng.choice(len(photos), min(at_once, len(photos)), replace=False)
    rows = np.concatenate([rng.choice(photos[n], min(each, len(photos[n])), replace=False) for n in chosen])
    start, count = places.starts[rows], np.diff(places.starts)[rows]
    first = rng.integers(0, count)
    second = (first + rng.integers(1, count)) % count
    x, y, size = places.at[rows].T
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    same_photo = places.photo[rows][:, None] == places.photo[rows]
    overlap = same_photo & (distance < APART * np.maximum(size[:, None], size))
    np.fill_diagonal(overlap, False)
    quarter_turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def transform(patches: np.ndarray) -> np.ndarray:
        turned = np.rot90(patches, quarter_turns, (1, 2))
        return np.ascontiguousarray(turned[:, :, ::-1] if mirrored else turned)

    anchors, positives = places.patches[start + first], places.patches[start + second]
    return Batch(transform(anchors), transform(positives), overlap, rows)


def draw_batches(
    places: Places, photos: Sequence[np.ndarray], seed: Sequence[int], count: int, at_once: int, each: int
) -> list[Batch]:
    """Draw ``count`` batches; equal arguments give equal batches."""
    return [
        draw_batch(places, photos, np.random.default_rng([*seed, number]), at_once, each)
        for number in range(count)
    ]
