"""Whitenings fitted on another collection and stored under a name: the step ``pcaw:256:NAME``."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.common.files import Stamp, stamp
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import STRENGTHS, Step
from workbench.descriptors.whitening import Whitening
from workbench.features.cards import card_differences, source_card, trained_path
from workbench.features.map_source import MapSource


def card_of_vectors(config: Config, source: MapSource) -> dict[str, Any]:
    """Identify the vectors that a pipeline whitens: network, layer, pooling and the steps before.

    The whitening of cells serves any number of words and of scales.
    """
    steps = list(map(str, config.vector_steps))
    before = steps[: steps.index(str(config.whitenings[0]))]
    pooling = "cells" if config.has_cells else str(config.pooling)
    return {**source_card(source), "pooling": pooling, "before": "/".join(before) or "nothing"}


def path_of(step: Step, source: MapSource) -> Path:
    """The file of a named whitening."""
    return trained_path(source.options.cache, str(step.learned))


def named_whitenings(config: Config, source: MapSource) -> dict[Step, Whitening]:
    """Load the named whitening of a pipeline, cut to its dimensions; empty if it is fitted to the collection.

    The directions of most variance come first, so the first D rows equal a fit of D dimensions. A file of
    ``pcaw`` serves every strength, ``pca`` included. Raises WorkbenchError if the whitening is missing or
    was fitted to other vectors.
    """
    if not config.whitenings or not config.whitenings[0].learned:
        return {}
    (step,) = config.whitenings
    name, dimensions = str(step.learned), int(step.args[0])
    path = path_of(step, source)
    advice = f"fit one: workbench train whitening COLLECTION {_unnamed(config, step)} --name {name}"
    try:
        status = path.stat()
    except OSError:
        raise WorkbenchError(f"step {step}: {str(path)!r} is missing; {advice}") from None
    whitening = _load(path, dimensions, stamp(status))
    if whitening.kind == "pcaw" and step.name in STRENGTHS and step.strength != 1:
        whitening = whitening.at_strength(step.strength)
    differing = card_differences(whitening.provenance, {"kind": step.name, **card_of_vectors(config, source)})
    if differing:
        raise WorkbenchError(f"step {step}: it was fitted for {differing}; {advice}")
    if whitening.dimensions < dimensions:
        raise WorkbenchError(f"step {step}: it keeps {whitening.dimensions} dimensions; use at most as many")
    return {step: whitening}


def _unnamed(config: Config, step: Step) -> Config:
    """Return the pipeline up to its whitening, fitted to the collection itself."""
    steps = config.description.steps
    fitted = replace(step, tag=None)
    return Config(config.backbone, config.pooling, config.regions, (*steps[: steps.index(step)], fitted))


@lru_cache(maxsize=16)
def _load(path: Path, dimensions: int, changed: Stamp) -> Whitening:
    stored = Whitening.load(path)
    kept = min(dimensions, stored.dimensions)
    provenance = {**stored.provenance, "asked": dimensions, "kept": kept}
    return Whitening(stored.kind, stored.mean, stored.projection[:kept].contiguous(), provenance)
