"""Places seen several times: patches of one spot of a photo, as it is and as it looks from elsewhere."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from workbench.collections import images
from workbench.collections.poster_scenes import photograph
from workbench.collections.poster_views import Matrix, Pose, homography
from workbench.config import WorkbenchError
from workbench.features.extraction import target_size
from workbench.local.keypoints import detect
from workbench.local.patches import SIDE, cut
from workbench.progress import Progress, silent
from workbench.writing import replace_file

NEAR = 0.25  # times a keypoint's size, within which one found again may lie
ALIKE = 1.35  # times larger or smaller it may be
TURNED = 20.0  # degrees it may be turned
APART = 2.0  # times the larger size, below which two places of a photo overlap and are no negatives
_MATCHED = 400  # places of a photo, the strongest


# From a grey photo and its keypoints to rows [m] of those found again in another, and their patches there.
Further = Callable[[np.ndarray, np.ndarray], Iterator[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Places:
    """Places of many photos. Patches uint8 [n, 32, 32] stand by place: those of the i-th from ``starts[i]``.

    ``photo`` [m] is the row of each place's photo, ``at`` [m, 3] its x, y and size in pixels there.
    """

    patches: np.ndarray
    starts: np.ndarray
    photo: np.ndarray
    at: np.ndarray

    def of(self, photos: np.ndarray) -> list[np.ndarray]:
        """The places of each of some photos."""
        bounds = np.searchsorted(self.photo, [photos, np.asarray(photos) + 1])
        return [np.arange(*pair) for pair in bounds.T]


def found_again(points: np.ndarray, others: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Pairs int [m, 2] of keypoints [n, 4] and others [k, 4] that a homography [3, 3] takes to one another.

    Each keypoint and each other stands in one pair at most; where several would do, in the nearest.
    """
    if not len(points) or not len(others):
        return np.zeros((0, 2), int)
    moved = carried(points, matrix)
    apart = np.linalg.norm(moved[:, None, :2] - others[None, :, :2], axis=2)
    ratio = np.abs(np.log(np.maximum(moved[:, None, 2], 1e-9) / others[None, :, 2]))
    turned = np.abs((moved[:, None, 3] - others[None, :, 3] + 180) % 360 - 180)
    fits = (apart <= NEAR * np.minimum(moved[:, None, 2], others[None, :, 2]) + 0.5) & (
        (ratio <= np.log(ALIKE)) & (turned <= TURNED)
    )
    cost = np.where(fits, apart, np.inf)
    best, back = cost.argmin(1), cost.argmin(0)
    rows = np.flatnonzero(np.isfinite(cost.min(1)) & (back[best] == np.arange(len(points))))
    return np.stack([rows, best[rows]], 1)


