"""Read the arguments of a part of a pipeline: ``3:0.5`` as numbers, and how they are written."""

from __future__ import annotations

import re
from typing import NamedTuple

from workbench.config.errors import WorkbenchError

# default arguments, smallest value of each, whether fractions are allowed
Spec = tuple[tuple[float, ...], float, bool]


class Arguments(NamedTuple):
    """The numbers of a part, and its arguments as they are written where that differs from the numbers."""

    values: tuple[float, ...]
    text: str | None = None


def numbers(name: str, argument: str, spec: Spec, part: str) -> tuple[float, ...]:
    """Read ``number:number``, with the defaults of ``spec`` where there are fewer.

    Raises WorkbenchError, which begins with ``part``, for a wrong argument, as do the others.
    """
    defaults, smallest, fractions = spec
    values = argument.split(":") if argument else []
    if len(values) > len(defaults):
        raise WorkbenchError(f"{part}: {name} takes {len(defaults) or 'no'} argument(s)")
    pattern, number = (r"\d+(\.\d+)?", "number") if fractions else (r"\d+", "whole number")
    for value in values:
        if not re.fullmatch(pattern, value) or float(value) < smallest or float(value) > 1e9:
            raise WorkbenchError(f"{part}: {value!r} is not a {number} from {smallest:g}")
    return (*map(float, values), *defaults[len(values) :])


def grid(argument: str, part: str) -> Arguments:
    """Read ``3x2``."""
    match = re.fullmatch(r"(\d+)x(\d+)", argument)
    if not match or min(map(int, match.groups())) < 1:
        raise WorkbenchError(f"{part}: a grid is written rows x columns, as in grid:3x3")
    rows, columns = map(int, match.groups())
    return Arguments((rows, columns), f"{rows}x{columns}")


def whitening(name: str, argument: str, spec: Spec, strengths: dict[str, float], part: str) -> Arguments:
    """Read the dimensions D and the strength t of ``pca:D`` and ``pcaw:D:t``; ``pcaw:D:0`` is ``pca:D``.

    The usual strengths are not written.
    """
    number, _, written = argument.partition(":")
    (dimensions,) = numbers(name, number, spec, part)
    strength = strengths[name]
    if written or argument.endswith(":"):
        if name == "pca":
            raise WorkbenchError(
                f"{part}: pca takes 1 argument(s); whitening at a strength is written pcaw:{number}:{written}"
            )
        if not re.fullmatch(r"\d+(\.\d+)?", written) or float(written) > 1:
            raise WorkbenchError(f"{part}: strength {written!r} is not a number from 0 (pca) to 1 (pcaw)")
        strength = float(f"{float(written):g}")
    return Arguments((dimensions, strength), f"{dimensions:g}" if strength in strengths.values() else None)


def selective(name: str, argument: str, spec: Spec, part: str) -> Arguments:
    """Read the words, the exponent alpha and the threshold tau of ``asmk:65536:3:0``.

    Usual values at the end are not written.
    """
    defaults, smallest, _ = spec
    number, *written = argument.split(":")
    if len(written) >= len(defaults):
        raise WorkbenchError(f"{part}: {name} takes {len(defaults)} argument(s)")
    values = [*numbers(name, number, (defaults[:1], smallest, False), part), *defaults[1:]]
    for position, value in enumerate(written, 1):
        kind, valid = (("alpha", "above 0 to 100"), ("tau", "from 0 to below 1"))[position - 1]
        parsed = float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else -1.0
        if not (0 < parsed <= 100 if kind == "alpha" else 0 <= parsed < 1):
            raise WorkbenchError(f"{part}: {kind} {value!r} is not a number {valid}")
        values[position] = float(f"{parsed:g}")
    kept = max(n for n in range(len(values)) if n == 0 or values[n] != defaults[n]) + 1
    return Arguments(tuple(values), ":".join(map(written_number, values[:kept])))


def written_number(value: float) -> str:
    """An argument as it is written: up to 1e9 without an exponent, which would not be read."""
    return f"{value:.10g}"
