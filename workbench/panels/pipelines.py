"""Pipeline strings as a panel sees them: their parts, what may stand there, and plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from workbench.config import INVERTED, SUGGESTING, Config, Step, WorkbenchError, cells, suggested
from workbench.features.backbones import BACKBONES, Spec
from workbench.features.maps import Options
from workbench.features.weights import availability
from workbench.learning.shelf import shelf

NONE = ""  # a part that is left out of the string
CHOICES: dict[str, tuple[str, ...]] = {
    "Pooling": ("max", "mean", "gem:3", "crow", "code"),
    "Regions": ("whole", "rmac:3", "rmac:5", "rmac+:3", "grid:2x2", "grid:3x3"),
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
    "Re-ranking": (NONE, "aqe:5", "alphaqe:10:3", "dba:5", "diffusion:50", "kreciprocal:20:6:0.3"),
}
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

    A layer belongs to its backbone, and to the kind of pooling: where those change it goes.
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


def backbones(options: Options) -> list[tuple[str, str]]:
    """Backbones as (text, name): embedded ones first, then fine-tuned ones; marked where not on this disk."""
    known = {name: availability(name, options.weights) for name in BACKBONES}
    names = sorted(known, key=lambda name: _ORDER.get(known[name], len(_ORDER)))
    marks = {"embedded": "", "ready": ""}
    listed = [(name + marks.get(known[name], f" ({known[name]})"), name) for name in names]
    tuned = [one for one in shelf(options.cache).values() if one.kind == "backbone" and one.usable]
    return [listed[0], *((f"{one.name} (fine-tuned)", f"file:{one.path}") for one in tuned), *listed[1:]]


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
        values += [step.learned] if step.learned else []
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