def carried(points: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Keypoints [n, 4] where a homography [3, 3] of pixels takes them, by its derivative at each."""
    x, y, size, angle = points.astype(np.float64).T
    weight = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    u, v = ((row[0] * x + row[1] * y + row[2]) / weight for row in matrix[:2])
    a, b = ((matrix[0, k] - u * matrix[2, k]) / weight for k in (0, 1))
    c, d = ((matrix[1, k] - v * matrix[2, k]) / weight for k in (0, 1))
    turn = np.deg2rad(angle)
    ahead = np.arctan2(c * np.cos(turn) + d * np.sin(turn), a * np.cos(turn) + b * np.sin(turn))
    return np.stack([u, v, size * np.sqrt(np.abs(a * d - b * c)), np.rad2deg(ahead) % 360], 1)


def view(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Matrix]:
    """A photo uint8 [h, w, 3] seen from elsewhere and in another light, grey [h, w], and the homography.

    Turned out of the plane by up to 50 degrees, in it mostly by little; 0.6 to 1.5 times as large; gamma,
    shading, a lamp's reflection, blur, noise and JPEG.
    """
    height, width = photo.shape[:2]
    turn = rng.normal(0, 12) if rng.random() < 0.7 else rng.uniform(-180, 180)
    centre = 0.5 + rng.uniform(-0.08, 0.08, 2)
    scale = float(np.exp(rng.uniform(np.log(0.6), np.log(1.5))))
    pose = Pose((centre[0], centre[1]), scale, rng.uniform(-50, 50), rng.uniform(-40, 40), turn)
    matrix, _ = homography((width, height), pose, (width, height))
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # from pixels' middles to corners, and back
    matrix = np.linalg.inv(half) @ matrix @ half
    shrink = scale * 0.8
    soft = cv2.GaussianBlur(photo, (0, 0), 0.5 / shrink) if shrink < 0.8 else photo
    seen = cv2.warpPerspective(soft, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    gamma = np.exp(rng.uniform(-0.5, 0.5))
    table = (255 * np.linspace(0, 1, 256) ** gamma).round().astype(np.uint8)
    lit = photograph(np.asarray(cv2.LUT(seen, table), np.uint8), rng, rng.uniform(0, 0.8))
    data = io.BytesIO()
    Image.fromarray(lit).convert("L").save(data, "JPEG", quality=int(rng.integers(40, 95)))
    return np.asarray(Image.open(data)), matrix


def places(
    photo: np.ndarray, count: int, rng: np.random.Generator, further: Further | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of a photo uint8 [h, w, 3] that are found again in one or more of ``count`` views.

    Keypoints are detected anew in each view, so that patches differ as they will in use; what ``further``
    finds in other photos joins them. Returns the patches [n, 32, 32], how many there are of each place [m]
    (the photo's own first), and x, y, size [m, 3].
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    points = detect(grey)
    seen: list[list[np.ndarray]] = [[] for _ in points]
    for _ in range(count):
        other, matrix = view(photo, rng)
        others = detect(other)
        pairs = found_again(points, others, matrix)
        for (row, _), patch in zip(pairs, cut(other, others[pairs[:, 1]]), strict=True):
            seen[row].append(patch)
    for rows, found in further(grey, points) if further else ():
        for row, patch in zip(rows, found, strict=True):
            seen[row].append(patch)
    kept = [row for row, patches in enumerate(seen) if patches][:_MATCHED]
    own = cut(grey, points[kept])
    stacked = [np.stack([patch, *seen[row]]) for row, patch in zip(kept, own, strict=True)]
    patches = np.concatenate([np.empty((0, SIDE, SIDE), np.uint8), *stacked])
    return patches, np.array([len(one) for one in stacked], np.int64), points[kept][:, :3]


def collect(
    paths: Sequence[Path],
    views: int,
    side: int,
    seed: int,
    folder: Path,
    progress: Progress = silent,
    further: Callable[[int], Further] | None = None,
) -> Places:
    """The places of photos, at most ``side`` pixels long; a file of ``folder`` each, used again if there.

    ``further`` gives for each photo, by its row, what finds its places in others. Raises WorkbenchError where
    none is found again anywhere, or the disk is full.
    """

    def one(number: int) -> dict[str, np.ndarray]:
        path = folder / f"{number:06}.safetensors"
        kept = _kept(path)
        if kept is not None:
            return kept
        photo, rng = _photo(paths[number], side), np.random.default_rng([seed, 1, number])
        patches, counts, at = places(photo, views, rng, further(number) if further else None)
        made = {"patches": patches, "counts": counts, "keypoints": at}
        # safetensors writes what lies in memory, in whatever order, as if it were in that of rows
        replace_file(path, save({name: np.ascontiguousarray(one) for name, one in made.items()}))
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = []
        try:
            for done, made in enumerate(pool.map(one, range(len(paths)))):
                progress("looking for places", done, len(paths))
                found.append(made)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    counts = np.concatenate([np.empty(0, np.int64), *(made["counts"] for made in found)])
    if not len(counts):
        raise WorkbenchError(
            "no keypoint of any photo was found again in another view: there is nothing to learn"
        )
    return Places(
        np.concatenate([made["patches"] for made in found]),
        np.append(0, np.cumsum(counts)),
        np.repeat(np.arange(len(found)), [len(made["counts"]) for made in found]),
        np.concatenate([made["keypoints"] for made in found]),
    )


def grey_photo(path: Path, side: int) -> np.ndarray:
    """A photo uint8 [h, w], at most ``side`` pixels long. Raises WorkbenchError that names it."""
    return np.asarray(cv2.cvtColor(_photo(path, side), cv2.COLOR_RGB2GRAY))


def _photo(path: Path, side: int) -> np.ndarray:
    """A photo uint8 [h, w, 3], at most ``side`` pixels long. Raises WorkbenchError that names it."""
    try:
        header = images.header(path)
        size = target_size(header.width, header.height, side, 1)
        return np.asarray(images.load(path, at_least=size).resize(size, Image.Resampling.BICUBIC))
    except WorkbenchError as error:
        raise WorkbenchError(f"photo {str(path)!r} cannot be used: {error}") from None


def _kept(path: Path) -> dict[str, np.ndarray] | None:
    """The places of a photo in a file; None where it is absent, damaged or of something else."""
    try:
        made = load_file(path)
        count = len(made["counts"])
        fits = made["patches"].shape == (made["counts"].sum(), SIDE, SIDE)
        return made if fits and made["keypoints"].shape == (count, 3) else None
    except (OSError, SafetensorError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class Batch:
    """Pairs of patches uint8 [n, 32, 32] of as many places; ``overlap`` [n, n]: two that are no negatives."""

    anchors: np.ndarray
    positives: np.ndarray
    overlap: np.ndarray
    places: np.ndarray


def batch(
    places: Places, photos: Sequence[np.ndarray], rng: np.random.Generator, at_once: int, each: int
) -> Batch:
    """``each`` places of ``at_once`` photos (given by their places), two patches of each, drawn at random.

    No place comes twice. Places of one photo that overlap are said, so that they are not taken for
    negatives. Both patches of a pair are turned or mirrored alike, in one of eight ways.
    """
    chosen = rng.choice(len(photos), min(at_once, len(photos)), replace=False)
    rows = np.concatenate([rng.choice(photos[n], min(each, len(photos[n])), replace=False) for n in chosen])
    first, count = places.starts[rows], np.diff(places.starts)[rows]
    a = rng.integers(0, count)
    b = (a + rng.integers(1, count)) % count
    x, y, size = places.at[rows].T
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    same = places.photo[rows][:, None] == places.photo[rows]
    overlap = same & (apart < APART * np.maximum(size[:, None], size))
    np.fill_diagonal(overlap, False)
    turn, mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def shown(patches: np.ndarray) -> np.ndarray:
        turned = np.rot90(patches, turn, (1, 2))
        return np.ascontiguousarray(turned[:, :, ::-1] if mirrored else turned)

    return Batch(shown(places.patches[first + a]), shown(places.patches[first + b]), overlap, rows)


def batches(
    places: Places, photos: Sequence[np.ndarray], seed: Sequence[int], count: int, at_once: int, each: int
) -> Iterator[Batch]:
    """So many batches, always the same."""
    for number in range(count):
        yield batch(places, photos, np.random.default_rng([*seed, number]), at_once, each)
