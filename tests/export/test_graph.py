"""Regions, pooling, whitening and codes in the graph against those of the pipeline."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from workbench.config.config import Config
from workbench.config.steps import Step, parse_index
from workbench.descriptors.attention import Attention
from workbench.descriptors.description import Descriptors, describe_maps
from workbench.descriptors.regions import regions
from workbench.descriptors.whitening import Whitening
from workbench.export import code_graph
from workbench.export.builder import OPSET, Builder
from workbench.export.convertible import convertible
from workbench.export.descriptor_graph import descriptor
from workbench.export.region_graph import lay_regions
from workbench.search import faiss_index

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SHAPES = [(1, 1), (2, 2), (7, 7), (5, 12), (16, 11), (3, 16), (16, 4), (9, 10)]
PIPELINES = [
    "max/rmac:3",
    "mean/whole/centre",
    "gem:3/grid:2x3/centre/norm",
    "crow/rmac+:2",
    "crow/whole/norm",
    "max/rmac:3/attention",
    "gem:3/whole/scales:2",
    "max/grid:2x2/scales:3",
]


def graph_of(graph: Builder, inputs: dict[str, list[Any]], kinds: dict[str, str]) -> Any:
    """The graph as a session with these outputs: {the value's name: the kind of its numbers}."""
    info, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "test",
            [info(name, kind.FLOAT, shape) for name, shape in inputs.items()],
            [info(name, getattr(kind, number), None) for name, number in kinds.items()],
            [onnx.numpy_helper.from_array(values, name) for name, values in graph.constants.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=9,
    )
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("written", ["whole", "rmac:1", "rmac:3", "rmac:5", "rmac+:2", "grid:2x3"])
def test_regions_are_those_of_the_pipeline_for_every_shape(written: str) -> None:
    step, graph = Step.parse("regions", written), Builder()
    laid = lay_regions(graph, "maps", step)
    session = graph_of(graph, {"maps": [1, 1, "h", "w"]}, {laid.boxes: "INT64"})
    for height, width in SHAPES:
        (boxes,) = session.run(None, {"maps": np.zeros((1, 1, height, width), np.float32)})
        assert boxes.tolist() == regions(step, height, width).tolist(), (height, width)


@pytest.mark.parametrize("rest", PIPELINES)
@pytest.mark.parametrize("steps", ["", "/pcaw:6/power:0.5", "/power:0.5/pca:6"])
def test_descriptors_are_those_of_the_pipeline(rest: str, steps: str) -> None:
    config, random = Config.parse(f"resnet18/{rest}{steps}"), torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=random)

    whitening = Whitening.fit(numbers(50, 8).abs(), 6, "pcaw" if "pcaw" in steps else "pca")
    fitted = tuple(None if step.name == "power" else whitening for step in config.vector_steps)
    regional = 0 if config.regions.name == "whole" or not steps else 1 + (steps.startswith("/power"))
    attention = None
    if "attention" in rest:
        tensors = {"hidden": numbers(5, 16), "hidden_bias": numbers(5), "output": numbers(5)}
        about = {"area": True, "centre": 0.5}
        attention = Attention.of(tensors | {"output_bias": numbers(), "place": numbers(5, 4)}, about)
    described = Descriptors(numbers(1, 6), fitted[:regional], fitted[regional:], attention)
    graph, names = Builder(), [f"maps{scale}" for scale in range(config.scales)]
    output = descriptor(graph, names, config, described)
    session = graph_of(graph, {name: [1, 8, "h", "w"] for name in names}, {output: "FLOAT"})
    for height, width in SHAPES[1:]:
        maps = [numbers(1, 8, height, width + scale).relu() for scale in range(config.scales)]
        expected = describe_maps(maps, config, described)[0].total.sum(1)
        (actual,) = session.run(None, {name: m.numpy() for name, m in zip(names, maps, strict=True)})
        np.testing.assert_allclose(actual, expected.numpy(), atol=2e-5)


@pytest.mark.parametrize("index", ["itq:16", "lsh:24", "sh:16", "pq:4", "opq:4", "ivf:4,lsh:16"])
def test_codes_are_those_of_the_index(index: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    built, graph = faiss_index.build(parse_index(index), vectors), Builder()
    session = graph_of(graph, {"vector": [1, 16]}, {code_graph.code(graph, "vector", built): "UINT8"})
    codes = np.stack([session.run(None, {"vector": vector[None]})[0][0] for vector in vectors[:40]])
    expected = np.stack([code_graph.encode(built, vector) for vector in vectors[:40]])
    assert (np.unpackbits(codes) == np.unpackbits(expected)).mean() > 0.999  # a value may be rounded


@pytest.mark.parametrize("counts", [(6, 6), (7, 7), (2, 5)])
def test_poolings_to_a_fixed_size_are_those_of_pytorch_for_every_shape(counts: tuple[int, int]) -> None:
    """As before the layers fc6 of AlexNet and VGG: the parts overlap where the sizes do not divide."""
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(counts), torch.nn.Flatten())
    file: Any = io.BytesIO()  # which torch.onnx takes, although its annotation says a path
    pooling, random = model[0], torch.Generator().manual_seed(0)
    with convertible(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing
        axes = {"maps": {2: "height", 3: "width"}}
        example = (torch.zeros(1, 3, 8, 9),)
        torch.onnx.export(
            model, example, file, dynamo=False, input_names=["maps"], dynamic_axes=axes, opset_version=OPSET
        )
    assert model[0] is pooling
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for height, width in SHAPES:
        maps = torch.randn((1, 3, height, width), generator=random)
        (pooled,) = session.run(None, {"maps": maps.numpy()})
        assert pooled == pytest.approx(model(maps).numpy(), abs=1e-5), (height, width)
