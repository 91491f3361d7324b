"""The parts of a pipeline string that a panel offers, and the pipeline with another part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.config.steps import WEIGHTINGS, Step, is_local
from workbench.features.backbones import BACKBONES, BackboneSpec
from workbench.features.vision_language import models_here
from workbench.features.weights import availability, folder
from workbench.learning.registry import trainings
from workbench.panels.local_backbones import local_features

NONE = ""  # a part that is not in the string
CHOICES: dict[str, tuple[str, ...]] = {
    "Pooling": ("max", "mean", "gem:3", "crow", "code", "bow:4096", "asmk:65536", "asmk-full:65536"),
    "Regions": ("whole", "rmac:3", "rmac:5", "rmac+:3", "grid:2x2", "grid:3x3", "proposals:20"),
    "Weighting": (NONE, "centre", "norm", "attention", "centre/attention"),
    "Whitening": (NONE, "pca:64", "pca:256", "pcaw:64", "pcaw:128", "pcaw:256:0.5", "pcaw:256", "lw:256"),
    "Power": (NONE, "power:0.5"),
    "Scales": (NONE, "scales:3"),
    "Index": (
        NONE,
        "ivf:64",
        "imi:4",
        "hnsw:32",
        "pq:16",
        "opq:16",
        "ivf:64,pq:16",
        "lsh:256",
        "itq:256",
        "sh:256",
        "ivf:64,sh:256",
    ),
    "Re-ranking": (
        NONE,
        "aqe:5",
        "alphaqe:10:3",
        "dba:5",
        "diffusion:50",
        "kreciprocal:20:6:0.3",
        "sv:100",
        "sv:100/aqe:5",
        "he:24",
        "he:24/sv:100",
    ),
}
# Pooling and regions for another kind of backbone: of keypoints, and of maps.
WORDS, MAPS = ("bow:4096", "whole"), ("max", "rmac:3")
_LEFT_OUT = {"Index": "exact", "Layer": "default"}
_ORDER = {"embedded": 0, "ready": 1, "download": 2}


def part(pipeline: str, label: str) -> str:
    """The part of a pipeline that a select shows."""
    config = Config.parse(pipeline)
    spec = BackboneSpec.parse(config.backbone)

    def steps(names: Iterable[str]) -> str:
        return "".join(str(step) for step in config.steps if step.name in names)

    return {
        "Backbone": spec.name + "@random" * spec.random,
        "Layer": spec.layer or NONE,
        "Pooling": str(config.pooling),
        "Regions": str(config.regions),
        "Weighting": "/".join(map(str, config.weightings)),
        "Whitening": "".join(map(str, config.whitenings)),
        "Power": steps(["power"]),
        "Scales": steps(["scales"]),
        "Index": ",".join(map(str, config.index_steps)),
        "Re-ranking": "/".join(map(str, config.reranking_steps)),
    }[label]


def with_part(pipeline: str, label: str, value: str) -> str:
    """The pipeline with one part replaced. Raises WorkbenchError if it is invalid.

    The layer is dropped if the backbone or the kind of pooling changes. With a backbone of another kind
    (keypoints instead of maps), the steps that have no meaning with it are dropped too.
    """
    config = Config.parse(pipeline)
    if value == part(pipeline, label):
        return str(config)
    spec = BackboneSpec.parse(config.backbone)
    layer, pooling, regions = spec.layer, str(config.pooling), str(config.regions)
    name = spec.name + "@random" * spec.random
    steps = [str(step) for step in config.description.steps]
    behind = {name: part(pipeline, name) for name in ("Index", "Re-ranking")}
    if label in behind:
        behind[label] = value
    elif label == "Backbone":
        name, layer = value, None
        if is_local(value) != is_local(config.backbone):
            pooling, regions = WORDS if is_local(value) else MAPS
            steps = [str(step) for step in map(_unnamed, config.description.steps) if _fits(step, value)]
            reranking = [str(step) for step in map(_unnamed, config.reranking_steps) if _fits(step, value)]
            behind["Re-ranking"] = "/".join(reranking)
    elif label == "Layer":
        layer = value or None
    elif label == "Pooling":
        pooling = value
        if layer and (value == "code") != _is_vector(layer):
            layer = None
    elif label == "Regions":
        regions = value
    else:
        old = part(pipeline, label)
        # A new whitening is placed before a power law, all other steps after it.
        first = label in ("Weighting", "Whitening")
        replaced = old.split("/") if old else []
        position = steps.index(replaced[0]) if old else len(config.weightings) if first else len(steps)
        steps[position : position + len(replaced)] = [value] if value else []
    backbone = name if layer is None else f"{name.removesuffix('@random')}@{layer}" + "@random" * spec.random
    return canonical("/".join([backbone, pooling, regions, *steps, *filter(None, behind.values())]))


def _unnamed(step: Step) -> Step:
    """A step without the name of weights that were trained elsewhere."""
    return replace(step, tag=None)


def _fits(step: Step, backbone: str) -> bool:
    """Whether a step is valid with that kind of backbone."""
    return step.name not in ((*WEIGHTINGS, "scales") if is_local(backbone) else ("he",))


def canonical(pipeline: str) -> str:
    """The pipeline in its canonical form. Raises WorkbenchError if it is invalid."""
    config = Config.parse(pipeline)
    BackboneSpec.parse(config.backbone).module(config.pooling.name)  # raises if no layer fits this pooling
    return str(config)


def valid_choices(
    pipeline: str, label: str, values: Sequence[str]
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The values that make a valid pipeline, as (text, value), and the errors of the others."""
    options, refused = [], {}
    for value in values:
        try:
            with_part(pipeline, label, value)
        except WorkbenchError as error:
            refused[value] = str(error)
        else:
            options.append((value or _LEFT_OUT.get(label, "none"), value))
    return options, refused


def layers(pipeline: str) -> list[str]:
    """The usual names of the backbone's layers, of the kind that the pooling takes."""
    config = Config.parse(pipeline)
    names = BackboneSpec.parse(config.backbone).card().layers
    return [NONE, *(name for name in names if _is_vector(name) == (config.pooling.name == "code"))]


def _is_vector(layer: str) -> bool:
    return re.fullmatch(r"fc\d*|pool|logits|embedding|classifier.*", layer) is not None


def backbones(options: Options) -> list[tuple[str, str]]:
    """Backbones as (text, name): embedded ones first, then fine-tuned ones, local features last.

    Those that must be downloaded are marked with ↓. Of the vision–language models, which are over a hundred,
    only those with weights here are listed.
    """
    status = {name: availability(name, options.weights) for name in BACKBONES}
    names = sorted(status, key=lambda name: _ORDER.get(status[name], len(_ORDER)))
    listed = [(name + " ↓" * (status[name] == "download"), name) for name in names]
    trained = trainings(options.cache).values()
    tuned = [weights for weights in trained if weights.kind == "backbone" and weights.usable]
    return [
        listed[0],
        *((f"{weights.name} (fine-tuned)", f"file:{weights.path}") for weights in tuned),
        *listed[1:],
        *((name, name) for name in models_here(folder(options.weights))),
        *local_features(options),
    ]
