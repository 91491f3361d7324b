"""The names of pipelines in a figure: short, distinct, and escaped."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.figures.style import text

LONGEST = 44  # characters of a name beside a plot, which must leave space for it


def pipeline_labels(pipelines: Sequence[str], characters: int = LONGEST) -> list[str]:
    """A label of each pipeline: without the backbone if several share it (see ``shared_backbone``).

    Names that are equal once they are cut get a number.
    """
    prefix = f"{shared_backbone(pipelines)}/"
    labels = [text(pipeline.removeprefix(prefix), characters) for pipeline in pipelines]
    return [
        f"{label} ({labels[:number].count(label) + 1})" if labels.count(label) > 1 else label
        for number, label in enumerate(labels)
    ]


def shared_backbone(pipelines: Sequence[str]) -> str:
    """The backbone that all of several pipelines share; empty if they do not."""
    backbones = {_backbone(pipeline) for pipeline in pipelines}
    return backbones.pop() if len(backbones) == 1 and len(pipelines) > 1 else ""


def _backbone(pipeline: str) -> str:
    try:
        return Config.parse(pipeline).backbone
    except WorkbenchError:  # a run of another version
        return pipeline.partition("/")[0]
