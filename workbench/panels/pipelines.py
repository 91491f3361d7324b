"""Pipeline strings as a panel sees them: their parts, what may stand there, and plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from workbench.config import Config, Step, WorkbenchError
from workbench.descriptors.regions import rmac
from workbench.features.backbones import BACKBONES, Spec
from workbench.features.weights import availability

NONE = ""  # a part that is left out of the string
CHOICES: dict[str, tuple[str, ...]] = {
    "Pooling": ("max", "mean", "gem:3", "crow", "code"),
    "Regions": ("whole", "rmac:3", "rmac:5", "rmac+:3", "grid:2x2", "grid:3x3"),
    "Weighting": (NONE, "centre", "norm", "attention"),
    "Whitening": (NONE, "pca:64", "pca:256", "pcaw:64", "pcaw:128", "pcaw:256", "lw:256"),
    "Power": (NONE, "power:0.5"),
    "Scales": (NONE, "scales:3"),
    "Index": (NONE,),
    "Re-ranking": (NONE,),
}
_LEFT_OUT = {"Index": "exact", "Layer": "default"}
_DIMENSIONS = (("dimensions", (16, 32, 64, 128, 256, 512, 1024)),)
_LEVELS = (("levels", (1, 2, 3, 4, 5, 6)),)
_SIDE = (1, 2, 3, 4, 5, 6)
# The numbers of a step that are worth trying; one that is written by hand joins them.
NUMBERS: dict[str, tuple[tuple[str, tuple[float, ...]], ...]] = {
    "gem": (("p", (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)),),
    "rmac": _LEVELS,
    "rmac+": _LEVELS,
    "grid": (("rows", _SIDE), ("columns", _SIDE)),
    "proposals": (("regions", (5, 10, 20, 50, 100)),),
    "pca": _DIMENSIONS,
    "pcaw": _DIMENSIONS,
    "lw": _DIMENSIONS,
    "power": (("exponent", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),),
    "scales": (("scales", (1, 2, 3, 4, 5)),),
}
_ORDER = {"embedded": 0, "ready": 1, "download": 2}
_POOLED = {"max": "max", "mean": "mean", "gem": "generalised mean", "crow": "CroW-weighted sum"}
_REDUCED = {"pca": "reduced to", "pcaw": "whitened to", "lw": "whitened from matching pairs to"}


def part(pipeline: str, label: str) -> str:
    """The part of a pipeline that a select shows."""
    config = Config.parse(pipeline)
    spec = Spec.parse(config.backbone)

    def steps(names: Iterable[str]) -> str:
        return "".join(str(step) for step in config.steps if step.name in names)

    return {
        "Backbone": spec.name + "@random" * spec.random,
        "Layer": spec.layer or NONE,
        "Pooling": str(config.pooling),
        "Regions": str(config.regions),
        "Weighting": "".join(map(str, config.weightings)),
        "Whitening": "".join(map(str, config.whitenings)),
        "Power": steps(["power"]),
        "Scales": steps(["scales"]),
        "Index": NONE,
        "Re-ranking": NONE,
    }[label]


def replaced(pipeline: str, label: str, value: str) -> str:
    """The pipeline with one part replaced, the rest as it was. Raises WorkbenchError where invalid.

    A layer belongs to its backbone, and to the kind of pooling: where those change it goes.
    """
    config = Config.parse(pipeline)
    if value == part(pipeline, label):
        return str(config)
    spec = Spec.parse(config.backbone)
    layer, pooling, regions = spec.layer, str(config.pooling), str(config.regions)
    name = spec.name + "@random" * spec.random
    steps = [str(step) for step in config.steps]
    if label == "Backbone":
        name, layer = value, None
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
        # A new whitening goes before a power law, everything else behind it.
        first = label in ("Weighting", "Whitening")
        place = steps.index(old) if old else len(config.weightings) if first else len(steps)
        steps[place : place + bool(old)] = [value] if value else []
    backbone = name if layer is None else f"{name.removesuffix('@random')}@{layer}" + "@random" * spec.random
    return checked("/".join([backbone, pooling, regions, *steps]))


def checked(pipeline: str) -> str:
    """The pipeline in its canonical form. Raises WorkbenchError where it cannot run in this version."""
    config = Config.parse(pipeline)
    config.require_available()
    Spec.parse(config.backbone).module(config.pooling.name)  # has it a layer for this pooling?
    return str(config)


def offered(pipeline: str, label: str, values: Sequence[str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Those of the values that make a valid pipeline, as (text, value), and why the others do not."""
    options, refused = [], {}
    for value in values:
        try:
            replaced(pipeline, label, value)
        except WorkbenchError as error:
            refused[value] = str(error)
        else:
            options.append((value or _LEFT_OUT.get(label, "none"), value))
    return options, refused


