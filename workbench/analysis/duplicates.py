"""Near-duplicates: files that show the same picture, resized, re-encoded, mirrored, marked or slightly cut.

Perceptual hashes propose pairs. A pair is confirmed if its descriptors are more similar than those of
unrelated pictures, and if local features match by a model that leaves the picture where it is: another photo
of the same place is no duplicate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import ImageOps

from workbench.collections import images
from workbench.collections.hash_store import stored_hashes
from workbench.collections.video.moment import moment_of, video_of
from workbench.common.progress import Progress
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.engine import Engine
from workbench.engine.provenance import warnings
from workbench.features.map_source import Picture
from workbench.local.features import LocalFeatures
from workbench.local.verification import MIN_INLIERS, verify
from workbench.search.copy_segments import similarity_floor
from workbench.search.near_hashes import near_hashes

BITS = 16  # of 64 that may differ in a proposed pair
MOVED = 0.15  # of the width and the height, by which a corner of the picture may move
HIGHEST_FLOOR = 0.6  # cosine that is never that of unrelated pictures: a folder may hold copies only
PLAIN_BITS, PLAIN_COSINE = 4, 0.98  # that confirm pictures with too few keypoints
EQUAL = 0.9999  # cosine of equal pictures, which need no local features
COLUMNS = ["group", "image_id", "best", "width", "height", "bytes", "bits", "cosine", "inliers", "mirrored"]


def duplicates(engine: Engine, config: Config, bits: int, progress: Progress) -> Table:
    """The groups of near-duplicates of a collection: see ``StudyAccessor.duplicates``."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 0 <= bits <= 32:
        raise WorkbenchError(f"bits is {bits!r}; it is the number of bits of 64 that may differ, 0 to 32")
    described = engine.describe_vectors(config, progress)
    collection = described.collection
    names = collection.images
    paths = [collection.path(name) for name in names]
    hashes, shares = stored_hashes(paths, engine.options.cache, progress)
    facts = [_facts(path) for path in paths]
    order = sorted(range(len(names)), key=lambda row: (*_worth(facts[row], float(shares[row])), names[row]))
    proposed = _proposed(hashes, shares > 0, bits, progress)
    vectors = described.database.cpu().numpy()
    source, _ = engine.local_features(config, progress)
    confirm = _confirmation(vectors, lambda row: Picture(paths[row]), source.features_of)
    videos = [video_of(name) for name in names]
    left, rows, group = set(range(len(names))), list[tuple[object, ...]](), 0
    for done, best in enumerate(order):
        progress("confirming duplicates", done, len(order))
        if best not in left:
            continue
        left.discard(best)
        members = []
        for other, differing, mirrored in proposed.get(best, ()):
            # The frames of one video are alike wherever it rests.
            if other not in left or (videos[best] and videos[other] == videos[best]):
                continue
            confirmed = confirm(best, other, differing, mirrored)
            if confirmed is not None:
                left.discard(other)
                members.append((other, differing, *confirmed, mirrored))
        if members:
            group += 1
            rows.append((group, names[best], True, *facts[best], 0, 1.0, None, False))
            rows += [(group, names[row], False, *facts[row], *rest) for row, *rest in members]
    table = Table(rows, columns=COLUMNS).astype({"inliers": "Int64"})
    table.attrs.update(images=len(names), groups=group, pipeline=str(config), warnings=warnings(described))
    return table


def _proposed(
    hashes: np.ndarray, read: np.ndarray, bits: int, progress: Progress
) -> dict[int, list[tuple[int, int, bool]]]:
    """For each row the others with a similar hash: (row, differing bits, whether mirrored), nearest first."""
    rows = np.flatnonzero(read)
    proposed: dict[int, dict[int, tuple[int, bool]]] = {}
    for mirrored in (False, True):
        pairs = near_hashes(hashes[rows, int(mirrored)], hashes[rows, 0], bits, progress)
        for one, other, differing in zip(*(part.tolist() for part in pairs), strict=True):
            if one != other:
                known = proposed.setdefault(int(rows[one]), {})
                before = known.get(int(rows[other]))
                if before is None or differing < before[0]:
                    known[int(rows[other])] = differing, mirrored
    return {
        row: sorted(((other, *rest) for other, rest in near.items()), key=lambda entry: (entry[1], entry[0]))
        for row, near in proposed.items()
    }


def _confirmation(
    vectors: np.ndarray,
    picture_of: Callable[[int], Picture],
    features_of: Callable[..., LocalFeatures],
) -> Callable[[int, int, int, bool], tuple[float, int | None] | None]:
    """A function that confirms a proposed pair: its cosine and inliers, or None."""

    @lru_cache(maxsize=256)
    def features(row: int, mirrored: bool) -> LocalFeatures:
        picture = picture_of(row)
        return features_of(ImageOps.mirror(images.load(picture.path)) if mirrored else picture)

    @lru_cache(maxsize=8)
    def floor(row: int) -> float:
        others = np.delete(vectors @ vectors[row], row)
        return min(HIGHEST_FLOOR, similarity_floor(others.astype(np.float64), 1.0))

    def confirm(best: int, other: int, differing: int, mirrored: bool) -> tuple[float, int | None] | None:
        cosine = float(vectors[best] @ vectors[other])
        if not mirrored and differing == 0 and cosine >= EQUAL:
            return cosine, None
        if cosine < floor(best):
            return None
        try:
            first, second = features(best, mirrored), features(other, False)
        except WorkbenchError:  # a file that cannot be read any more
            return None
        if min(len(first), len(second)) < 2 * MIN_INLIERS:
            alike = differing <= PLAIN_BITS and cosine >= PLAIN_COSINE
            return (cosine, None) if alike else None
        verified = verify(first, second)
        if verified.model is None or not _in_place(verified.model, first.size, second.size):
            return None
        return cosine, verified.inliers

    return confirm


def _in_place(model: np.ndarray, size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a homography maps the corners of a picture near to the same corners of the other."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    mapped = np.hstack([corners * size, np.ones((4, 1))]) @ model.T
    if (np.abs(mapped[:, 2]) < 1e-9).any():
        return False
    return bool(np.abs(mapped[:, :2] / mapped[:, 2:] / other - corners).max() <= MOVED)


def _facts(path: Path) -> tuple[int, int, int]:
    """The width and the height of a picture in pixels, and the bytes of its file."""
    try:
        header, moment = images.header(path), moment_of(path)
        size = (path if moment is None else moment.file).stat().st_size
    except (WorkbenchError, OSError):
        return 0, 0, 0
    return header.width, header.height, size


def _worth(facts: tuple[int, int, int], share: float) -> tuple[int, int]:
    """The order of copies, the best first: by pixels inside the borders, to a hundredth, then by bytes."""
    width, height, size = facts
    return -round(100 * np.log(max(1.0, width * height * share))), -size
