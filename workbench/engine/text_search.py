"""Search a collection by text: the score of every image, and the place of what a text names in an image."""

from __future__ import annotations

import numpy as np
import torch

from workbench.collections import images
from workbench.common.geometry import as_box
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.descriptors.regions import rmac
from workbench.engine import vision_language
from workbench.engine.engine import Engine
from workbench.engine.locate import Location
from workbench.engine.provenance import warnings
from workbench.text.bridge import text_query
from workbench.text.classifier import load_classifier, region_probabilities
from workbench.text.notes import text_notes

_LEVELS = 3  # of R-MAC, whose regions may be the place of a text; smaller regions are often overrated


def text_scores(engine: Engine, config: Config, text: str, progress: Progress = silent) -> np.ndarray:
    """The score float32 [N], from 0 to 1, of each image of ``engine.collection`` for a text.

    It is the probability that the image shows a concept, weighted by the concept's similarity to the text
    (``text.bridge``), by the embedded backbone whatever the pipeline ``config`` is. A pipeline of a
    vision–language model compares the text itself, from -1 to 1. Raises WorkbenchError for an empty text.
    """
    if vision_language.has_text_encoder(config):
        return vision_language.text_scores(engine, config, text, progress)
    weights = text_query(text).weights
    _, probabilities = engine.class_probabilities(progress)
    return probabilities @ weights


def text_warnings(engine: Engine, config: Config, text: str, progress: Progress = silent) -> list[str]:
    """What must be said of a text where its ranking is shown: see ``text.notes``.

    With a vision–language model, it is also what must be said of the pipeline.
    """
    if vision_language.has_text_encoder(config):
        described = engine.describe(config, progress)
        return [*vision_language.model_notes(described, text), *warnings(described)]
    return text_notes(text_query(text))


def text_boxes(
    engine: Engine, config: Config, text: str, image_id: str, progress: Progress = silent
) -> Location:
    """Locate what a text names in an image: the region with the highest score for the text.

    Raises WorkbenchError for an empty text, and if the image is not in the collection.
    """
    if vision_language.has_text_encoder(config):
        return vision_language.text_location(engine, config, text, image_id, progress)
    weights = torch.from_numpy(text_query(text).weights)
    maps, _ = engine.class_probabilities(progress)
    row = maps.row(image_id)
    header = images.header(maps.collection.path(maps.collection.images[row]))
    size = header.width, header.height
    image_map = maps.of(row)
    height, width = image_map.shape[2:]
    regions = np.concatenate([[[0, 0, width, height]], rmac(height, width, _LEVELS)])
    scores = region_probabilities(image_map, regions, load_classifier())[0] @ weights
    best = int(scores.argmax())
    box = as_box(regions[best] * np.tile(np.array(size, float) / (width, height), 2))
    return Location(box, box, float(scores[best]), size)