def layers(pipeline: str) -> list[str]:
    """The layers of the pipeline's backbone by the field's names, of the kind that its pooling takes."""
    config = Config.parse(pipeline)
    known = Spec.parse(config.backbone).card().layers
    return [NONE, *(name for name in known if _is_vector(name) == (config.pooling.name == "code"))]


def _is_vector(layer: str) -> bool:
    return re.fullmatch(r"fc\d*|pool|logits|classifier.*", layer) is not None


def backbones(weights: Any) -> list[tuple[str, str]]:
    """Backbones as (text, name): embedded ones first, and those not on this disk marked."""
    known = {name: availability(name, weights) for name in BACKBONES}
    names = sorted(known, key=lambda name: _ORDER.get(known[name], len(_ORDER)))
    marks = {"embedded": "", "ready": ""}
    return [(name + marks.get(known[name], f" ({known[name]})"), name) for name in names]


def numbers(pipeline: str, label: str) -> list[tuple[str, tuple[float, ...], float]]:
    """The numbers in a part of a pipeline: (name, those worth trying, the one that stands there)."""
    step = _step(pipeline, label)
    if step is None:
        return []
    return [
        (name, tuple(sorted({*worth, at})), at)
        for (name, worth), at in zip(NUMBERS.get(step.name, ()), step.args, strict=False)
    ]


def with_number(pipeline: str, label: str, position: int, number: float) -> str:
    """The pipeline with one number in one part changed. Raises WorkbenchError where invalid."""
    step = _step(pipeline, label)
    assert step is not None, f"{label} of {pipeline} has no numbers"
    values = [f"{value:g}" for value in step.args]
    values[position] = f"{number:g}"
    between = "x" if step.name == "grid" else ":"
    return replaced(pipeline, label, f"{step.name}:{between.join(values)}")


def _step(pipeline: str, label: str) -> Step | None:
    config, value = Config.parse(pipeline), part(pipeline, label)
    steps = (config.pooling, config.regions, *config.steps)
    return next((step for step in steps if str(step) == value), None)


def _regions(step: Step) -> str:
    if step.name.startswith("rmac"):
        # The count on a 4:3 map; other shapes differ a little.
        count = len(rmac(24, 32, int(step.args[0]))) + step.name.endswith("+")
        return f"about {count} regions"
    if step.name == "grid":
        return f"{int(step.args[0] * step.args[1])} regions"
    return "the whole image"


def described(pipeline: str) -> str:
    """A pipeline in one line of plain words."""
    config = Config.parse(pipeline)
    pooled = _POOLED.get(config.pooling.name)
    words = [f"{pooled} over {_regions(config.regions)}" if pooled else "fully connected layer"]
    if Spec.parse(config.backbone).random:
        words.insert(0, "random weights, for tests only")
    if config.scales > 1:
        words.append(f"at {config.scales} scales")
    for step in config.steps:
        if step.name == "centre":
            words.append("the centre counts more")
        elif step.name == "norm":
            words.append("strong cells count more")
        elif step.name == "power":
            words.append(f"signed power {step.args[0]:g}")
        elif step.name in _REDUCED:
            size = int(step.args[0])
            words += [f"{_REDUCED[step.name]} {size} numbers", f"{size * 4 / 1024:.3g} KB an image"]
    return " · ".join(words)
