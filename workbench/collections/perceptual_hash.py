"""Perceptual hashes of pictures: 64 bits that stay nearly the same when a picture is resized or re-encoded.

A hash has the signs of the low frequencies of the cosine transform, compared with their median (Zauner,
*Implementation and benchmarking of perceptual image hash functions*, 2010), by the package imagehash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageOps

from workbench.collections import images
from workbench.collections.video.borders import content_box
from workbench.collections.video.moment import moment_of
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

BYTES = 8
_AT_LEAST = 64, 64  # pixels of a picture that is hashed
_TOGETHER = 32  # pictures of a task


def picture_hashes(picture: Image.Image) -> tuple[np.ndarray, float]:
    """The hashes of a picture inside its uniform borders, as it is and mirrored, uint8 [2, BYTES].

    Also returns the share of its area that is inside the borders.
    """
    small = picture.copy()
    small.thumbnail((256, 256), Image.Resampling.BILINEAR)
    box, area = content_box([small]), small.width * small.height
    if box is not None:
        small = images.crop_to(small, box)
    hashes = [imagehash.phash(shown).hash for shown in (small, ImageOps.mirror(small))]
    packed = np.stack([np.packbits(np.asarray(bits, bool).ravel()) for bits in hashes])
    return packed, small.width * small.height / area


def file_hashes(
    paths: Sequence[Path], threads: int, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of files and moments, uint8 [n, 2, BYTES], and the shares inside their borders, [n].

    The share of a file that cannot be read is zero. The moments of a video are decoded in their order.
    """
    hashes, shares = np.zeros((len(paths), 2, BYTES), np.uint8), np.zeros(len(paths))

    def work(rows: list[int]) -> int:
        for row in rows:
            try:
                picture = images.load(paths[row], at_least=_AT_LEAST)
                hashes[row], shares[row] = picture_hashes(picture)
            except WorkbenchError:
                continue
        return len(rows)

    done = 0
    with ThreadPoolExecutor(threads) as pool:
        try:
            for count in pool.map(work, _tasks(paths)):
                done += count
                progress("hashing pictures", done, len(paths))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return hashes, shares


def _tasks(paths: Sequence[Path]) -> Iterator[list[int]]:
    """Rows of one video, or of some images, that are read together."""

    def file(row: int) -> Path | None:
        moment = moment_of(paths[row])
        return moment.file if moment else None

    for _, group in groupby(range(len(paths)), file):
        rows = list(group)
        for start in range(0, len(rows), _TOGETHER):
            yield rows[start : start + _TOGETHER]
