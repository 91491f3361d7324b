"""Time, memory and bytes of describing a large collection: the first time, and again in other processes.

The pictures are tiny, and their maps those of the embedded collection with noise (8×8 cells, 164 KB an
image), so that no network runs. ``--images N`` (20,000): 3.3 GB of disk, in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from _table import print_table
from PIL import Image

import workbench
from workbench.config.config import Config
from workbench.features.map_source import MapSource, Picture
from workbench.features.map_store import MapStore

BACKBONE, SIZE, CELLS, BATCH = "efficientnet_lite0", 256, 8, 8
PIPELINES = ("max/whole", "max/rmac:3/pcaw:256", "max/rmac:5/pcaw:256")


def make(folder: Path, count: int) -> MapSource:
    """Write the pictures and store their maps in small files, as an extraction does."""
    posters = workbench.open("posters").engine.describe(Config.parse(f"{BACKBONE}/max/whole"))
    source = posters.source
    assert isinstance(source, MapSource)
    real = torch.cat(
        [
            maps[:, :, :CELLS, :CELLS].permute(0, 2, 3, 1)
            for _, maps in source.batches(posters.keys[0], 0)
            if min(maps.shape[2:]) >= CELLS
        ]
    ).float()
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    for number in range(count):
        label = folder / "photos" / f"{number % 200:03d}"
        label.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(label / f"{number:07d}.png")
    bench = workbench.open(folder / "photos", "folders", cache=folder / "cache", size=SIZE)
    target = MapSource.of(Config.parse(f"{BACKBONE}/max/whole"), bench.options)
    (keys, *_), _ = target.look_up(
        [Picture(bench.collection.path(image)) for image in bench.collection.images]
    )
    store = target.store(1.0)
    for start in range(0, count, BATCH):
        names = keys[start : start + BATCH]
        maps = real[torch.randint(0, len(real), (len(names),), generator=generator)]
        gain = 1 + 0.3 * torch.randn(len(names), CELLS, CELLS, 1, generator=generator)
        store.write(names, (maps * gain).clamp(min=0), {})
    return target


def described(folder: Path, pipeline: str) -> dict[str, float]:
    """Describe in this process, and return what it took."""
    bench = workbench.open(folder / "photos", "folders", cache=folder / "cache", size=SIZE)
    config = Config.parse(f"{BACKBONE}/{pipeline}")
    pictures = [Picture(bench.collection.path(image)) for image in bench.collection.images]
    MapSource.of(config, bench.options).look_up(pictures)  # headers of the files are read beforehand
    started, worked = time.perf_counter(), time.process_time()
    bench.engine.describe(config)
    return {
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - worked,
        "peak": _memory("VmHWM"),
        "after": _memory("VmRSS"),
    }


def _memory(name: str) -> float:
    return 1024.0 * int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--describe", nargs=2, metavar=("FOLDER", "PIPELINE"), help="for the processes of it")
    arguments = parser.parse_args()
    if arguments.describe:
        print(json.dumps(described(Path(arguments.describe[0]), arguments.describe[1])))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = make(folder, arguments.images).store(1.0)
        files = len(list(store.folder.iterdir()))
        started = time.perf_counter()
        MapStore(store.folder)
        opening = time.perf_counter() - started
        started = time.perf_counter()
        store.pack()
        packing = time.perf_counter() - started
        started = time.perf_counter()
        MapStore(store.folder)
        again = 1000 * (time.perf_counter() - started)
        print(f"{arguments.images:,} images: {files:,} files, opened in {opening:.2f} s; joined in")
        print(f"{packing:.1f} s to {len(list(store.folder.iterdir()))} files, opened in {again:.1f} ms\n")
        rows = []
        for pipeline in PIPELINES:
            for turn in ("first", "another process"):
                command = [sys.executable, __file__, "--describe", name, pipeline]
                measured = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
                rows.append(
                    [
                        f"`{pipeline}`",
                        turn,
                        f"{measured['seconds']:.2f}",
                        f"{measured['processor']:.2f}",
                        f"{measured['peak'] / 1e9:.2f}",
                        f"{measured['after'] / 1e9:.2f}",
                    ]
                )
        stored = sum(path.stat().st_size for path in (folder / "cache" / "descriptors").iterdir())
        print_table(["pipeline", "", "s", "s of processor", "peak, GB", "resident after, GB"], rows)
        print(f"\n{stored / 1e6:.0f} MB of descriptors on disk")


if __name__ == "__main__":
    main()
