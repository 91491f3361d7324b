"""The numbers in the parts of a pipeline: values to try, and the pipeline with another value."""

from __future__ import annotations

from workbench.config.arguments import written_number
from workbench.config.config import Config
from workbench.config.steps import INVERTED, STRENGTHS, SUGGESTING, Step, cell_count, suggested_argument
from workbench.panels.pipeline_choices import part, with_part

_DIMENSIONS = (("dimensions", (16, 32, 64, 128, 256, 512, 1024)),)
_WHITENING = (*_DIMENSIONS, ("strength", tuple(tenth / 10 for tenth in range(11))))
_LEVELS = (("levels", (1, 2, 3, 4, 5, 6)),)
_SIDE = (1, 2, 3, 4, 5, 6)
_PARTS = (("parts", (4, 8, 16, 32, 64)),)
_BITS = (("bits", (32, 64, 128, 256, 512)),)
_POWERS = tuple(2.0**n for n in range(13))
_WORDS = (("words", tuple(2.0**n for n in range(8, 17))),)
_KERNEL = (*_WORDS, ("alpha", (1, 2, 3, 4, 5, 6, 7)), ("tau", (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)))
_FIRST = (("images", (1, 2, 3, 5, 10, 20, 50)),)
# Values to try of the numbers of a step; a value written by hand is added to them.
NUMBERS: dict[str, tuple[tuple[str, tuple[float, ...]], ...]] = {
    "bow": _WORDS,
    "asmk": _KERNEL,
    "asmk-full": _KERNEL,
    "gem": (("p", (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)),),
    "rmac": _LEVELS,
    "rmac+": _LEVELS,
    "grid": (("rows", _SIDE), ("columns", _SIDE)),
    "proposals": (("regions", (5, 10, 20, 50, 100)),),
    "pca": _WHITENING,
    "pcaw": _WHITENING,
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


def numbers(pipeline: str, label: str) -> list[tuple[str, tuple[float, ...], float]]:
    """The numbers in a part of a pipeline: (name, values to try, current value)."""
    return [
        (name, tuple(sorted({*(value for value in values if value <= _most(step, name)), current})), current)
        for step in _steps(pipeline, label)
        for (name, values), current in zip(NUMBERS.get(step.name, ()), step.args, strict=False)
    ]


def with_number(pipeline: str, label: str, position: int, number: float) -> str:
    """The pipeline with one number in one part changed. Raises WorkbenchError if it is invalid.

    A suggested ``nprobe`` follows the number of cells that it depends on.
    """
    steps, texts = _steps(pipeline, label), []
    assert steps, f"{label} of {pipeline} has no numbers"
    for step in steps:
        values = [written_number(value) for value in step.args]
        if 0 <= position < len(values):
            values[position] = written_number(number)
            if position == 0 and step.name in SUGGESTING:
                few = step.name in INVERTED and cell_count(Step(step.name, (number,))) < step.args[1]
                values = values[:1] if few or step.args[1] == suggested_argument(step) else values
        values += [step.tag] if step.tag else []
        position -= len(step.args)
        name = "pcaw" if step.name in STRENGTHS else step.full_name  # pcaw at strength 0 is pca
        texts.append(":".join([name, ("x" if step.name == "grid" else ":").join(values)]).rstrip(":"))
    return with_part(pipeline, label, ("/" if label == "Re-ranking" else ",").join(texts))


def _most(step: Step, name: str) -> float:
    """The largest value of a number: no more cells can be probed than exist."""
    return cell_count(step) if name == "nprobe" else float("inf")


def _steps(pipeline: str, label: str) -> tuple[Step, ...]:
    """The steps in the part of a pipeline."""
    config, value = Config.parse(pipeline), part(pipeline, label)
    several = {"Index": config.index_steps, "Re-ranking": config.reranking_steps}
    steps = (config.pooling, config.regions, *config.description.steps)
    return several.get(label) or tuple(step for step in steps if value and str(step) == value)
