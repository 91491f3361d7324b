"""Fit a whitening on one collection, for use on others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.collections.collection import Collection
from workbench.config import Config, WorkbenchError
from workbench.described import Describer, mapped
from workbench.descriptors.attention import learned
from workbench.descriptors.elsewhere import fits
from workbench.features.maps import Options
from workbench.progress import Progress, silent
from workbench.writing import replace_file


def keep(
    collection: Collection, options: Options, pipeline: str | Config, name: str, progress: Progress = silent
) -> Path:
    """Fit the whitening of ``pipeline`` on a collection; returns the file of the step ``pcaw:256:name``.

    ``pca`` and ``pcaw`` need no labels, ``lw`` uses the matching pairs of the ground truth. The step may be
    used with fewer dimensions than are fitted. Raises WorkbenchError if the pipeline has no whitening or the
    name is not valid.
    """
    config = Config.parse(pipeline).description
    if not config.whitenings:
        raise WorkbenchError(f"{str(config)!r} has no whitening: name it, as in {config}/pcaw:256")
    (step,) = config.whitenings
    named_step = f"{step.name}:{step.args[0]:g}:{name}"
    Config.parse(f"{config.backbone}/{config.pooling}/whole/{named_step}")  # raises if the name is not valid
    ready = Describer(collection, options).describe(config, progress)
    fitted = [w for w in (*ready.described.regional, *ready.described.final) if w is not None]
    (whitening,) = fitted
    provenance = {**whitening.provenance, **fits(config, mapped(ready.source)), "pipeline": str(config)}
    path = learned(options.cache, name)
    replace_file(path, replace(whitening, provenance=provenance).to_bytes())
    return path
