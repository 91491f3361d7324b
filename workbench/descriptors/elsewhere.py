"""Whitening that was fitted on another collection and kept under a name: the step ``pcaw:256:NAME``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.config import Config, Step, WorkbenchError
from workbench.descriptors.attention import differences, learned, made_for
from workbench.descriptors.whitening import Whitening
from workbench.features.maps import MapSource


def fits(config: Config, source: MapSource) -> dict[str, Any]:
    """What the vectors that a pipeline whitens depend on: network, layer, pooling and the steps before."""
    steps = list(map(str, config.vector_steps))
    before = steps[: steps.index(str(config.whitenings[0]))]
    return {**made_for(source), "pooling": str(config.pooling), "before": "/".join(before) or "nothing"}


def elsewhere(config: Config, source: MapSource) -> dict[Step, Whitening]:
    """The whitening that a pipeline names, cut to the dimensions it asks for; empty where it is fitted here.

    The directions of most variance come first, so that the first D rows are what a fit of D would keep.
    Raises WorkbenchError where it is not there, or was fitted to other vectors.
    """
    if not config.whitenings or not config.whitenings[0].learned:
        return {}
    (step,) = config.whitenings
    name, dimensions = str(step.learned), int(step.args[0])
    path = learned(source.options.cache, name)
    advice = f"fit one: workbench train whitening COLLECTION {_unnamed(config, step)} --name {name}"
    try:
        status = path.stat()
    except OSError:
        raise WorkbenchError(f"step {step}: {str(path)!r} is missing; {advice}") from None
    found = _load(path, dimensions, status.st_size, status.st_mtime_ns)
    differing = differences(found.provenance, {"kind": step.name, **fits(config, source)})
    if differing:
        raise WorkbenchError(f"step {step}: it was fitted for {differing}; {advice}")
    if found.dimensions < dimensions:
        raise WorkbenchError(f"step {step}: it keeps {found.dimensions} dimensions; ask for as many or fewer")
    return {step: found}


def _unnamed(config: Config, step: Step) -> Config:
    """The pipeline up to its whitening, fitted on the collection itself."""
    steps = config.description.steps
    fitted = Step(step.name, step.args)
    return Config(config.backbone, config.pooling, config.regions, (*steps[: steps.index(step)], fitted))


@lru_cache(maxsize=16)
def _load(path: Path, dimensions: int, size: int, changed: int) -> Whitening:
    whole = Whitening.load(path)
    kept = min(dimensions, whole.dimensions)
    about = {**whole.provenance, "asked": dimensions, "kept": kept}
    return Whitening(whole.kind, whole.mean, whole.projection[:kept].contiguous(), about)
