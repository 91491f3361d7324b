"""The time that a training takes, and that the rankings before and after it take."""

from __future__ import annotations

from typing import Any

from workbench.learning.registry import TrainingKind
from workbench.panels.formatting import about

# Seconds on two cores for EfficientNet-Lite0; docs/learning.md has the measurements.
VIEW, SEEN = 0.03, 0.03  # of an image: to make one of its views, and to learn from it in an epoch
COMPOSITE = 0.075  # of a composite, all epochs together
DESCRIBED = {
    "backbone": 0.1,
    "attention": 0.02,
}  # of an image by the trained network; maps of others are stored


def training_time(kind: TrainingKind, settings: Any, images: int) -> str:
    """The longest that a training of that many images takes, such as ``about 5 min``."""
    if kind == "attention":
        return about(COMPOSITE * settings.composites)
    return about(images * (VIEW * settings.views + SEEN * settings.epochs))


def change_time(kind: TrainingKind, images: int) -> str:
    """How long the rankings of that many images before and after a training take."""
    return about(5 + DESCRIBED[kind] * images)
