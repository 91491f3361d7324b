"""The concepts of text search: the 1,000 classes of ImageNet, with vectors of names, hypernyms and glosses.

The table ``weights/concepts_imagenet.safetensors`` is made from WordNet by ``workbench.text.make_concepts``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from workbench.common.checksums import require_intact
from workbench.common.damage import DAMAGE
from workbench.config.errors import WorkbenchError
from workbench.features.cards import SHIPPED_WEIGHTS

FILE = SHIPPED_WEIGHTS / "concepts_imagenet.safetensors"
HYPERNYMS = 5  # of each concept, the nearest first


@dataclass(frozen=True)
class Concepts:
    """K concepts in the order of the classifier's classes.

    ``names`` [M] are words with unit vectors ``name_vectors`` [M, 384]; ``lemmas`` [K, A] and ``hypernyms``
    [K, 5] are rows of them (a concept with fewer repeats its first). ``descriptions`` [K, 384] are unit
    vectors of "lemmas: gloss". ``wnids`` [K] are synsets of WordNet 3.0, ``titles`` [K] unique names.
    ``about`` is the card.
    """

    wnids: tuple[str, ...]
    titles: tuple[str, ...]
    names: tuple[str, ...]
    name_vectors: np.ndarray
    descriptions: np.ndarray
    lemmas: np.ndarray
    hypernyms: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)

    def similarities(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The similarity [K] of each concept to a text's vector [384], and the row [K] of its nearest name.

        It is the mean of two cosines: with the description, and with the nearest of the names, which are the
        concept's own and those of its hypernyms.
        """
        candidates = np.concatenate([self.lemmas, self.hypernyms], axis=1)
        cosines = (self.name_vectors @ vector)[candidates]
        nearest = cosines.argmax(1)
        rows = np.arange(len(candidates))
        return (cosines[rows, nearest] + self.descriptions @ vector) / 2, candidates[rows, nearest]


@lru_cache(maxsize=1)
def load_concepts(path: Path = FILE) -> Concepts:
    """Load the shipped table. Raises WorkbenchError if it is missing or damaged."""
    remedy = "reinstall the workbench"
    require_intact(path, remedy)
    try:
        with safe_open(str(path), framework="np") as file:
            about = json.loads(file.metadata()["concepts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        wnids, titles, names = (tuple(about.pop(name)) for name in ("wnids", "titles", "names"))
        vectors, descriptions = (
            tensors[name].astype(np.float32) for name in ("name_vectors", "descriptions")
        )
        lemmas, hypernyms = (tensors[name].astype(np.int64) for name in ("lemmas", "hypernyms"))
        return Concepts(wnids, titles, names, vectors, descriptions, lemmas, hypernyms, about)
    except DAMAGE as error:
        raise WorkbenchError(
            f"the table of concepts {str(path)!r} cannot be read ({type(error).__name__}); {remedy}"
        ) from None
