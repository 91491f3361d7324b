"""Places: patches around a keypoint of a photo, as it is and as it looks in other views of the photo."""

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
from safetensors.numpy import load_file, save

from workbench.collections import images
from workbench.collections.posters.camera import camera_effects
from workbench.collections.posters.views import Matrix, Pose, homography
from workbench.common.checksums import intact, sealed
from workbench.common.damage import DAMAGE
from workbench.common.files import replace_file
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.features.batches import target_size
from workbench.learning.hardnet.correspondence import match_keypoints
from workbench.local.keypoints import detect
from workbench.local.patches import SIDE, cut_patches

_STRONGEST = 400  # places of a photo at most


# From a grey photo [h, w] and its keypoints [n, 4] to pairs of (rows [m] of keypoints that are found in
# another photo, their patches there).
MorePatches = Callable[[np.ndarray, np.ndarray], Iterator[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Places:
    """The m places of many photos, with two or more patches each.

    ``patches`` uint8 [n, 32, 32] are ordered by place: those of place i from ``starts[i]`` to ``starts[i +
    1]``. ``photo`` [m] is the row of each place's photo, ``at`` [m, 3] its x, y and size in pixels there.
    """

    patches: np.ndarray
    starts: np.ndarray
    photo: np.ndarray
    at: np.ndarray

    def of(self, photos: np.ndarray) -> list[np.ndarray]:
        """The rows of the places of each photo."""
        bounds = np.searchsorted(self.photo, [photos, np.asarray(photos) + 1])
        return [np.arange(*pair) for pair in bounds.T]


def random_view(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Matrix]:
    """A photo uint8 [h, w, 3] seen from another side and in other light, grey [h, w], and the homography.

    It is turned out of the plane by up to 50 degrees, in the plane mostly by little, and scaled by 0.6 to
    1.5; gamma, shading, a reflection, blur, noise and JPEG artefacts are added.
    """
    height, width = photo.shape[:2]
    turn = rng.normal(0, 12) if rng.random() < 0.7 else rng.uniform(-180, 180)
    centre = 0.5 + rng.uniform(-0.08, 0.08, 2)
    scale = float(np.exp(rng.uniform(np.log(0.6), np.log(1.5))))
    pose = Pose((centre[0], centre[1]), scale, rng.uniform(-50, 50), rng.uniform(-40, 40), turn)
    matrix, _ = homography((width, height), pose, (width, height))
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # from pixels' centres to their corners
    matrix = np.linalg.inv(half) @ matrix @ half
    shrink = scale * 0.8
    smooth = cv2.GaussianBlur(photo, (0, 0), 0.5 / shrink) if shrink < 0.8 else photo
    warped = cv2.warpPerspective(smooth, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    gamma = np.exp(rng.uniform(-0.5, 0.5))
    table = (255 * np.linspace(0, 1, 256) ** gamma).round().astype(np.uint8)
    lit = camera_effects(np.asarray(cv2.LUT(warped, table), np.uint8), rng, rng.uniform(0, 0.8))
    data = io.BytesIO()
    Image.fromarray(lit).convert("L").save(data, "JPEG", quality=int(rng.integers(40, 95)))
    return np.asarray(Image.open(data)), matrix


def find_places(
    photo: np.ndarray, count: int, rng: np.random.Generator, more_patches: MorePatches | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places of a photo uint8 [h, w, 3] whose keypoint is found again in at least one of ``count`` views.

    Keypoints are detected in each view, so that patches differ as they do in use; patches of ``more_patches``
    are added. Returns the patches [n, 32, 32], the number of patches of each place [m] (the photo's own is
    the first), and x, y, size [m, 3].
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    points = detect(grey)
    views: list[list[np.ndarray]] = [[] for _ in points]
    for _ in range(count):
        view, matrix = random_view(photo, rng)
        view_points = detect(view)
        pairs = match_keypoints(points, view_points, matrix)
        for (row, _), patch in zip(pairs, cut_patches(view, view_points[pairs[:, 1]]), strict=True):
            views[row].append(patch)
    for rows, patches in more_patches(grey, points) if more_patches else ():
        for row, patch in zip(rows, patches, strict=True):
            views[row].append(patch)
    found = [row for row, patches in enumerate(views) if patches][:_STRONGEST]
    originals = cut_patches(grey, points[found])
    stacks = [np.stack([patch, *views[row]]) for row, patch in zip(found, originals, strict=True)]
    patches = np.concatenate([np.empty((0, SIDE, SIDE), np.uint8), *stacks])
    return patches, np.array([len(stack) for stack in stacks], np.int64), points[found][:, :3]


def collect_places(
    paths: Sequence[Path],
    views: int,
    side: int,
    seed: int,
    folder: Path,
    progress: Progress = silent,
    more_patches: Callable[[int], MorePatches] | None = None,
) -> Places:
    """The places of photos, at most ``side`` pixels long; files of ``folder`` keep them, one a photo.

    ``more_patches`` gives for the row of a photo the function that ``find_places`` takes. Raises
    WorkbenchError if no keypoint is found again in any view, a photo cannot be read, or the disk is full.
    """

    def places_of(number: int) -> dict[str, np.ndarray]:
        path = folder / f"{number:06}.safetensors"
        stored = _read(path)
        if stored is not None:
            return stored
        photo, rng = _read_photo(paths[number], side), np.random.default_rng([seed, 1, number])
        more = more_patches(number) if more_patches else None
        patches, counts, keypoints = find_places(photo, views, rng, more)
        arrays = {"patches": patches, "counts": counts, "keypoints": keypoints}
        # safetensors writes arrays in memory order, as if that were row by row
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        replace_file(path, b"".join(sealed(save(contiguous))))
        return arrays

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        photos = []
        try:
            for done, arrays in enumerate(pool.map(places_of, range(len(paths)))):
                progress("looking for keypoints in photos", done, len(paths))
                photos.append(arrays)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    counts = np.concatenate([np.empty(0, np.int64), *(arrays["counts"] for arrays in photos)])
    if not len(counts):
        raise WorkbenchError(
            "no keypoint of any photo was found again in another view, so there is nothing to learn from; "
            "take photos with more detail"
        )
    return Places(
        np.concatenate([arrays["patches"] for arrays in photos]),
        np.append(0, np.cumsum(counts)),
        np.repeat(np.arange(len(photos)), [len(arrays["counts"]) for arrays in photos]),
        np.concatenate([arrays["keypoints"] for arrays in photos]),
    )


def read_grey(path: Path, side: int) -> np.ndarray:
    """A photo uint8 [h, w], at most ``side`` pixels long. Raises WorkbenchError that names it."""
    return np.asarray(cv2.cvtColor(_read_photo(path, side), cv2.COLOR_RGB2GRAY))


def _read_photo(path: Path, side: int) -> np.ndarray:
    """A photo uint8 [h, w, 3], at most ``side`` pixels long. Raises WorkbenchError that names it."""
    try:
        header = images.header(path)
        size = target_size(header.width, header.height, side, 1)
        return np.asarray(images.load(path, at_least=size).resize(size, Image.Resampling.BICUBIC))
    except WorkbenchError as error:
        raise WorkbenchError(f"photo {str(path)!r} cannot be used: {error}") from None


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """The places of a photo from a file; None if it is missing, damaged or something else."""
    try:
        if not intact(path):
            return None
        arrays = load_file(path)
        count = len(arrays["counts"])
        fits = arrays["patches"].shape == (arrays["counts"].sum(), SIDE, SIDE)
        return arrays if fits and arrays["keypoints"].shape == (count, 3) else None
    except DAMAGE:
        return None
