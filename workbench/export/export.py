"""Export a pipeline: one graph from a picture to its descriptor and code, checked against the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from workbench.common.files import replacing
from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import is_local
from workbench.descriptors.description import describe_maps
from workbench.engine.description import DescribedCollection, require_maps
from workbench.engine.engine import Engine
from workbench.export import code_graph
from workbench.export.builder import OPSET, Builder
from workbench.export.descriptor_graph import descriptor
from workbench.export.encoder import Encoder, entry, require_packages
from workbench.export.network_graph import network_graph
from workbench.export.picture_graph import network_input
from workbench.export.weights_precision import PRECISIONS, reduced
from workbench.features import batches, map_extraction, models
from workbench.features.map_source import scale_factor
from workbench.features.network import Network
from workbench.search.ranking import Index

onnx = lazy_module("onnx")

LEAST_COSINE = 0.9999  # to the pipeline, of a file in single precision
_PHOTOS = (("astronaut", (640, 640)), ("coffee", (600, 400)), ("chelsea", (300, 451)), ("rocket", (427, 640)))


@dataclass(frozen=True)
class Export:
    """A file that was written: its size in bytes, and its smallest cosine to the pipeline on ``photos``
    photographs. ``bits``: the share of equal bits of codes, or of equal parts of product codes."""

    path: Path
    pipeline: str
    precision: str
    bytes: int
    cosine: float
    bits: float | None
    photos: int
    notes: tuple[str, ...] = ()


def check_pipeline(config: Config, precision: str) -> None:
    """Raise WorkbenchError naming the part of a pipeline that no graph can contain."""
    if precision not in PRECISIONS:
        raise WorkbenchError(f"precision {precision!r} is not known; valid: {', '.join(PRECISIONS)}")
    if is_local(config.backbone):
        raise _cannot(f"backbone {config.backbone}", "it finds keypoints, which is no network")
    if not config.has_vectors:
        raise _cannot(
            f"pooling {config.pooling}",
            "it compares cells by words and gives an image no vector; take another pooling",
        )
    if config.regions.name == "proposals":
        raise _cannot(
            f"regions {config.regions}", "how many there are depends on the image; use rmac or grid"
        )
    compared = next((step for step in config.reranking_steps if step.name in ("sv", "he")), None)
    if compared is not None:
        raise _cannot(f"re-ranking {compared}", "it compares keypoints of the query's image; leave it out")
    names = [step.name for step in config.index_steps]
    if len(names) > 1 and names[1] in ("pq", "opq"):
        raise _cannot(
            f"index {','.join(map(str, config.index_steps))}",
            f"its codes are of the difference to a cell of the database; use {config.index_steps[1]} alone",
        )


def _cannot(part: str, reason: str) -> WorkbenchError:
    return WorkbenchError(f"{part} cannot be exported: {reason}")


def export(
    engine: Engine,
    config: Config,
    out: Path,
    precision: str = "fp32",
    progress: Progress = silent,
) -> Export:
    """Write a pipeline, with the whitening and code that the collection gives it, as an ONNX file.

    The graph takes ``image``, uint8 [H, W, 3], and gives ``descriptor`` float32 [D] and, of an index with
    codes, ``code`` uint8 [B]. ``precision`` is that of the stored weights: fp32, fp16 or int8 (by output
    channel). What searches or re-ranks a database is left to the database, and is a note. Raises
    WorkbenchError if a part cannot be exported, or if a file in fp32 differs from the pipeline.
    """
    check_pipeline(config, precision)
    require_packages()
    searcher = engine.searcher(config, progress)
    described, source = searcher.described, require_maps(searcher.described.source)
    progress("writing the graph", 0, 0)
    network = models.load_network(
        source.spec, source.layer, source.options.weights, "cpu", "float32", source.options.seed
    )
    coded = code_graph.code_step(config.index_steps)
    graph = _graph(network, described, searcher.index if coded is not None else None)
    about = {
        "pipeline": str(config),
        "collection": described.collection.name,
        "images": len(described.collection.images),
        "size": source.size,
        "dimensions": described.descriptors.vectors.shape[1],
        "code": None if coded is None else str(coded),
        "precision": precision,
        "weights": source.fingerprint,
        "version": version("retrieval-workbench"),
    }
    small = reduced(graph, precision)
    pictures = _photos(3 * source.options.size * scale_factor(config.scales - 1))
    expected = [reference(network, described, picture) for picture in pictures]
    with replacing(out) as part:
        part.write_bytes(_model(small, about).SerializeToString())
        progress("checking the file", 0, 0)
        cosine, bits = _agreement(Encoder.load(part), pictures, expected, searcher.index)
        if precision == "fp32" and cosine < LEAST_COSINE:
            raise WorkbenchError(
                f"{source.spec.name} cannot be exported: its descriptors have a cosine of {cosine:.4f} to "
                f"those of the pipeline, and {LEAST_COSINE} is needed"
            )
        about |= {"cosine": cosine, "photos": len(pictures)}
        part.write_bytes(_model(small, about).SerializeToString())
    return Export(
        out,
        str(config),
        precision,
        out.stat().st_size,
        cosine,
        bits,
        len(pictures),
        tuple(_notes(config, network)),
    )


def _notes(config: Config, network: Network) -> list[str]:
    notes = []
    left = [str(step) for step in config.index_steps if code_graph.code_step([step]) is None]
    left += [str(step) for step in config.reranking_steps]
    if left:
        notes.append(f"the database applies {', '.join(left)}: the file gives what is searched with")
    return notes


def _graph(network: Network, described: DescribedCollection, index: Index | None) -> Builder:
    """The graph of a pipeline, with outputs named ``descriptor`` and ``code``."""
    source, config, graph = require_maps(described.source), described.config, Builder()
    model = network_graph(network, source)
    maps = [
        graph.insert(model, {"pixels": network_input(graph, "image", source, scale)}, f"scale{scale}")
        for scale in range(config.scales)
    ]
    vector = descriptor(graph, maps, config, described.descriptors)
    outputs = {"descriptor": vector}
    if index is not None:
        outputs["code"] = code_graph.code(graph, vector, index)
    for name, value in outputs.items():
        graph.nodes.append(onnx.helper.make_node("Reshape", [value, graph.constant(np.array([-1]))], [name]))
    return graph


def _model(graph: Builder, about: dict[str, Any]) -> Any:
    helper, types = onnx.helper, onnx.TensorProto
    outputs = [helper.make_tensor_value_info("descriptor", types.FLOAT, [None])]
    if about["code"] is not None:
        outputs.append(helper.make_tensor_value_info("code", types.UINT8, [None]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "pipeline",
            [helper.make_tensor_value_info("image", types.UINT8, ["height", "width", 3])],
            outputs,
            [onnx.numpy_helper.from_array(values, name) for name, values in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,  # read by every ONNX Runtime since 1.16
        producer_name="retrieval-workbench",
    )
    helper.set_model_props(model, entry(about))
    return model


def reference(network: Network, described: DescribedCollection, picture: Image.Image) -> np.ndarray:
    """The descriptor [D] of a picture by the pipeline itself, with a network in single precision."""
    source, maps = require_maps(described.source), []
    for scale in range(described.config.scales):
        size = batches.target_size(
            *picture.size, source.options.size, source.card.stride, scale_factor(scale), source.resize
        )
        pixels = batches.pixels(picture, size, source.fixed, source.card.interpolation)
        maps.append(map_extraction.run(network, [pixels]).float().permute(0, 3, 1, 2))
    with torch.no_grad():
        parts, _ = describe_maps(maps, described.config, described.descriptors)
        return np.asarray(parts.total.sum(1)[0].numpy())


def _photos(most: float) -> list[Image.Image]:
    """Photographs whose sides have at most that many pixels: of larger ones the pipeline averages blocks."""
    from skimage import data

    factors = [min(1.0, most / max(sides)) for _, sides in _PHOTOS]
    return [
        Image.fromarray(np.asarray(getattr(data, name)())).resize((int(width * factor), int(height * factor)))
        for (name, (height, width)), factor in zip(_PHOTOS, factors, strict=True)
    ]


def _agreement(
    encoder: Encoder, pictures: Sequence[Image.Image], expected: Sequence[np.ndarray], index: Index
) -> tuple[float, float | None]:
    """The smallest cosine of a file's descriptors to ``expected``, and the mean share of equal code bits."""
    cosines, equal = [], []
    for picture, vector in zip(pictures, expected, strict=True):
        descriptor, code = encoder(picture)
        length = np.linalg.norm(descriptor) * np.linalg.norm(vector)
        cosines.append(float(descriptor @ vector / max(length, 1e-30)))
        if code is not None:
            equal.append(_equal(code, code_graph.encode(index, vector)))
    return min(cosines), float(np.mean(equal)) if equal else None


def _equal(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.mean(np.unpackbits(first) == np.unpackbits(second)))
