"""HardNet's sampling looked at: a batch as in training, and the hardest negatives a network finds in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.config import WorkbenchError
from workbench.features.maps import Options
from workbench.learning.hardnet.loss import MARGIN, hardest
from workbench.learning.hardnet.patch_pairs import Batch, Places, batch, collect
from workbench.learning.hardnet.train import described, started
from workbench.local.features import weights
from workbench.local.hardnet import HardNet, load
from workbench.progress import Progress, silent

UNTRAINED = "untrained"  # the name of a network of random weights, as training begins with
PHOTOS = 24  # of the collection, drawn by the seed
VIEWS = 3
SIDE = 400  # pixels of a photo's longer side
AT_ONCE, EACH = 8, 8  # photos of a batch, and places of each
_WIDTH = 16


@dataclass(frozen=True)
class Sampled:
    """A batch of n pairs as a network sees it.

    For each pair [n]: the distance ``matching``; ``by_row``, the other positive nearest to its anchor, and
    ``by_column``, the other anchor nearest to its positive, with their distances; ``from_row``, whether the
    first of them is the nearer and so the negative that is taken; and the ``loss``. ``photos`` [n] name
    the images that the places are of.
    """

    pairs: Batch = field(repr=False)
    photos: tuple[str, ...]
    matching: np.ndarray
    by_row: np.ndarray
    by_column: np.ndarray
    row_distance: np.ndarray
    column_distance: np.ndarray
    from_row: np.ndarray
    loss: np.ndarray

    def __len__(self) -> int:
        return len(self.matching)


@dataclass(frozen=True)
class Lesson:
    """The places that batches are drawn from: those of each photo that has enough, and the photos' names."""

    places: Places
    photos: tuple[str, ...]
    usable: list[np.ndarray]
    seed: int

    def draw(self, number: int) -> Batch:
        """The batch of that number; always the same."""
        rng = np.random.default_rng([self.seed, 9, number])
        return batch(self.places, self.usable, rng, AT_ONCE, EACH)

    def seen(self, pairs: Batch, model: HardNet) -> Sampled:
        """A batch as that network sees it."""
        with torch.no_grad():
            anchors, positives = described(model, pairs)
            found = hardest(anchors, positives, torch.from_numpy(pairs.overlap))
            distances = (2 - 2 * anchors @ positives.T).clamp(min=1e-6).sqrt().numpy()
        every = np.arange(len(distances))
        by_row, by_column = found.by_row.numpy(), found.by_column.numpy()
        matching = found.matching.numpy()
        return Sampled(
            pairs,
            tuple(self.photos[self.places.photo[row]] for row in pairs.places),
            matching,
            by_row,
            by_column,
            distances[every, by_row],
            distances[by_column, every],
            found.from_row.numpy(),
            np.maximum(0, MARGIN + matching - found.distance.numpy()),
        )


def lesson(collection: Collection, options: Options, progress: Progress = silent) -> Lesson:
    """Places of a few photos of a collection, found again in views made of them; kept in the cache.

    Raises WorkbenchError where the photos show too little.
    """
    photos = [image for image in collection.images if not collection.is_distractor(image)]
    if len(photos) > PHOTOS:
        drawn = np.random.default_rng([options.seed, 9]).choice(len(photos), PHOTOS, replace=False)
        photos = [photos[row] for row in sorted(drawn)]
    photos = [photo for photo in photos if _large(collection, photo)]
    if not photos:
        raise WorkbenchError(f"{collection.name!r} has no photo of 32 pixels and more to sample from")
    paths = [collection.path(photo) for photo in photos]
    side = min(SIDE, options.size)
    known = [images.header(path).fingerprint for path in paths]
    digest = hashlib.blake2b(json.dumps([known, VIEWS, side, options.seed]).encode(), digest_size=6)
    folder = options.cache / "places" / digest.hexdigest()
    places = collect(paths, VIEWS, side, options.seed, folder, progress)
    usable = _enough(places, len(photos))
    if len(usable) < 2:
        raise WorkbenchError(
            f"{len(usable)} of {len(photos)} photos have {EACH} places that are found again in other views, "
            "too few for a batch; take photos with more detail"
        )
    return Lesson(places, tuple(photos), usable, options.seed)


def network(name: str, options: Options) -> HardNet:
    """The network of that name: ``untrained``, ``hardnet`` as shipped, or ``hardnet:NAME``.

    An untrained one normalises over the batch, as in the first step of training; others as in use.
    """
    if name != UNTRAINED:
        path = weights(name, options.cache)
        if path is None:
            raise WorkbenchError(f"{name!r} is no network; valid: {UNTRAINED}, hardnet, hardnet:NAME")
        return load(path).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        return started(_WIDTH).train()


def _large(collection: Collection, photo: str) -> bool:
    """Whether a photo can be read and is large enough for a patch."""
    try:
        size = images.header(collection.path(photo))
        images.load(collection.path(photo), at_least=(32, 32))
    except WorkbenchError:
        return False
    return min(size.width, size.height) >= 32


def _enough(places: Places, photos: int) -> list[np.ndarray]:
    rows: Sequence[np.ndarray] = places.of(np.arange(photos))
    return [one for one in rows if len(one) >= EACH]
