"""Training the whitening of cells, and backbones through their cells: gradients, files, resuming, use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.finetuning import NETWORK, options, train
from tests.support.pictures import folder_of
from workbench.collections.folder import open_folder
from workbench.common.progress import Cancelled, Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.named_whitening import named_whitenings
from workbench.descriptors.whitening import Whitening
from workbench.features.map_source import MapSource
from workbench.learning.cell_whitening import CellWhiteningSettings, train_cell_whitening
from workbench.learning.finetuning.cells import WeightedCells, with_cells
from workbench.learning.finetuning.train import card
from workbench.learning.history import training_history
from workbench.learning.registry import trainings
from workbench.learning.trainer import Epoch, Report, no_report
from workbench.learning.whitening import fit_whitening
from workbench.local.cells import strongest_cells

KINDS = 4
PIPELINE = Config.parse(f"{NETWORK}/asmk:8/whole/lw:6")
SETTINGS = CellWhiteningSettings(
    epochs=4, rate=3e-2, classes=3, each=3, views=2, side=64, held_out=0.3, patience=9
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("kinds"), 24, kinds=KINDS)


def train_cells(folder: Path, cache: Path, progress: Progress = silent, report: Report = no_report) -> Path:
    collection = open_folder(folder, "folders")
    return train_cell_whitening(
        collection, options(cache), PIPELINE, "mine", SETTINGS, progress, report, "the command"
    )


def test_the_sum_of_cells_is_that_of_the_whitened_cells_by_attention() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 5, 4, 3, generator=generator)
    whitening = Whitening("pcaw", torch.rand(5, generator=generator), torch.randn(3, 5, generator=generator))
    summed = WeightedCells(whitening, trained=False)(maps)
    assert summed.shape == (2, 3, 1, 1)
    for row, picture in enumerate(maps.split(1)):
        cells = strongest_cells([picture], whitening, 1)  # descriptors are float16
        expected = (cells.attention[:, None] * cells.descriptors).sum(0)
        np.testing.assert_allclose(summed[row, :, 0, 0], expected, atol=2e-2, rtol=2e-3)


def test_what_is_trained_is_the_projection_or_the_map() -> None:
    whitening = Whitening("pcaw", torch.zeros(5), torch.randn(3, 5))
    assert [name for name, _ in WeightedCells(whitening, trained=True).named_parameters()] == ["projection"]
    fixed = WeightedCells(whitening, trained=False)
    assert not list(fixed.parameters())
    maps = torch.zeros(1, 5, 2, 2, requires_grad=True)  # the norm has no gradient here
    fixed(maps).sum().backward()
    assert maps.grad is not None
    assert bool(maps.grad.isfinite().all())


def test_training_improves_the_loss_and_the_file_is_a_step(folder: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    path = train_cells(folder, tmp_path, report=epochs.append)
    losses = [epoch.loss for epoch in epochs if epoch.loss is not None]
    assert losses[-1] < losses[0]
    trained = Whitening.load(path)
    assert (trained.kind, trained.dimensions) == ("lw", 6)
    about = trained.provenance
    assert (about["collection"], about["command"], about["pooling"]) == (folder.name, "the command", "cells")
    assert about["figures"] == [epoch.as_dict() for epoch in epochs]
    assert not path.with_suffix(".training").exists()
    assert tuple(training_history(tmp_path, "mine")) == tuple(epochs)
    assert "mine" not in trainings(tmp_path)  # it is neither a backbone nor attention
    # Any number of words and scales, and fewer dimensions, but not another pooling.
    for pipeline in ("asmk:8/whole/lw:6:mine", "asmk-full:99/whole/scales:3/lw:4:mine"):
        config = Config.parse(f"{NETWORK}/{pipeline}")
        (used,) = named_whitenings(config, MapSource.of(config, options(tmp_path))).values()
        torch.testing.assert_close(used.projection, trained.projection[: used.dimensions])
    config = Config.parse(f"{NETWORK}/mean/whole/lw:6:mine")
    with pytest.raises(WorkbenchError, match="pooling 'cells', not 'mean'"):
        named_whitenings(config, MapSource.of(config, options(tmp_path)))


def test_a_cancelled_training_continues_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    def cancelling(task: str, done: int, total: int) -> None:
        if task.startswith("training, epoch 3"):
            raise Cancelled

    whole = train_cells(folder, tmp_path / "whole").read_bytes()
    with pytest.raises(Cancelled):
        train_cells(folder, tmp_path / "parts", cancelling)
    epochs: list[Epoch] = []
    resumed = train_cells(folder, tmp_path / "parts", report=epochs.append)
    assert [epoch.number for epoch in epochs] == [0, 1, 2, 3, 4]
    first, second = Whitening.load(resumed), Whitening.load(tmp_path / "whole/learned/mine.safetensors")
    torch.testing.assert_close(first.projection, second.projection, rtol=0, atol=0)
    assert len(resumed.read_bytes()) == len(whole)


def test_the_command_fits_pca_whitening_of_cells_without_labels(folder: Path, tmp_path: Path) -> None:
    collection = open_folder(folder, "none")
    path = fit_whitening(collection, options(tmp_path), f"{NETWORK}/asmk:8/whole/pcaw:5", "plain", silent)
    assert Whitening.load(path).provenance["pooling"] == "cells"
    config = Config.parse(f"{NETWORK}/asmk:16/whole/scales:2/pcaw:3:plain")
    assert named_whitenings(config, MapSource.of(config, options(tmp_path)))
    with pytest.raises(WorkbenchError, match="no labels to learn from"):
        fit_whitening(collection, options(tmp_path), f"{NETWORK}/asmk:8/whole/lw:5", "learned", silent)


def test_a_backbone_is_trained_through_its_cells(folder: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    path = train(folder, tmp_path, report=epochs.append, pooling="asmk:8", epochs=4)
    losses = [epoch.loss for epoch in epochs if epoch.loss is not None]
    assert losses[-1] < losses[0]
    assert card(path)["pooling"] == "asmk:8"
    assert trainings(tmp_path)["net"].pipelines == (
        f"{NETWORK}/asmk:8/whole",
        f"file:{path}/asmk:8/whole",
    )


def test_the_whitening_of_a_training_is_that_of_the_blocks_own_cells() -> None:
    blocks = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.ReLU())
    views = [np.random.default_rng(0).normal(size=(20, 5, 5, 3)).astype(np.float16)]
    cells = with_cells(blocks, views)[-1]
    assert isinstance(cells, WeightedCells)
    with torch.no_grad():
        maps = blocks(torch.from_numpy(views[0]).permute(0, 3, 1, 2).float())
    vectors = np.concatenate([strongest_cells([m], None, 1).descriptors for m in maps.split(1)])
    whitened = (torch.from_numpy(vectors) - cells.mean) @ cells.projection.T
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(4), atol=0.02)
