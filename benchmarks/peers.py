"""Extraction, with decoding and storing, against the bare networks in PyTorch and in OpenVINO.

The bare networks are those of their libraries, on batches of one shape that are ready in memory: PyTorch
with the better of two batch sizes, OpenVINO with a stream on each core, both in bfloat16 where the processor
has it. All run in turn, and the fastest run counts. On a machine that is shared with others the seconds of
processor time mean more than images a second. VGG16 needs its weights (``WORKBENCH_WEIGHTS``), or else runs
with random ones.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import torch
from _table import print_table
from _timing import at_least

import workbench
from workbench.collections import images
from workbench.config.options import Options
from workbench.features import batches, device, models
from workbench.features.backbones import BackboneSpec
from workbench.features.map_source import MapSource, Picture
from workbench.features.network import run
from workbench.features.weights import availability

IMAGES, SIZE, RUNS = 256, 512, 2
AIMS = {"efficientnet_lite0": 0.8, "resnet50@random": 0.9, "vgg16": 0.9}
WAYS = ("torch", "openvino")


class Timed:
    """Work and its fastest run: images a second, and milliseconds of processor time an image."""

    def __init__(self, work: Callable[[], object], count: int) -> None:
        self.work, self.count, self.wall, self.processor = work, count, float("inf"), float("inf")
        work()  # warm

    def run(self) -> None:
        wall, processor = time.perf_counter(), time.process_time()
        self.work()
        self.wall = min(self.wall, (time.perf_counter() - wall) / self.count)
        self.processor = min(self.processor, (time.process_time() - processor) / self.count)

    def __str__(self) -> str:
        return f"{1 / self.wall:.1f} ({1000 * self.processor:.1f} ms)"


def photos() -> tuple[list[Path], tuple[int, int]]:
    """Photos of the embedded collection that have one shape, and their (width, height) for the network."""
    collection = workbench.open("posters").collection
    items = [
        batches.item(path, images.header(path), None, SIZE, 32, 1.0, "exact")
        for path in map(collection.path, collection.images)
    ]
    size = Counter(item.size for item in items).most_common(1)[0][0]
    return [item.path for item in items if item.size == size][:IMAGES], size


def extraction(name: str, runtime: str, paths: list[Path], folder: Path) -> Timed:
    """Decode, resize, run the network and store."""
    source = MapSource(BackboneSpec.parse(name), "max", Options(size=SIZE, cache=folder, runtime=runtime))
    source.network()

    def work() -> None:
        shutil.rmtree(folder / "maps", ignore_errors=True)
        source._stores.clear()
        source.extract([Picture(path) for path in paths])

    return Timed(work, len(paths))


class Bare(torch.nn.Module):
    """The network of a library up to its last map."""

    def __init__(self, model: torch.nn.Module, layer: str | None) -> None:
        super().__init__()
        self.model, self.layer = model, layer

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return run(self.model, self.layer, pixels)


def bare_torch(name: str, size: tuple[int, int], precision: str, count: int) -> list[Timed]:
    spec = BackboneSpec.parse(name)
    model = models.build_random(spec.card()).eval().to(getattr(torch, precision))
    model = model.to(memory_format=torch.channels_last)
    timed = []
    for batch in (2, batches.BATCH):
        inputs = torch.rand(batch, 3, size[1], size[0]).to(getattr(torch, precision))
        inputs = inputs.to(memory_format=torch.channels_last)

        def work(inputs: torch.Tensor = inputs, times: int = count // batch) -> None:
            with torch.inference_mode():
                for _ in range(times):
                    run(model, spec.module("max"), inputs)

        timed.append(Timed(work, count // batch * batch))
    return timed


def bare_openvino(name: str, size: tuple[int, int], precision: str, count: int) -> Timed:
    spec = BackboneSpec.parse(name)
    model = Bare(models.build_random(spec.card()).eval(), spec.module("max"))
    inputs = torch.rand(1, 3, size[1], size[0])
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        graph = openvino.convert_model(model, example_input=inputs)
    graph.reshape(list(inputs.shape))
    settings = {
        "NUM_STREAMS": os.cpu_count(),
        "INFERENCE_NUM_THREADS": os.cpu_count(),
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
    }
    requests = openvino.AsyncInferQueue(openvino.Core().compile_model(graph, "CPU", settings))
    pixels = np.asarray(inputs)

    def work() -> None:
        for _ in range(count):
            requests.start_async([pixels], share_inputs=True)
        requests.wait_all()

    return Timed(work, count)


def measure(name: str, paths: list[Path], size: tuple[int, int]) -> list[str]:
    precision = device.choose_precision("auto", "cpu")
    if name == "vgg16" and availability(name, None) != "ready":
        name += "@random"
    aim = AIMS.get(name, AIMS["vgg16"])
    paths = paths if name == "efficientnet_lite0" else paths[: IMAGES // 16]
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    try:
        ours = {way: extraction(name, way, paths, folder / way) for way in WAYS}
        library = bare_openvino(name, size, precision, len(paths))
        plain = bare_torch(name, size, precision, len(paths))
        for _ in range(RUNS):
            for timed in (*ours.values(), library, *plain):
                timed.run()
    finally:
        shutil.rmtree(folder)
    best = min(plain, key=lambda timed: timed.wall)
    ratios = [
        at_least(library.wall / ours["openvino"].wall, aim),
        at_least(library.processor / ours["openvino"].processor, aim),
    ]
    shown = [str(timed) for timed in (best, library, ours["torch"], ours["openvino"])]
    return [name, precision, *shown, *ratios]


def main() -> None:
    """Measure the networks that are given as arguments, or all."""
    paths, size = photos()
    print(
        f"{len(paths)} photos of the embedded collection at {size[0]}x{size[1]} pixels: images/s (processor "
        "time an image)\n"
    )
    columns = [
        "backbone",
        "precision",
        "bare PyTorch",
        "bare OpenVINO",
        "extraction by PyTorch",
        "extraction by OpenVINO",
        "extraction / bare OpenVINO",
        "by processor time",
    ]
    print_table(columns, [measure(name, paths, size) for name in sys.argv[1:] or AIMS])


if __name__ == "__main__":
    main()
