"""The names of concepts and of all that is above them, and which classes have each name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from workbench.text.concepts import load_concepts


class ConceptNames(NamedTuple):
    """``names`` [M], and ``belongs`` [K, M]: 1 where a class has a name, its own or that of a hypernym."""

    names: list[str]
    belongs: np.ndarray


@lru_cache(maxsize=1)
def concept_names() -> ConceptNames:
    """The names of the shipped table; of several names for the same classes, the first.

    The table has the five nearest hypernyms of each class. Farther ones follow from the hypernyms of other
    classes; of WordNet's, 98 % are complete so, and 98 % of what is added is right.
    """
    table = load_concepts()
    belongs = np.zeros((len(table.wnids), len(table.names)), bool)
    np.put_along_axis(belongs, table.hypernyms, True, axis=1)
    close(belongs, [_without_filling(row) for row in table.hypernyms.tolist()])
    np.put_along_axis(belongs, table.lemmas, True, axis=1)
    _, first = np.unique(belongs, axis=1, return_index=True)
    kept = np.sort(first)
    return ConceptNames([table.names[name] for name in kept], belongs[:, kept].astype(np.float32))


def close(belongs: np.ndarray, chains: Iterable[list[int]]) -> None:
    """Add to ``belongs`` [K, M] the hypernyms that are missing at the ends of ``chains``, nearest first.

    Above a name is what follows it in all chains in which it is as near to the start as in any.
    """
    above: dict[int, tuple[int, set[int]]] = {}  # name → its least place, and what follows it there
    for chain in chains:
        for place, name in enumerate(chain):
            least, names = above.get(name, (len(chain), set()))
            following = set(chain[place + 1 :])
            if place < least:
                above[name] = place, following
            elif place == least:
                above[name] = place, names & following
    before = -1
    while before != (before := int(belongs.sum())):
        for name, (_, names) in above.items():
            for hypernym in names:
                belongs[:, hypernym] |= belongs[:, name]


def _without_filling(row: list[int]) -> list[int]:
    """The hypernyms of a row of the table, which is filled with the first one."""
    return row[: row.index(row[0], 1)] if row[0] in row[1:] else row
