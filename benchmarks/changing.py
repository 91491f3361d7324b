"""The time from a change of pooling or regions to the new mAP on 1,000 images, against extraction."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from _photos import RESIZE
from _table import print_table
from _timing import at_least, fastest
from PIL import Image

import workbench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.features.map_source import MapSource, Picture

IMAGES, SIDE, LABELS = 1000, 512, 50
FIRST = "efficientnet_lite0/max/whole"
CHANGED = [
    "efficientnet_lite0/mean/whole",
    "efficientnet_lite0/gem:3/whole",
    "efficientnet_lite0/max/rmac:2",
    "efficientnet_lite0/max/rmac:3",
    "efficientnet_lite0/mean/whole/pcaw:256",
    "efficientnet_lite0/max/rmac:3/pcaw:256",
]


def make_photos(folder: Path) -> None:
    """Write 1,000 square crops of the embedded collection's photos, each scene's crops under one label."""
    scenes = workbench.open("posters", resize=RESIZE).collection
    generator = np.random.default_rng(0)
    for number in range(IMAGES):
        picture = Image.open(scenes.path(scenes.images[number % LABELS])).convert("RGB")
        side = int(min(picture.size) * generator.uniform(0.6, 1))
        x, y = (int(generator.integers(0, length - side + 1)) for length in picture.size)
        label_folder = folder / f"{number % LABELS:02d}"
        label_folder.mkdir(exist_ok=True)
        crop = picture.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        crop.save(label_folder / f"{number:04d}.jpg", quality=90)


def main() -> None:
    """Print the mAP of each changed pipeline, and the time to it against that of extraction."""
    folder = Path(tempfile.mkdtemp(prefix="changing-"))
    (folder / "photos").mkdir()
    make_photos(folder / "photos")
    bench = workbench.open(folder / "photos", labels="folders", cache=folder / "cache", resize=RESIZE)
    source = MapSource.of(Config.parse(FIRST), bench.options)
    source.network()
    started = time.perf_counter()
    source.extract([Picture(bench.collection.path(i)) for i in bench.collection.images], 1, silent)
    extraction = time.perf_counter() - started
    bench.evaluate(FIRST)
    rows = []
    for pipeline in CHANGED:

        def change(pipeline: str = pipeline) -> None:
            bench._describer._ready.clear()
            bench.evaluate(pipeline)

        seconds = fastest(change, 3)
        rows.append(
            [
                pipeline,
                f"{100 * bench.evaluate(pipeline).mean_ap:.1f}",
                f"{seconds:.2f}",
                at_least(extraction / seconds, 30),
            ]
        )
    print(f"{IMAGES} images of {SIDE}x{SIDE} pixels: extracted in {extraction:.1f} s\n")
    print_table(["changed to", "mAP %", "to the new mAP, s", "extraction / change"], rows)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
