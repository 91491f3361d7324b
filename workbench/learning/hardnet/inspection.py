"""Inspect HardNet's batches: a batch as in training, and the hardest negatives that a network finds in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.learning.hardnet.batches import Batch, draw_batch
from workbench.learning.hardnet.loss import MARGIN, distance_matrix, hardest
from workbench.learning.hardnet.patch_pairs import Places, collect_places
from workbench.learning.hardnet.train import describe_pairs, initial_network
from workbench.learning.photos import digest, draw_photos
from workbench.local.hardnet import HardNet, load, weight_path

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

UNTRAINED = "untrained"  # the name of a network with initial weights, as at the start of training
PHOTOS = 24  # of the collection, drawn by the seed
VIEWS = 3
SIDE = 400  # pixels of a photo's longer side
AT_ONCE, EACH = 8, 8  # photos of a batch, and places of each
_WIDTH = 16


@dataclass(frozen=True)
class MinedBatch(Drawable):
    """A batch of n pairs with the distances of a network's descriptors.

    For each pair [n]: the distance ``matching``; ``by_row``, the other positive nearest to its anchor, and
    ``by_column``, the other anchor nearest to its positive, with their distances; ``from_row``, whether the
    first of them is the nearer and so the negative that the loss takes; and the ``loss``. ``photos`` [n] are
    the ids of the images of the places. ``number`` is the batch's, of the collection of that name.
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
    network: str = ""
    number: int = 0
    collection: str = ""

    def __len__(self) -> int:
        return len(self.matching)

    def __repr__(self) -> str:
        return (
            f"MinedBatch({len(self)} pairs of {len(set(self.photos))} photos by {self.network!r}, "
            f"mean loss {self.loss.mean():.3f})"
        )

    def figure(self) -> Figure:
        """Some pairs with their hardest negatives, and which of these is taken."""
        return draw("patch_batch", self)


@dataclass(frozen=True)
class BatchSampler:
    """The places to draw batches from: ``usable`` has the rows of each photo with enough of them.

    ``photos`` are the ids of the images by their row in ``places``.
    """

    places: Places
    photos: tuple[str, ...]
    usable: list[np.ndarray]
    seed: int

    def draw(self, number: int) -> Batch:
        """The batch of a number; always the same."""
        rng = np.random.default_rng([self.seed, 9, number])
        return draw_batch(self.places, self.usable, rng, AT_ONCE, EACH)

    def mine(self, pairs: Batch, model: HardNet) -> MinedBatch:
        """Distances, hardest negatives and loss of a batch in a network's descriptors."""
        with torch.no_grad():
            anchors, positives = describe_pairs(model, pairs)
            mined = hardest(anchors, positives, torch.from_numpy(pairs.overlap))
            distances = distance_matrix(anchors, positives).numpy()
        rows = np.arange(len(distances))
        by_row, by_column = mined.by_row.numpy(), mined.by_column.numpy()
        matching = mined.matching.numpy()
        return MinedBatch(
            pairs,
            tuple(self.photos[self.places.photo[row]] for row in pairs.places),
            matching,
            by_row,
            by_column,
            distances[rows, by_row],
            distances[by_column, rows],
            mined.from_row.numpy(),
            np.maximum(0, MARGIN + matching - mined.distance.numpy()),
        )


def batch_sampler(collection: Collection, options: Options, progress: Progress = silent) -> BatchSampler:
    """Find the places of some photos of a collection in generated views; they are kept in the cache.

    Raises WorkbenchError if the photos have too few places.
    """
    drawn = draw_photos(collection, PHOTOS, (options.seed, 9))
    photos = [photo for photo in drawn if _is_large(collection, photo)]
    if not photos:
        raise WorkbenchError(f"{collection.name!r} has no photo of 32 pixels and more to sample from")
    paths = [collection.path(photo) for photo in photos]
    side = min(SIDE, options.size)
    key = digest([images.header(path).fingerprint for path in paths], VIEWS, side, options.seed)
    places = collect_places(paths, VIEWS, side, options.seed, options.cache / "places" / key, progress)
    rows: Sequence[np.ndarray] = places.of(np.arange(len(photos)))
    usable = [photo for photo in rows if len(photo) >= EACH]
    if len(usable) < 2:
        raise WorkbenchError(
            f"{len(usable)} of {len(photos)} photos have {EACH} places that are found again in other views, "
            "too few for a batch; take photos with more detail"
        )
    return BatchSampler(places, tuple(photos), usable, options.seed)


def load_network(name: str, options: Options) -> HardNet:
    """The network of a name: ``untrained``, ``hardnet`` as shipped, or ``hardnet:NAME``.

    An untrained one normalises over the batch, as in the first step of training; others as in use. Raises
    WorkbenchError if the name is something else or its file is missing.
    """
    if name != UNTRAINED:
        path = weight_path(name, options.cache)
        if path is None:
            raise WorkbenchError(f"{name!r} is no network; valid: {UNTRAINED}, hardnet, hardnet:NAME")
        return load(path).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        return initial_network(_WIDTH).train()


def _is_large(collection: Collection, photo: str) -> bool:
    """Whether a photo can be read and is large enough for a patch."""
    try:
        size = images.header(collection.path(photo))
        images.load(collection.path(photo), at_least=(32, 32))
    except WorkbenchError:
        return False
    return min(size.width, size.height) >= 32
