"""Pipeline strings as a panel sees them: their parts, what may stand there, and plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from workbench.config import (
    INVERTED,
    SUGGESTING,
    WEIGHTINGS,
    Config,
    Step,
    WorkbenchError,
    cells,
    is_local,
    suggested,
)
from workbench.features.backbones import BACKBONES, Spec
from workbench.features.maps import Options
from workbench.features.weights import availability
from workbench.learning.registry import shelf
from workbench.panels.local_features import known

NONE = ""  # a part that is left out of the string
CHOICES: dict[str, tuple[str, ...]] = {
    "Pooling": ("max", "mean", "gem:3", "crow", "code", "bow:4096"),
    "Regions": ("whole", "rmac:3", "rmac:5", "rmac+:3", "grid:2x2", "grid:3x3", "proposals:20"),
    "Weighting": (NONE, "centre", "norm", "attention"),
    "Whitening": (NONE, "pca:64", "pca:256", "pcaw:64", "pcaw:128", "pcaw:256", "lw:256"),
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
# What stands in place of a part that the new kind of backbone has no use for.
WORDS, MAPS = ("bow:4096", "whole"), ("max", "rmac:3")
_LEFT_OUT = {"Index": "exact", "Layer": "default"}
_DIMENSIONS = (("dimensions", (16, 32, 64, 128, 256, 512, 1024)),)
_LEVELS = (("levels", (1, 2, 3, 4, 5, 6)),)
_SIDE = (1, 2, 3, 4, 5, 6)
_PARTS = (("parts", (4, 8, 16, 32, 64)),)
_BITS = (("bits", (32, 64, 128, 256, 512)),)
_POWERS = tuple(2.0**n for n in range(13))
_FIRST = (("images", (1, 2, 3, 5, 10, 20, 50)),)
# The numbers of a step that are worth trying; one that is written by hand joins them.
NUMBERS: dict[str, tuple[tuple[str, tuple[float, ...]], ...]] = {
    "bow": (("words", tuple(2.0**n for n in range(8, 17))),),
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
    "ivf": (("cells", _POWERS[3:]), ("nprobe", _POWERS)),
    "imi": (("bits", (1, 2, 3, 4, 5, 6)), ("nprobe", _POWERS)),
    "hnsw": (("links", (4, 8, 16, 32, 64)), ("candidates", _POWERS[2:11])),
    "pq": _PARTS,
    "opq": _PARTS,
    "itq": _BITS,
    "lsh": _BITS,
    "sh": _BITS,
    "aqe": _FIRST,
    "alphaqe": (*_FIRST, ("alpha", (0, 1, 2, 3, 4, 5))),
    "dba": _FIRST,
    "diffusion": (("neighbours", (5, 10, 20, 50, 100, 200)),),
    "he": (("bits", (8, 12, 16, 20, 22, 24, 26, 28, 32)),),
    "sv": (("images", (10, 20, 50, 100, 200, 500, 1000)),),
    "kreciprocal": (
        ("k1", (5, 10, 20, 30, 50)),
        ("k2", (1, 3, 6, 10)),
        ("lambda", (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
    ),
}
_ORDER = {"embedded": 0, "ready": 1, "download": 2}


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
        "Index": ",".join(map(str, config.index_steps)),
        "Re-ranking": "/".join(map(str, config.reranking_steps)),
    }[label]


def replaced(pipeline: str, label: str, value: str) -> str:
    """The pipeline with one part replaced, the rest as it was. Raises WorkbenchError where invalid.

    A layer belongs to its backbone, and to the kind of pooling: where those change it goes. So does all that
    a backbone of another kind, of keypoints instead of maps, has no use for.
    """
    config = Config.parse(pipeline)
    if value == part(pipeline, label):
        return str(config)
    spec = Spec.parse(config.backbone)
    layer, pooling, regions = spec.layer, str(config.pooling), str(config.regions)
    name = spec.name + "@random" * spec.random
    steps = [str(step) for step in config.description.steps]
    behind = {one: part(pipeline, one) for one in ("Index", "Re-ranking")}
    if label in behind:
        behind[label] = value
    elif label == "Backbone":
        name, layer = value, None
        if is_local(value) != is_local(config.backbone):
            pooling, regions = WORDS if is_local(value) else MAPS
            steps = [str(step) for step in map(_own, config.description.steps) if _fits(step, value)]
            again = [str(step) for step in map(_own, config.reranking_steps) if _fits(step, value)]
            behind["Re-ranking"] = "/".join(again)
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
    return checked("/".join([backbone, pooling, regions, *steps, *filter(None, behind.values())]))


def _own(step: Step) -> Step:
    """A step as it is done with what is here, not with what was trained elsewhere under a name."""
    return Step(step.name, step.args) if step.named else step


def _fits(step: Step, backbone: str) -> bool:
    """Whether a step has a meaning with that kind of backbone."""
    return step.name not in ((*WEIGHTINGS, "scales") if is_local(backbone) else ("he",))


def checked(pipeline: str) -> str:
    """The pipeline in its canonical form. Raises WorkbenchError where it has no meaning."""
    config = Config.parse(pipeline)
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


def backbones(options: Options) -> list[tuple[str, str]]:
    """Backbones as (text, name): embedded ones first, then fine-tuned ones, local features last.

    Marked where they are not on this disk.
    """
    there = {name: availability(name, options.weights) for name in BACKBONES}
    names = sorted(there, key=lambda name: _ORDER.get(there[name], len(_ORDER)))
    marks = {"embedded": "", "ready": ""}
    listed = [(name + marks.get(there[name], f" ({there[name]})"), name) for name in names]
    tuned = [one for one in shelf(options.cache).values() if one.kind == "backbone" and one.usable]
    return [
        listed[0],
        *((f"{one.name} (fine-tuned)", f"file:{one.path}") for one in tuned),
        *listed[1:],
        *known(options),
    ]


def numbers(pipeline: str, label: str) -> list[tuple[str, tuple[float, ...], float]]:
    """The numbers in a part of a pipeline: (name, those worth trying, the one that stands there)."""
    return [
        (name, tuple(sorted({*(value for value in worth if value <= _most(step, name)), at})), at)
        for step in _steps(pipeline, label)
        for (name, worth), at in zip(NUMBERS.get(step.name, ()), step.args, strict=False)
    ]


def with_number(pipeline: str, label: str, position: int, number: float) -> str:
    """The pipeline with one number in one part changed. Raises WorkbenchError where invalid.

    What the pipeline leaves to be suggested (``nprobe``) follows the numbers that suggest it.
    """
    steps, words = _steps(pipeline, label), []
    assert steps, f"{label} of {pipeline} has no numbers"
    for step in steps:
        values = [f"{value:g}" for value in step.args]
        if 0 <= position < len(values):
            values[position] = f"{number:g}"
            if position == 0 and step.name in SUGGESTING:
                few = step.name in INVERTED and cells(Step(step.name, (number,))) < step.args[1]
                values = values[:1] if few or step.args[1] == suggested(step) else values
        values += [step.named] if step.named else []
        position -= len(step.args)
        words.append(":".join([step.name, ("x" if step.name == "grid" else ":").join(values)]).rstrip(":"))
    return replaced(pipeline, label, ("/" if label == "Re-ranking" else ",").join(words))


def _most(step: Step, name: str) -> float:
    """No more cells can be probed than there are."""
    return cells(step) if name == "nprobe" else float("inf")


def _steps(pipeline: str, label: str) -> tuple[Step, ...]:
    """The steps that a select shows."""
    config, value = Config.parse(pipeline), part(pipeline, label)
    several = {"Index": config.index_steps, "Re-ranking": config.reranking_steps}
    one = (config.pooling, config.regions, *config.description.steps)
    return several.get(label) or tuple(step for step in one if value and str(step) == value)
