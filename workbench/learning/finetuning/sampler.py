"""Batches by class: some images of each of several classes, so that each holds matches and mismatches."""

from __future__ import annotations

import numpy as np


def by_class(classes: np.ndarray, at_once: int, each: int, seed: tuple[int, ...]) -> list[np.ndarray]:
    """One epoch: rows of ``classes`` [n] in batches of up to ``at_once`` classes with ``each`` rows.

    Every row comes at least once, but for a rest that is all of one class; a class whose size is no
    multiple of ``each`` repeats some. The classes with most left go first, so that few batches are small.
    """
    rng = np.random.default_rng(seed)
    left: dict[int, list[np.ndarray]] = {}
    for number in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == number))
        groups = -(-len(rows) // each)
        filled = np.concatenate([rows, np.resize(rows, groups * each - len(rows))])
        left[int(number)] = list(filled.reshape(groups, each))
    epoch = []
    while len(left) > 1:
        numbers = list(left)
        order = sorted(rng.permutation(len(numbers)), key=lambda n: -len(left[numbers[n]]))
        chosen = [numbers[n] for n in order[:at_once]]
        epoch.append(np.concatenate([left[number].pop() for number in chosen]))
        left = {number: groups for number, groups in left.items() if groups}
    return [epoch[n] for n in rng.permutation(len(epoch))]
