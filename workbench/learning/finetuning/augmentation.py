"""Views of pictures, a few fixed ones of each, and what the frozen part of a network makes of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.lib.format import write_array_header_1_0
from PIL import Image, ImageEnhance

from workbench.collections import images
from workbench.features import extraction
from workbench.features.hardware import one_thread_each
from workbench.features.maps import Picture
from workbench.features.network import Network
from workbench.progress import Progress, silent
from workbench.writing import full

AREA = (0.35, 1.0)  # of the picture, that a view shows
ASPECT = (3 / 4, 4 / 3)
LIGHT = (0.7, 1.3)  # brightness and contrast, times the picture's own
TOGETHER = 16  # views through the network at a time


def view(picture: Image.Image, side: int, rng: np.random.Generator) -> np.ndarray:
    """A part of a picture, drawn at random (Szegedy et al. 2015, section 6), [side, side, 3] in uint8.

    Half of them are mirrored, and all differ in light.
    """
    width, height = picture.size
    area, aspect = rng.uniform(*AREA) * width * height, np.exp(rng.uniform(*np.log(ASPECT)))
    w, h = min((area * aspect) ** 0.5, width), min((area / aspect) ** 0.5, height)
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    part = picture.resize((side, side), Image.Resampling.BICUBIC, (x, y, x + w, y + h), reducing_gap=2.0)
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    part = ImageEnhance.Brightness(part).enhance(rng.uniform(*LIGHT))
    return np.asarray(ImageEnhance.Contrast(part).enhance(rng.uniform(*LIGHT)))


def frozen_views(
    network: Callable[[], Network],
    pictures: Sequence[Picture],
    count: int,
    side: int,
    seed: int,
    folder: Path,
    progress: Progress = silent,
) -> list[np.ndarray]:
    """For each of ``count`` views, the network's maps of all pictures, float16 [n, h, w, C], memory-mapped.

    A file of ``folder`` each, so that what was made before is used again; ``network`` is called only where
    there is work. Raises WorkbenchError where the disk does not take them.
    """
    paths = [folder / f"view{number}.npy" for number in range(count)]
    if not all(path.is_file() for path in paths):
        lock = FileLock(folder / ".lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            extraction.acquire(lock, progress)
            for number, path in enumerate(paths):
                if not path.is_file():
                    what = f"view {number + 1} of {count} through the frozen part"
                    _make(network(), pictures, side, (seed, 2, number), path, partial(progress, what))
        except OSError as error:
            raise full(folder, error) from None
        finally:
            lock.release()
    return [np.load(path, mmap_mode="r") for path in paths]


def _make(
    network: Network,
    pictures: Sequence[Picture],
    side: int,
    seed: tuple[int, ...],
    path: Path,
    tell: Callable[[int, int], None],
) -> None:
    """Write one view of all pictures. Each core takes batches of its own, from decoding to the maps."""

    def maps(rows: range) -> np.ndarray:
        torch.set_num_threads(1)
        seen = []
        for row in rows:
            picture = images.load(pictures[row].path, pictures[row].box, at_least=(2 * side, 2 * side))
            seen.append(view(picture, side, np.random.default_rng([*seed, row])))
        return extraction.run(network, seen).contiguous().numpy()

    every = range(len(pictures))
    parts = [every[start : start + TOGETHER] for start in every[::TOGETHER]]
    made = path.with_suffix(".part")
    try:
        with one_thread_each(), made.open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                for part, values in zip(parts, pool.map(maps, parts), strict=True):
                    if not part.start:
                        shape = (len(pictures), *values.shape[1:])
                        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
                        write_array_header_1_0(file, header)
                    file.write(values.tobytes())
                    tell(part.stop, len(pictures))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # cancelled: do not make the rest
        os.replace(made, path)
    finally:
        made.unlink(missing_ok=True)
