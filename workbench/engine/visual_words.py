"""Describe a collection by the visual words of its keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.descriptors.description import Descriptors, fit_final_steps
from workbench.local import vocabulary
from workbench.local.cell_source import CellSource
from workbench.local.features import FeatureSource
from workbench.local.vocabulary import VisualWords


def describe_words(
    source: FeatureSource,
    keys: Sequence[str],
    config: Config,
    fit_on: Sequence[int],
    pairs: np.ndarray | None,
    provenance: dict[str, Any],
    progress: Progress,
) -> tuple[VisualWords, Descriptors]:
    """The visual words of pictures and their descriptors, which have no dimensions for ``asmk``."""
    count = int(config.pooling.args[0])
    if not config.has_vectors:
        words = vocabulary.describe(source, keys, count, fit_on, progress)
        whitenings = (source.whitening,) if isinstance(source, CellSource) else ()
        return words, Descriptors(torch.zeros(len(keys), 0), (), whitenings)
    vocabulary.require_memory(count, len(keys))
    words = vocabulary.describe(source, keys, count, fit_on, progress)
    vectors = torch.from_numpy(words.vectors())
    return words, fit_final_steps(vectors, config.vector_steps, {}, fit_on, pairs, provenance)
