"""Batches by class: several images of each of several classes, so that each has matches and mismatches."""

from __future__ import annotations

import numpy as np


def batches_by_class(
    classes: np.ndarray, classes_per_batch: int, each: int, seed: tuple[int, ...]
) -> list[np.ndarray]:
    """One epoch: rows of ``classes`` [n] in batches of ``each`` rows of up to ``classes_per_batch`` classes.

    Every row occurs at least once, except for a remainder of a single class; a class whose size is no
    multiple of ``each`` repeats some rows. The classes with most rows left go first, so that few batches are
    small.
    """
    rng = np.random.default_rng(seed)
    remaining: dict[int, list[np.ndarray]] = {}
    for number in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == number))
        groups = -(-len(rows) // each)
        filled = np.concatenate([rows, np.resize(rows, groups * each - len(rows))])
        remaining[int(number)] = list(filled.reshape(groups, each))
    batches = []
    while len(remaining) > 1:
        numbers = list(remaining)
        order = sorted(rng.permutation(len(numbers)), key=lambda n: -len(remaining[numbers[n]]))
        chosen = [numbers[n] for n in order[:classes_per_batch]]
        batches.append(np.concatenate([remaining[number].pop() for number in chosen]))
        remaining = {number: groups for number, groups in remaining.items() if groups}
    return [batches[n] for n in rng.permutation(len(batches))]
