"""Fixed random views of pictures, and the maps that the frozen part of a network computes from them."""

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
from workbench.common.file_lock import acquire
from workbench.common.files import disk_error, replacing
from workbench.common.progress import Progress, silent
from workbench.features import map_extraction
from workbench.features.device import single_threaded_operations
from workbench.features.map_source import Picture
from workbench.features.network import Network
from workbench.features.openvino_network import OpenVINONetwork

AREA = (0.35, 1.0)  # share of the picture that a view shows
ASPECT = (3 / 4, 4 / 3)
LIGHT = (0.7, 1.3)  # factors of brightness and of contrast
BATCH = 16  # views through the network at a time


View = Callable[[Image.Image, int, np.random.Generator], np.ndarray]  # picture, side, random numbers


def view(picture: Image.Image, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random crop of a picture, uint8 [side, side, 3], with brightness and contrast changed."""
    part = ImageEnhance.Brightness(crop(picture, side, rng)).enhance(rng.uniform(*LIGHT))
    return np.asarray(ImageEnhance.Contrast(part).enhance(rng.uniform(*LIGHT)))


def crop(picture: Image.Image, side: int, rng: np.random.Generator) -> Image.Image:
    """A random crop of a picture (Szegedy et al. 2015, section 6), ``side`` pixels, mirrored with
    probability 1/2."""
    width, height = picture.size
    area, aspect = rng.uniform(*AREA) * width * height, np.exp(rng.uniform(*np.log(ASPECT)))
    w, h = min((area * aspect) ** 0.5, width), min((area / aspect) ** 0.5, height)
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    part = picture.resize((side, side), Image.Resampling.BICUBIC, (x, y, x + w, y + h), reducing_gap=2.0)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part


def frozen_views(
    network: Callable[[], Network | OpenVINONetwork],
    pictures: Sequence[Picture],
    count: int,
    side: int,
    seed: int,
    folder: Path,
    progress: Progress = silent,
    make: View = view,
) -> list[np.ndarray]:
    """The network's maps of all pictures in ``count`` views, each float16 [n, h, w, C], memory-mapped.

    ``make`` makes a view of a picture. Each view is a file of ``folder``, which later calls reuse;
    ``network`` is called only if one is missing.
    Raises WorkbenchError if the disk is full.
    """
    paths = [folder / f"view{number}.npy" for number in range(count)]
    if not all(path.is_file() for path in paths):
        lock = FileLock(folder / ".lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            acquire(lock, progress)
            for number, path in enumerate(paths):
                if not path.is_file():
                    label = f"view {number + 1} of {count} through the frozen part"
                    random = seed, 2, number
                    _write_view(network(), pictures, side, random, path, partial(progress, label), make)
        except OSError as error:
            raise disk_error(folder, error) from None
        finally:
            lock.release()
    return [np.load(path, mmap_mode="r") for path in paths]


def _write_view(
    network: Network | OpenVINONetwork,
    pictures: Sequence[Picture],
    side: int,
    seed: tuple[int, ...],
    path: Path,
    progress: Callable[[int, int], None],
    make: View,
) -> None:
    """Write a view of all pictures. Each core decodes and describes batches of its own."""

    def maps(rows: range) -> np.ndarray:
        torch.set_num_threads(1)
        views = []
        for row in rows:
            picture = images.load(pictures[row].path, pictures[row].box, at_least=(2 * side, 2 * side))
            views.append(make(picture, side, np.random.default_rng([*seed, row])))
        return map_extraction.run(network, views).contiguous().numpy()

    rows = range(len(pictures))
    parts = [rows[start : start + BATCH] for start in rows[::BATCH]]
    with (
        replacing(path, unique=False) as unfinished,
        single_threaded_operations(),
        unfinished.open("wb") as file,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        try:
            for part, values in zip(parts, pool.map(maps, parts), strict=True):
                if not part.start:
                    shape = (len(pictures), *values.shape[1:])
                    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
                    write_array_header_1_0(file, header)
                file.write(values.tobytes())
                progress(part.stop, len(pictures))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # cancelled: do not make the rest
