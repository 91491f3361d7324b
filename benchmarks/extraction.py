"""Extraction of 200 photos against the bare model, and against one image at a time.

The bare model, unchanged from its library, runs on batches in memory, in the same precision and shapes, with
the better of two batch sizes. One image at a time is how the field's reference packages describe images:
decode, resize, float32, a batch of one.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from _table import print_table
from _timing import at_least, fastest
from PIL import Image

import workbench
from workbench.collections import images
from workbench.config.options import Options, default_cache
from workbench.features import batches, device, models
from workbench.features.backbones import BackboneSpec
from workbench.features.map_source import MapSource, Picture
from workbench.features.network import run

IMAGES, SIZE, RUNS = 200, 512, 2


def bare(source: MapSource, precision: str) -> torch.nn.Module:
    """The model unchanged from its library, without folded layers, in the given precision."""
    model: torch.nn.Module = models.build_random(source.card).eval()
    return model.to(getattr(torch, precision))


def measure(name: str, paths: list[Path]) -> list[str]:
    precision = device.choose_precision("auto", "cpu")
    spec = BackboneSpec.parse(name)
    folder = Path(tempfile.mkdtemp(prefix="extraction-"))
    source = MapSource(spec, "max", Options(size=SIZE, cache=folder))
    source.network()
    pictures = [Picture(path) for path in paths]

    def ours() -> None:
        shutil.rmtree(folder / "maps", ignore_errors=True)
        source._stores.clear()
        source.extract(pictures)

    items = [batches.item(path, images.header(path), None, SIZE, 32, 1.0) for path in paths]
    plain = bare(source, precision).to(memory_format=torch.channels_last)
    inputs: dict[int, list[torch.Tensor]] = {}
    for batch_size in (2, batches.BATCH):
        parts = [
            batch[i : i + batch_size]
            for batch in batches.plan(items)
            for i in range(0, len(batch), batch_size)
        ]
        inputs[batch_size] = [
            torch.rand(len(part), 3, *part[0].size[::-1])
            .to(getattr(torch, precision))
            .to(memory_format=torch.channels_last)
            for part in parts
        ]

    def bare_on(batch_size: int) -> None:
        with torch.inference_mode():
            for batch in inputs[batch_size]:
                run(plain, source.layer, batch)

    eager = bare(source, "float32")
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (source.card.mean, source.card.std))

    def one_at_a_time() -> None:
        with torch.inference_mode():
            for path in paths:
                picture = Image.open(path).convert("RGB")
                picture.thumbnail((SIZE, SIZE), Image.Resampling.LANCZOS)
                pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
                run(eager, source.layer, ((pixels - mean) / std)[None])

    ours()  # warm
    seconds = fastest(ours, RUNS)
    model = min(fastest(lambda t=batch_size: bare_on(t), RUNS) for batch_size in inputs)
    single = fastest(one_at_a_time, 1)
    shutil.rmtree(folder)
    speed = [f"{len(paths) / s:.1f}" for s in (seconds, model, single)]
    return [name, precision, *speed, at_least(model / seconds, 0.85), at_least(single / seconds, 2.5)]


def main() -> None:
    bench = workbench.open("posters")
    paths = [bench.collection.path(image) for image in bench.collection.images[:IMAGES]]
    print(
        f"{len(paths)} photos of the embedded collection at {SIZE} pixels, {default_cache().name}/posters\n"
    )
    rows = [measure(name, paths) for name in ("efficientnet_lite0", "resnet50@random")]
    columns = [
        "backbone",
        "precision",
        "extraction, images/s",
        "bare model, images/s",
        "one at a time, images/s",
    ]
    print_table([*columns, "extraction / bare model", "extraction / one at a time"], rows)


if __name__ == "__main__":
    main()
