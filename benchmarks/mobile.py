"""Exported pipelines: cosine to the pipeline, mAP, size and time in each precision, against PyTorch.

mAP: the queries are encoded by the file, and rank the database that the pipeline describes; the difference to
queries in fp32 is paired, with its 95 % interval. ``static``: weights and activations in 8 bits, calibrated
on images of the collection by ONNX Runtime, by output channel, for comparison. Times are medians on one
thread, in turn, of a photograph of 512 pixels.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from _table import print_table
from onnxruntime import quantization

import workbench
from workbench.engine.graded_queries import GradedQueries
from workbench.engine.queries import query_picture, query_vector
from workbench.evaluation.intervals import mean_interval
from workbench.evaluation.positives import count_positives
from workbench.evaluation.scores import mean_scores
from workbench.export.encoder import Encoder
from workbench.export.export import export
from workbench.export.weights_precision import PRECISIONS
from workbench.search.exact import Exact

CALIBRATION, RUNS = 32, 7


class Pictures(quantization.CalibrationDataReader):
    """Images of a collection, for the ranges of activations."""

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.pictures = iter(pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        picture = next(self.pictures, None)
        return None if picture is None else {"image": picture}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipelines", nargs="*", default=["efficientnet_lite0/max/rmac:3/pcaw:256"])
    parser.add_argument("--weights", default=None)
    arguments = parser.parse_args()
    bench = workbench.open("posters", weights=arguments.weights)
    torch.set_num_threads(1)
    for pipeline in arguments.pipelines:
        measure(bench, pipeline)


def measure(bench: workbench.workbench.Workbench, pipeline: str) -> None:
    config, collection = bench.engine.config(pipeline), bench.collection
    described = bench.engine.describe(config)
    names = [query.id for query in collection.queries]
    pictures = [query_picture(collection, name) for name in names]
    truth = GradedQueries(collection, described.image_rows(), collection.protocol)
    exact = Exact(described.database)

    def aps(vectors: np.ndarray) -> np.ndarray:
        scores = exact.similarities(torch.from_numpy(np.ascontiguousarray(vectors, np.float32)))
        ranked = (count_positives(row, truth[n], collection.protocol) for n, row in enumerate(scores))
        return mean_scores(ranked, names, collection.protocol).per_query["ap"].to_numpy(float)

    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for precision in PRECISIONS:
            files[precision] = Path(folder) / f"{precision}.onnx"
            export(bench.engine, config, files[precision], precision)
        files["static"] = static(files["fp32"], pictures[:CALIBRATION])
        encoders = {name: Encoder.load(path, threads=1) for name, path in files.items()}
        vectors = {name: np.stack([e(p)[0] for p in pictures]) for name, e in encoders.items()}
        seconds: dict[str, list[float]] = {name: [] for name in [*encoders, "torch"]}
        for _ in range(RUNS):
            for name in seconds:
                started = time.process_time()
                if name == "torch":
                    query_vector(described, pictures[0])
                else:
                    encoders[name](pictures[0])
                seconds[name].append(time.process_time() - started)
        base = aps(vectors["fp32"])
        rows = []
        for name, path in files.items():
            cosines = (vectors[name] * vectors["fp32"]).sum(1)
            measured = aps(vectors[name])
            low, high = mean_interval(measured - base)
            rows.append(
                [
                    name,
                    f"{path.stat().st_size / 1e6:.1f}",
                    f"{cosines.mean():.5f}",
                    f"{cosines.min():.5f}",
                    f"{100 * np.nanmean(measured):.2f}",
                    f"{100 * np.nanmean(measured - base):+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]",
                    f"{1000 * np.median(seconds[name]):.0f}",
                ]
            )
    stored = aps(np.stack([query_vector(described, name)[0].numpy() for name in names]))
    rows.append(
        [
            "pipeline",
            "",
            "",
            "",
            f"{100 * np.nanmean(stored):.2f}",
            "",
            f"{1000 * np.median(seconds['torch']):.0f}",
        ]
    )
    titles = ["weights", "MB", "cosine, mean", "least", "mAP %", "difference, points", "ms of processor"]
    print_table(titles, rows)


def static(path: Path, pictures: list) -> Path:
    """The file with weights and activations of its convolutions in 8 bits."""
    model = onnx.load(path)
    out = path.with_name("static.onnx")
    convolutions = [
        node.name or f"conv{n}" for n, node in enumerate(model.graph.node) if node.op_type == "Conv"
    ]
    for n, node in enumerate(model.graph.node):
        node.name = node.name or (f"conv{n}" if node.op_type == "Conv" else f"node{n}")
    named = path.with_name("named.onnx")
    onnx.save(model, named)
    quantization.quantize_static(
        named,
        out,
        Pictures([np.asarray(picture) for picture in pictures]),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        nodes_to_quantize=convolutions,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return out


if __name__ == "__main__":
    main()
