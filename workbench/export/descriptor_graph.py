"""Pooling, weights, whitening and sums in the graph: maps to the descriptor, as ``descriptors`` does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.config.config import Config
from workbench.config.steps import Step
from workbench.descriptors.aggregation import split_steps
from workbench.descriptors.attention import Attention
from workbench.descriptors.description import Descriptors
from workbench.descriptors.whitening import Whitening
from workbench.export.builder import Builder, integers, single
from workbench.export.region_graph import Regions, centre_prior, lay_regions, shares

_TINY = 1e-12


def descriptor(graph: Builder, scales: Sequence[str], config: Config, described: Descriptors) -> str:
    """Maps [1, C, H, W], one for each scale, to the descriptor [1, D]."""
    vectors = [_summed(graph, maps, config, described) for maps in scales]
    vector = vectors[0] if len(vectors) == 1 else _combined(graph, vectors, config)
    return _steps(graph, vector, split_steps(config)[1], described.final)


def _summed(graph: Builder, maps: str, config: Config, described: Descriptors) -> str:
    """The normalised sum [1, D] of the region vectors of one scale."""
    if config.pooling.name == "code":
        vectors = graph("Flatten", maps)
        return _unit(graph, _steps(graph, _unit(graph, vectors), *_regional(config, described)))
    regions = lay_regions(graph, maps, config.regions)
    weights = None
    if described.attention is not None:
        weights = _attention(graph, maps, regions, described.attention)
    cells = _cell_weights(graph, maps, regions, config)
    if cells is not None and config.regions.name == "whole":
        square = graph("Concat", integers(1, 1), graph("Shape", maps, start=2), axis=0)
        maps = graph("Mul", maps, graph("Reshape", cells, square))
    elif cells is not None:
        prior = graph("MatMul", shares(graph, regions), graph("Transpose", cells, perm=[1, 0]))
        weights = prior if weights is None else graph("Mul", weights, prior)
    vectors = _unit(graph, _pooled(graph, maps, regions, config.pooling))
    vectors = _steps(graph, vectors, *_regional(config, described))
    if weights is not None:
        vectors = graph("Mul", vectors, weights)
    return _unit(graph, graph("ReduceSum", vectors, integers(0)))


def _regional(
    config: Config, described: Descriptors
) -> tuple[tuple[Step, ...], tuple[Whitening | None, ...]]:
    return split_steps(config)[0], described.regional


def _pooled(graph: Builder, maps: str, regions: Regions, step: Step) -> str:
    """Pool maps over regions: [N, C]."""
    if step.name == "max":
        first, last = (graph("Gather", regions.boxes, integers(*at), axis=1) for at in ((0, 1), (2, 3)))
        ends = graph("Concat", first, graph("Sub", last, integers(1, 1)), axis=1)
        image = graph("Mul", graph("Gather", ends, integers(0), axis=1), integers(0))
        boxes = graph("Cast", graph("Concat", image, ends, axis=1), to=1)
        pooled = graph("MaxRoiPool", maps, boxes, pooled_shape=[1, 1], spatial_scale=1.0)
        return graph("Flatten", pooled)
    uniform = shares(graph, regions)
    if step.name == "mean":
        return graph("MatMul", uniform, _cells(graph, maps))
    if step.name == "gem":
        p = float(step.args[0])
        positive = graph("Relu", maps)
        maxima = graph("Max", graph("ReduceMax", positive, integers(2, 3), keepdims=1), single(_TINY))
        powers = graph("Pow", graph("Div", positive, maxima), single(p))
        mean = graph("Max", graph("MatMul", uniform, _cells(graph, powers)), single(0))
        return graph("Mul", graph("Pow", mean, single(1 / p)), graph("Flatten", maxima))
    return _crow(graph, maps, regions, uniform)


def _crow(graph: Builder, maps: str, regions: Regions, uniform: str) -> str:
    cells = _cells(graph, maps)
    mass = graph("Relu", graph("ReduceSum", cells, integers(1), keepdims=1))  # [H · W, 1]
    norm = graph("Max", graph("ReduceL2", mass, integers(0), keepdims=1), single(_TINY))
    weights = graph("Transpose", graph("Sqrt", graph("Div", mass, norm)), perm=[1, 0])
    pooled = graph("MatMul", graph("Mul", regions.inside, weights), cells)
    active = graph("Cast", graph("Greater", cells, single(0)), to=1)
    share = graph("MatMul", uniform, active)
    total = graph("ReduceSum", share, integers(1), keepdims=1)
    rarity = graph("Log", graph("Div", total, graph("Max", share, single(_TINY))))
    return graph("Mul", pooled, graph("Where", graph("Greater", share, single(0)), rarity, single(0)))


def _cells(graph: Builder, maps: str) -> str:
    """The cells of maps [1, C, H, W]: [H · W, C]."""
    rows = graph("Reshape", maps, integers(0, 0, -1))
    return graph("Squeeze", graph("Transpose", rows, perm=[0, 2, 1]), integers(0))


def _cell_weights(graph: Builder, maps: str, regions: Regions, config: Config) -> str | None:
    """The weights of cells [1, H · W], without attention, which weights regions; None if uniform."""
    weights: str | None = None
    for step in config.weightings:
        if step.name == "attention":
            continue
        if step.name == "centre":
            cells = centre_prior(graph, regions)
        else:
            cells = graph("Transpose", graph("ReduceL2", _cells(graph, maps), integers(1)), perm=[1, 0])
        weights = cells if weights is None else graph("Mul", weights, cells)
    return weights


def _attention(graph: Builder, maps: str, regions: Regions, attention: Attention) -> str:
    """The weights of regions [N, 1], as ``Attention.weights``."""
    own, context = (part.T.numpy() for part in attention.hidden.chunk(2, dim=1))
    uniform = shares(graph, regions)
    means = graph("MatMul", uniform, _cells(graph, maps))
    image = graph("ReduceMean", _cells(graph, maps), integers(0))
    activation = graph("Add", graph("MatMul", means, own), graph("MatMul", image, context))
    activation = graph("Add", activation, attention.hidden_bias.numpy())
    relative = _relative(graph, regions)
    if attention.place is not None:
        first, last = (graph("Gather", relative, integers(*at), axis=1) for at in ((0, 1), (2, 3)))
        middle = graph("Sub", graph("Add", first, last), single(1))
        sides = graph("Sub", graph("Mul", graph("Sub", last, first), single(2)), single(1))
        place = graph("Concat", middle, sides, axis=1)
        activation = graph("Add", activation, graph("MatMul", place, attention.place.T.numpy()))
    output = graph("MatMul", graph("Tanh", activation), attention.output[:, None].numpy())
    weights = graph("Softplus", graph("Add", output, attention.output_bias.numpy()))
    if attention.about.get("area"):
        area = graph("ReduceMean", regions.inside, integers(1))
        weights = graph("Mul", weights, area)
    if attention.about.get("centre"):
        prior = graph("Transpose", centre_prior(graph, regions), perm=[1, 0])
        mean = graph("MatMul", uniform, prior)
        weights = graph("Mul", weights, graph("Pow", mean, single(attention.about["centre"])))
    return weights


def _relative(graph: Builder, regions: Regions) -> str:
    """The boxes as shares of the map, [N, 4]."""
    sides = [graph("Reshape", side, integers(1)) for side in (regions.width, regions.height)]
    whole_map = graph("Cast", graph("Concat", *sides, *sides, axis=0), to=1)
    return graph("Div", graph("Cast", regions.boxes, to=1), whole_map)


def _unit(graph: Builder, vectors: str) -> str:
    """L2-normalise each row."""
    norm = graph("ReduceL2", vectors, integers(1), keepdims=1)
    return graph("Div", vectors, graph("Max", norm, single(_TINY)))


def _steps(
    graph: Builder, vectors: str, steps: Sequence[Step], whitenings: Sequence[Whitening | None]
) -> str:
    """Apply vector steps to each row, with the L2 normalisation after each."""
    for step, whitening in zip(steps, whitenings, strict=False):
        if step.name == "power":
            powers = graph("Pow", graph("Abs", vectors), single(step.args[0]))
            vectors = graph("Mul", graph("Sign", vectors), powers)
        else:
            assert whitening is not None
            projection = whitening.projection.double()
            shift = (projection @ whitening.mean.double()).float().numpy()
            turned = graph("MatMul", vectors, np.ascontiguousarray(whitening.projection.T.numpy()))
            vectors = graph("Sub", turned, shift)
        vectors = _unit(graph, vectors)
    return vectors


def _combined(graph: Builder, vectors: Sequence[str], config: Config) -> str:
    """The vector [1, D] of several scales, as ``aggregation.combine_scales``."""
    power = config.pooling.args[0] if config.pooling.name == "gem" and config.regions.name == "whole" else 1.0
    if power != 1:
        vectors = [graph("Pow", graph("Relu", vector), single(power)) for vector in vectors]
    mean = graph("Mean", *vectors)
    return _unit(graph, mean if power == 1 else graph("Pow", mean, single(1 / power)))
