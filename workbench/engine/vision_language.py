"""The score of each image for a text, by a vision–language model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import VISION_LANGUAGE, Step
from workbench.descriptors.aggregation import split_steps
from workbench.engine.description import DescribedCollection, require_maps
from workbench.engine.engine import Engine
from workbench.engine.locate import Location, locate_in_image
from workbench.features.backbones import BackboneSpec
from workbench.text.vision_language import encode_text, text_length

_LEVELS = 4  # of R-MAC, whose regions may be the place of a text


def has_text_encoder(config: Config) -> bool:
    """Whether the backbone of a pipeline is a vision–language model."""
    if config.backbone.startswith("file:"):
        return BackboneSpec.parse(config.backbone).card().library == "open_clip"
    return config.backbone.startswith(VISION_LANGUAGE)


def text_scores(
    engine: Engine, config: Config, text: str, progress: Progress = silent
) -> NDArray[np.float32]:
    """The cosine [N] between a text and the descriptor of each image of the database.

    Raises WorkbenchError if the pipeline's descriptors are not in the space of texts.
    """
    check(config)
    described = engine.describe(config, progress)
    scores = described.database @ text_vector(described, text)
    return scores.numpy().astype(np.float32, copy=False)


def text_location(
    engine: Engine, config: Config, text: str, image_id: str, progress: Progress = silent
) -> Location:
    """Locate a text in an image: the region of the pipeline with the highest cosine.

    Without regions of its own, and without whitening, which is fitted for them, those of R-MAC are compared.
    """
    check(config)
    described = engine.describe(config, progress)
    if config.regions.name == "whole" and config.pooling.name != "code" and not config.vector_steps:
        regions = replace(described.config, regions=Step.parse("regions", f"rmac+:{_LEVELS}"))
        described = replace(described, config=regions)
    return locate_in_image(described, text_vector(described, text), image_id)


def check(config: Config) -> None:
    """Raise WorkbenchError if a pipeline's descriptors are not in the space of its backbone's texts."""
    spec = BackboneSpec.parse(config.backbone)
    card = spec.card()
    layer = spec.module(config.pooling.name)
    if card.library != "open_clip":
        raise WorkbenchError(f"backbone {spec.name!r} has no text encoder; valid: clip:NAME, siglip:NAME")
    if layer not in (None, card.code):
        raise WorkbenchError(
            f"layer {spec.layer!r} of {spec.name} is before the projection into the space of texts; leave "
            f"out @{spec.layer}"
        )
    power = next((step for step in config.vector_steps if step.name == "power"), None)
    if power is not None:
        raise WorkbenchError(
            f"step {power}: it is not linear, so vectors of texts cannot be compared with those of images "
            "after it; leave it out"
        )


def model_notes(described: DescribedCollection, text: str) -> list[str]:
    """What must be said of a text and the model of a pipeline, each one sentence."""
    source = require_maps(described.source)
    counted, length = text_length(source.spec, text, source.options.weights, source.options.seed)
    if counted < length:
        return []
    return [
        f"the text fills the {length} tokens that {source.card.model} takes; what is beyond does not count"
    ]


def text_vector(described: DescribedCollection, text: str) -> torch.Tensor:
    """A text as a unit vector [D] in the space of a pipeline's descriptors.

    Whitenings are applied to it without their centring: their mean is that of images, and the vectors of
    texts lie around another one (Liang et al., NeurIPS 2022). The score of P(x - m) with P t is that of the
    centred image with the direction t, in the metric of the whitening.
    """
    source, descriptors = require_maps(described.source), described.descriptors
    encoded = encode_text(source.spec, [text], source.options.weights, source.options.seed)
    vector = torch.from_numpy(encoded[0])
    regional, final = split_steps(described.config)
    fitted = [*zip(regional, descriptors.regional, strict=True), *zip(final, descriptors.final, strict=True)]
    for _, whitening in fitted:
        if whitening is not None:
            vector = torch.nn.functional.normalize(whitening.projection @ vector, dim=0)
    return vector
