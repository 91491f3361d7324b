"""Whitening fitted on one collection, to be applied to others."""

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
    """Fit the whitening of ``pipeline`` on a collection: the file of the step ``pcaw:256:name``.

    ``pca`` and ``pcaw`` need no labels, ``lw`` learns from the matching pairs of the ground truth. More
    dimensions than will be asked for can be kept. Raises WorkbenchError where the pipeline has none.
    """
    config = Config.parse(pipeline).description
    if not config.whitenings:
        raise WorkbenchError(f"{str(config)!r} has no whitening: name it, as in {config}/pcaw:256")
    (step,) = config.whitenings
    Config.parse(
        f"{config.backbone}/{config.pooling}/whole/{step.name}:{step.args[0]:g}:{name}"
    )  # is the name one?
    ready = Describer(collection, options).describe(config, progress)
    (fitted,) = (one for one in (*ready.described.regional, *ready.described.final) if one is not None)
    about = {**fitted.provenance, **fits(config, mapped(ready.source)), "pipeline": str(config)}
    path = learned(options.cache, name)
    replace_file(path, replace(fitted, provenance=about).to_bytes())
    return path
