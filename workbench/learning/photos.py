"""Photos to train on: a random subset of a large collection, and digests that identify training data."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from workbench.collections.collection import Collection


def draw_photos(collection: Collection, most: int, seed: int | tuple[int, ...]) -> list[str]:
    """Ids of the images without distractors, in order; at most ``most``, drawn by the seed."""
    photos = [image for image in collection.images if not collection.is_distractor(image)]
    if len(photos) > most:
        rows = np.random.default_rng(seed).choice(len(photos), most, replace=False)
        photos = [photos[row] for row in sorted(rows)]
    return photos


def digest(*values: object) -> str:
    """Twelve hex digits that change with the values, which JSON can hold."""
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=6).hexdigest()
