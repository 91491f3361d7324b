"""Concepts of three dimensions, given by hand."""

from __future__ import annotations

import numpy as np

from workbench.text.concepts import Concepts

NAMES = ("beagle", "dog", "animal", "pug", "cat")


def concepts_of() -> Concepts:
    """Three concepts: beagle and pug are dogs, and these and the cat are animals."""
    vectors = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, -1, 0], [0, 0, -1]], np.float32)
    descriptions = np.array([[0.6, 0.8, 0], [-0.4, 0.9, 0], [0, 1, 0]], np.float32)
    return Concepts(
        ("n1", "n2", "n3"),
        ("beagle", "pug", "cat"),
        NAMES,
        vectors,
        descriptions,
        lemmas=np.array([[0], [3], [4]]),
        hypernyms=np.array([[1, 2], [1, 2], [2, 2]]),
    )
