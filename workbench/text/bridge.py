"""The bridge from texts to images: the probability that an image shows a concept to which a text is similar.

As in ConSE (Norouzi et al., ICLR 2014), a classifier's probabilities connect images with the space of texts.
There, an image is the mean of its most probable classes' vectors, and its score the cosine with the text.
Here, each concept has a weight from 0 to 1 for the text, and the score is the sum of weight · probability,
which is linear in the probabilities, so that it splits exactly. docs/queries.md compares both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from workbench.config.errors import WorkbenchError
from workbench.text.concepts import Concepts, load_concepts
from workbench.text.encoder import encode

TEMPERATURE = 0.05  # of the weights, chosen on benchmarks/text_tuning_queries.csv
NEAR = 0.45  # least similarity of a concept that a text names; most texts about abstract things have less


@dataclass(frozen=True)
class TextQuery:
    """A text, its ``similarities`` to K concepts, their ``weights``, and rows of their ``nearest`` names."""

    text: str
    concepts: Concepts
    similarities: np.ndarray
    weights: np.ndarray
    nearest: np.ndarray

    def best(self, count: int = 3) -> list[int]:
        """The most similar concepts, the best first."""
        return np.argsort(-self.similarities, kind="stable")[:count].tolist()


def text_query(text: str) -> TextQuery:
    """Compare a text with the concepts. Raises WorkbenchError if it is empty.

    The weight of a concept is exp((s − s') / 0.05), where s is its similarity and s' the largest of all.
    """
    if not isinstance(text, str) or not text.strip():
        raise WorkbenchError("the text is empty; write in English what the images should show")
    return _compared(text)


@lru_cache(maxsize=64)
def _compared(text: str) -> TextQuery:
    concepts = load_concepts()
    similarities, nearest = concepts.similarities(encode([text])[0])
    weights = np.exp((similarities - similarities.max()) / TEMPERATURE)
    return TextQuery(text, concepts, similarities, weights.astype(np.float32), nearest)
