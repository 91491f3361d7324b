"""Fit a whitening on one collection, for use on others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.collections.collection import Collection
from workbench.common.files import replace_file
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.config.steps import STRENGTHS, Step
from workbench.descriptors.named_whitening import card_of_vectors
from workbench.engine.description import require_maps
from workbench.engine.description_cache import DescriptionCache
from workbench.features.cards import trained_path
from workbench.learning.cell_whitening import train_cell_whitening
from workbench.learning.trainer import Report, no_report


def fit_whitening(
    collection: Collection,
    options: Options,
    pipeline: str | Config,
    name: str,
    progress: Progress = notebook_progress,
    report: Report = no_report,
    command: str = "",
) -> Path:
    """Fit the whitening of ``pipeline`` on a collection; returns the file of the step ``pcaw:256:name``.

    ``pca`` and ``pcaw`` need no labels, ``lw`` uses the matching pairs of the ground truth. The step may be
    used with fewer dimensions than are fitted. The whitening of cells (``asmk`` of a backbone with maps) is
    fitted to cells; its ``lw`` is trained on labels (``train_cell_whitening``), and ``report`` is called with
    each epoch. Raises WorkbenchError if the pipeline has no whitening or the name is not valid.
    """
    config = Config.parse(pipeline).description
    if not config.whitenings:
        raise WorkbenchError(f"{str(config)!r} has no whitening: name it, as in {config}/pcaw:256")
    (step,) = config.whitenings
    if step.name in STRENGTHS and step.strength:  # a file of full strength serves every strength
        whole = Step.parse("whitening", f"pcaw:{step.args[0]:g}")
        config = replace(config, steps=tuple(whole if s is step else s for s in config.steps))
        step = whole
    named_step = f"{step.name}:{step.args[0]:g}:{name}"
    Config.parse(f"{config.backbone}/{config.pooling}/whole/{named_step}")  # raises if the name is not valid
    if config.has_cells and step.name == "lw":
        return train_cell_whitening(collection, options, config, name, None, progress, report, command)
    descriptions = DescriptionCache(collection, options)
    if config.has_cells:
        cells = descriptions.cells(config, progress)
        source, whitening = cells.maps, cells.whitening
        assert whitening is not None
    else:
        described = descriptions.describe(config, progress)
        fitted = [w for w in (*described.descriptors.regional, *described.descriptors.final) if w is not None]
        source, (whitening,) = require_maps(described.source), fitted
    provenance = {
        **whitening.provenance,
        **card_of_vectors(config, source),
        "pipeline": str(config),
    }
    path = trained_path(options.cache, name)
    replace_file(path, replace(whitening, provenance=provenance).to_bytes())
    return path
