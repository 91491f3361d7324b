"""The pipelines of a template such as ``efficientnet_lite0/gem:{p}/whole/pcaw:{d}``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Real

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.features.backbones import BackboneSpec

MOST = 10_000  # combinations of one template
Value = str | float
_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Combinations:
    """The pipelines that a template and the ``values`` of its fields make.

    ``pipelines`` holds each valid pipeline once, with its values; the last field varies fastest.
    ``left_out`` has the reason why each other combination, as it is written, is none of them.
    """

    template: str
    values: dict[str, tuple[Value, ...]]
    pipelines: dict[str, dict[str, Value]]
    left_out: dict[str, str]


def combinations(template: str, values: Mapping[str, Iterable[Value]]) -> Combinations:
    """All combinations of the values of the fields ``{name}`` of a template.

    A part of the template in which a field is empty ("" or None) is left out. Raises WorkbenchError if
    fields and values do not fit together, or if there are more than 10,000 combinations.
    """
    checked = _checked(template, values)
    count = math.prod(map(len, checked.values()))
    if count > MOST:
        raise WorkbenchError(f"{count:,} combinations are too many; choose values for at most {MOST:,}")
    pipelines: dict[str, dict[str, Value]] = {}
    left_out: dict[str, str] = {}
    for chosen in product(*checked.values()):
        point = dict(zip(checked, chosen, strict=True))
        text = filled(template, point)
        try:
            config = Config.parse(text)
            # It raises if no layer fits the pooling.
            BackboneSpec.parse(config.backbone).module(config.pooling.name)
        except WorkbenchError as error:
            left_out[text] = str(error)
            continue
        pipeline = str(config)
        if pipeline not in pipelines:
            pipelines[pipeline] = point
        elif text not in pipelines:
            left_out[text] = f"it is the same pipeline as {pipeline}"
    return Combinations(template, checked, pipelines, left_out)


def fields(template: str) -> list[str]:
    """The names of the fields of a template. Raises WorkbenchError if a brace is not that of a field."""
    names = list(dict.fromkeys(_FIELD.findall(template)))
    wrong = next((name for name in names if not re.fullmatch(r"[^\W\d]\w*", name)), None)
    if wrong is not None:
        raise WorkbenchError(f"template {template!r}: {{{wrong}}} is not a name; a field is written {{p}}")
    if set(_FIELD.sub("", template)) & set("{}"):
        raise WorkbenchError(f"template {template!r}: a brace is not closed; a field is written {{p}}")
    return names


def _checked(template: str, values: Mapping[str, Iterable[Value]]) -> dict[str, tuple[Value, ...]]:
    """The values of each field, each once, in the order of the template."""
    if not isinstance(template, str):
        raise WorkbenchError(
            f"template {template!r} is not a text; it is a pipeline with fields, as in "
            "efficientnet_lite0/gem:{p}/whole"
        )
    names = fields(template)
    if missing := next((name for name in names if name not in values), None):
        raise WorkbenchError(
            f"field {{{missing}}} of {template!r} has no values; give them, as in {missing}=[1, 2, 3]"
        )
    if unused := next((name for name in values if name not in names), None):
        listed = ", ".join(f"{{{name}}}" for name in names) or "none"
        raise WorkbenchError(f"{unused}: {template!r} has no field {{{unused}}}; its fields are: {listed}")
    if not names:
        raise WorkbenchError(f"template {template!r} has no field; write one, as in gem:{{p}}")
    return {name: _listed(name, values[name]) for name in names}


def _listed(name: str, values: Iterable[Value]) -> tuple[Value, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise WorkbenchError(f"{name}={values!r} is a single value; give a list, as in {name}=[{values!r}]")
    listed = tuple({written(value): _plain(value) for value in values}.values())
    if not listed:
        raise WorkbenchError(f"{name}: the list of values is empty; give at least one")
    return listed


def _plain(value: object) -> Value:
    """A value as text, int or float, whatever type of number it is."""
    if value is None:
        return ""
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        return int(number) if number.is_integer() else number
    return str(value).strip()


def written(value: object) -> str:
    """A value as it is written into a pipeline: 64 for 64.0, "" for None."""
    return str(_plain(value))


def filled(template: str, point: Mapping[str, Value]) -> str:
    """The template with its values; a word with an empty value, such as ``pcaw:{d}``, is left out."""
    parts = []
    for part in template.split("/"):
        words = [_word(word, point) for word in part.split(",")]
        kept = [word for word in words if word is not None]
        if kept:
            parts.append(",".join(kept))
    return "/".join(parts)


def _word(word: str, point: Mapping[str, Value]) -> str | None:
    names: Sequence[str] = _FIELD.findall(word)
    filled = _FIELD.sub(lambda match: str(point[match[1]]).strip(), word).strip()
    empty = not filled or filled.endswith(":") or "::" in filled
    return None if empty and any(point[name] == "" for name in names) else filled
