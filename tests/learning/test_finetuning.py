"""Fine-tuning for search: the written file, its descriptors, reused views, early stopping, the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench
from tests.support.finetuning import NETWORK, options, train
from tests.support.pictures import folder_of, picture
from workbench.cli.main import main
from workbench.collections.folder import open_folder
from workbench.collections.labels import open_csv
from workbench.common.progress import Cancelled, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.engine.description_cache import DescriptionCache
from workbench.features import models
from workbench.features.backbones import BackboneSpec
from workbench.features.map_source import MapSource
from workbench.learning.finetuning import losses
from workbench.learning.finetuning.blocks import chain, split
from workbench.learning.finetuning.model import TrainedBlocks, mean_ap
from workbench.learning.finetuning.train import FinetuningSettings, card, finetune
from workbench.learning.finetuning.training_set import hold_out, labelled
from workbench.learning.trainer import Epoch

KINDS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("kinds"), 32, kinds=KINDS)


def test_the_loss_falls_and_the_card_has_all_epochs(folder: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    path = train(folder, tmp_path, report=epochs.append, epochs=5)
    assert [epoch.number for epoch in epochs] == [0, 1, 2, 3, 4, 5]
    trained = [epoch.loss for epoch in epochs if epoch.loss is not None]
    assert trained[-1] < trained[0]
    about = card(path)
    best = max(epochs[1:], key=lambda epoch: epoch.measures["mean_ap"])
    assert (about["kept"], about["base"], about["collection"]) == (best.number, NETWORK, folder.name)
    assert about["figures"] == [epoch.as_dict() for epoch in epochs]
    assert not path.with_suffix(".training").exists()


def test_descriptors_of_a_pipeline_equal_those_of_the_validation(folder: Path, tmp_path: Path) -> None:
    path = train(folder, tmp_path)
    data = labelled(open_folder(folder, "folders"))
    _, held_out = hold_out(data, 0.3, 0)

    # As in validation: stored maps of the untrained part, through the trained part and the pooling.
    spec = BackboneSpec.parse(f"file:{path}")
    cut, last = split(chain(models.load_backbone(spec, None, None, 0), spec.card(), None), 1, str(path))
    frozen = MapSource(BackboneSpec("timm:test_resnet", cut, random=True), "", options(tmp_path))
    keys, _ = frozen.extract([data.pictures[row] for row in held_out])
    blocks = TrainedBlocks(last, Config.parse("x/mean/whole").pooling, "cpu", "float32")
    validated = torch.zeros(len(held_out), 0)
    with torch.no_grad():
        for positions, maps in frozen.batches(keys[0], 0):
            vectors = blocks(maps)
            validated = validated if validated.numel() else torch.zeros(len(held_out), vectors.shape[1])
            validated[positions] = vectors

    descriptions = DescriptionCache(open_folder(folder, "folders"), options(tmp_path))
    described = descriptions.describe(Config.parse(f"file:{path}/mean/whole"), silent)
    rows = described.image_rows()
    vectors_of_pipeline = described.descriptors.vectors[[rows[data.ids[row]] for row in held_out]]
    about = card(path)
    assert (vectors_of_pipeline * validated).sum(1).min() > 1 - 1e-5  # maps are stored as float16
    assert mean_ap(vectors_of_pipeline, data.classes[held_out]) == about["figures"][about["kept"]]["mean_ap"]
    untrained = descriptions.describe(Config.parse(f"{NETWORK}/mean/whole"), silent).descriptors.vectors
    assert (untrained - described.descriptors.vectors).abs().max() > 0.01


def test_a_finetuned_backbone_is_trained_further_under_another_name(folder: Path, tmp_path: Path) -> None:
    path = train(folder, tmp_path, epochs=1)
    with pytest.raises(WorkbenchError, match="'net' would overwrite the backbone it is trained from"):
        train(folder, tmp_path, backbone=f"file:{path}")
    further = train(folder, tmp_path, "further", backbone=f"file:{path}", epochs=1)
    assert BackboneSpec.parse(f"file:{further}").card().model == "test_resnet"
    first, second = card(path), card(further)
    assert second["base"] == f"file:{path}"
    assert second["figures"][0]["mean_ap"] == first["figures"][1]["mean_ap"]


def test_other_settings_use_the_same_views(folder: Path, tmp_path: Path) -> None:
    labels: list[str] = []
    train(folder, tmp_path, progress=lambda label, *_: labels.append(label), epochs=1)
    assert {label for label in labels if label.startswith("view ")} == {
        f"view {number} of 2 through the frozen part" for number in (1, 2)
    }
    labels.clear()
    train(folder, tmp_path, "other", lambda label, *_: labels.append(label), loss="triplet", epochs=1)
    assert labels and not [label for label in labels if label.startswith("view ")]
    labels.clear()  # trained on other images
    train(folder, tmp_path, "more", lambda label, *_: labels.append(label), held_out=0.5, epochs=1)
    assert [label for label in labels if label.startswith("view ")]


@pytest.mark.parametrize("loss", losses.NAMES)
def test_every_loss_trains(folder: Path, tmp_path: Path, loss: str) -> None:
    about = card(train(folder, tmp_path, loss=loss, epochs=1))
    assert about["loss"] == loss and len(about["figures"]) == 2


def test_an_interrupted_training_without_its_file_starts_from_the_first_epoch(
    folder: Path, tmp_path: Path
) -> None:
    """Only the file contains the best epoch so far."""

    def stop(label: str, done: int, total: int) -> None:
        if label.startswith("training, epoch 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(folder, tmp_path, progress=stop)
    (tmp_path / "learned" / "net.safetensors").unlink()
    labels: list[str] = []
    path = train(folder, tmp_path, progress=lambda label, *_: labels.append(label))
    assert path.is_file() and [label for label in labels if label.startswith("training, epoch 1 ")]


def test_training_stops_early_if_validation_does_not_improve(folder: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    path = train(folder, tmp_path, report=epochs.append, rate=1e-12, epochs=9, patience=2)
    assert [epoch.number for epoch in epochs] == [
        0,
        1,
        2,
        3,
    ]  # the first is the best, the next two do not improve
    about = card(path)
    assert about["kept"] == 1 and len(about["figures"]) == 4


def test_views_that_become_nan_are_reported_and_the_previous_epoch_is_kept(
    folder: Path, tmp_path: Path
) -> None:
    def spoil(epoch: Epoch) -> None:
        if epoch.number == 1:
            for path in (tmp_path / "views").rglob("*.npy"):
                np.load(path, mmap_mode="r+")[:] = np.nan

    with pytest.raises(WorkbenchError, match=r"diverged in epoch 2: .*; the epochs before it are kept"):
        train(folder, tmp_path, report=spoil)
    path = tmp_path / "learned" / "net.safetensors"
    about = card(path)
    assert about["kept"] == 1
    assert (path.with_suffix(".training") / "checkpoint.safetensors").is_file()
    data = labelled(open_folder(folder, "folders"))
    _, held_out = hold_out(data, 0.3, 0)
    descriptions = DescriptionCache(open_folder(folder, "folders"), options(tmp_path))
    described = descriptions.describe(Config.parse(f"file:{path}/mean/whole"), silent)
    rows = described.image_rows()
    vectors = described.descriptors.vectors[[rows[data.ids[row]] for row in held_out]]
    assert mean_ap(vectors, data.classes[held_out]) == about["figures"][1]["mean_ap"]


def test_the_command_reports_epochs_notes_and_the_pipeline(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder, tmp_path / "photos")
    (tmp_path / "photos" / "alone").mkdir()
    picture(99).save(tmp_path / "photos" / "alone" / "only.jpg")
    common = ["--labels", "folders", "--cache", str(tmp_path / "cache"), "--size", "128"]
    command = ["train", "backbone", str(tmp_path / "photos"), "--name", "net", "--backbone", NETWORK, *common]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--blocks", "1", "--epochs", "1", "--rate", "1e-12"])
    assert not ended.value.code
    out, err = capsys.readouterr()
    path = tmp_path / "cache" / "learned" / "net.safetensors"
    use = f"file:{path}/gem:3/whole --size 128"
    assert out == f"epoch 1 is written to {path}; use it as {use}\n"
    assert "epoch 0: untrained, held-out mAP" in err and "epoch 1: loss" in err
    assert "note: 1 labels have one image" in err
    assert (
        "note: no epoch was better than the untrained backbone" in err
    )  # the rate is too small for a change
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(tmp_path / "photos"), use.split()[0], *common, "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)[0]["pipeline"] == use.split()[0]


def test_the_best_epoch_is_usable_in_a_pipeline(folder: Path, tmp_path: Path) -> None:
    path = train(folder, tmp_path, epochs=1)
    bench = workbench.open(folder, "folders", size=128, device="cpu", precision="float32", cache=tmp_path)
    ranking = bench.search(bench.collection.images[0], pipeline=f"file:{path}/mean/whole")
    assert ranking["image_id"][0] == bench.collection.images[0]


@pytest.mark.slow
def test_finetuning_on_grocery_improves_the_embedded_backbone(shared: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    paths = sorted((shared / "datasets" / "grocery" / "train" / "Fruit").rglob("*.jpg"))
    table.write_text("path,label\n" + "".join(f"{path},{path.parent.name}\n" for path in paths))
    epochs: list[Epoch] = []
    settings = FinetuningSettings(blocks=2, epochs=1, views=1, rate=3e-4)
    small = Options(size=224, cache=tmp_path)
    finetune(open_csv(table), small, "fruit", settings=settings, report=epochs.append)
    before, after = (epoch.measures["mean_ap"] for epoch in epochs)
    assert after > before + 0.03
