"""Labels of pipelines in legends and beside axes: distinct, and without what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.figures.style import MAX_CHARACTERS, text


def distinct_labels(names: Sequence[str], characters: int = MAX_CHARACTERS) -> list[str]:
    """The names as ``text``; those that are equal once they are cut get a number."""
    labels = [text(name, characters) for name in names]
    return [
        f"{label} ({labels[:number].count(label) + 1})" if labels.count(label) > 1 else label
        for number, label in enumerate(labels)
    ]


def shared_backbone(pipelines: Sequence[str]) -> str:
    """The start of several pipelines that have the same backbone, such as ``vgg16/``; else empty."""
    backbones = {_backbone(pipeline) for pipeline in pipelines}
    return f"{backbones.pop()}/" if len(backbones) == 1 and len(pipelines) > 1 else ""


def _backbone(pipeline: str) -> str:
    try:
        return Config.parse(pipeline).backbone
    except WorkbenchError:  # a run of another version
        return pipeline.partition("/")[0]
