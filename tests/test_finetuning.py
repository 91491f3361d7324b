"""Fine-tuning for search: the file that comes of it, and resuming to the same one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench
from tests.finetuning import NETWORK, Run, options, train
from tests.pictures import folder_of, picture
from workbench.cli import main
from workbench.collections.folder import open_folder
from workbench.collections.labels import open_csv
from workbench.config import Config, WorkbenchError
from workbench.features import weights
from workbench.features.backbones import Spec
from workbench.features.maps import MapSource, Options
from workbench.learning.descent import Epoch, Settings
from workbench.learning.finetuning import losses
from workbench.learning.finetuning.blocks import chain, split
from workbench.learning.finetuning.model import Tuned, mean_ap
from workbench.learning.finetuning.train import card, finetune
from workbench.learning.finetuning.training_set import hold_out, labelled
from workbench.progress import Cancelled, silent

KINDS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("kinds"), 32, kinds=KINDS)


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a training that nothing disturbed."""
    cache = tmp_path_factory.mktemp("undisturbed")
    assert Run(folder, cache).end() == ""
    return cache


def test_the_loss_falls_and_the_best_epoch_is_a_backbone(folder: Path, tmp_path: Path) -> None:
    heard: list[Epoch] = []
    path = train(folder, tmp_path, report=heard.append, epochs=5)
    assert [epoch.number for epoch in heard] == [0, 1, 2, 3, 4, 5]
    trained = [epoch.loss for epoch in heard if epoch.loss is not None]
    assert trained[-1] < trained[0]
    about = card(path)
    top = max(heard[1:], key=lambda epoch: epoch.mean_ap)
    assert (about["kept"], about["base"], about["collection"]) == (top.number, NETWORK, folder.name)
    assert [figure["mean_ap"] for figure in about["figures"]] == [epoch.mean_ap for epoch in heard]
    assert not path.with_suffix(".training").exists()


def test_the_file_gives_in_a_pipeline_the_descriptors_it_was_validated_by(
    folder: Path, tmp_path: Path
) -> None:
    path = train(folder, tmp_path)
    data = labelled(open_folder(folder, "folders"))
    _, held = hold_out(data, 0.3, 0)

    def split_up(backbone: str) -> tuple[str, torch.nn.Sequential]:
        spec = Spec.parse(backbone)
        return split(chain(weights.whole(spec, None, None, 0), spec.card(), None), 1, backbone)

    # As in validation: stored maps of the untrained part, through the trained part and the pooling.
    cut, blocks = split_up(f"file:{path}")
    frozen = MapSource(Spec("timm:test_resnet", cut, random=True), "", options(tmp_path))
    keys, _ = frozen.extract([data.pictures[row] for row in held])
    tuned = Tuned(blocks, Config.parse("x/mean/whole").pooling, "cpu", "float32")
    validated = torch.zeros(len(held), 0)
    with torch.no_grad():
        for positions, maps in frozen.batches(keys[0], 0):
            vectors = tuned(maps)
            validated = validated if validated.numel() else torch.zeros(len(held), vectors.shape[1])
            validated[positions] = vectors

    bench = workbench.open(folder, "folders", size=128, device="cpu", precision="float32", cache=tmp_path)
    ready = bench._ready(f"file:{path}/mean/whole", silent)
    rows = ready.image_rows()
    used = ready.described.vectors[[rows[data.ids[row]] for row in held]]
    about = card(path)
    assert (used * validated).sum(1).min() > 1 - 1e-5  # maps are stored as float16
    assert mean_ap(used, data.classes[held]) == about["figures"][about["kept"]]["mean_ap"]
    untrained = bench._ready(f"{NETWORK}/mean/whole", silent).described.vectors
    assert (untrained - ready.described.vectors).abs().max() > 0.01


def test_what_was_tuned_is_tuned_further_under_another_name(folder: Path, tmp_path: Path) -> None:
    path = train(folder, tmp_path, epochs=1)
    with pytest.raises(WorkbenchError, match="'net' would overwrite the backbone it is trained from"):
        train(folder, tmp_path, backbone=f"file:{path}")
    again = train(folder, tmp_path, "further", backbone=f"file:{path}", epochs=1)
    assert Spec.parse(f"file:{again}").card().model == "test_resnet"
    first, kept = card(path), card(again)
    assert kept["base"] == f"file:{path}"
    assert kept["figures"][0]["mean_ap"] == first["figures"][1]["mean_ap"]


def test_other_settings_use_the_same_views(folder: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    train(folder, tmp_path, progress=lambda what, *_: asked.append(what), epochs=1)
    assert {what for what in asked if what.startswith("view ")} == {
        f"view {number} of 2 through the frozen part" for number in (1, 2)
    }
    asked.clear()
    train(folder, tmp_path, "other", lambda what, *_: asked.append(what), loss="triplet", epochs=1)
    assert asked and not [what for what in asked if what.startswith("view ")]
    asked.clear()  # other images are trained on
    train(folder, tmp_path, "more", lambda what, *_: asked.append(what), held_out=0.5, epochs=1)
    assert [what for what in asked if what.startswith("view ")]


@pytest.mark.parametrize("loss", losses.NAMES)
def test_every_loss_trains(folder: Path, tmp_path: Path, loss: str) -> None:
    assert card(train(folder, tmp_path, loss=loss, epochs=1))["loss"] == loss


def test_killed_after_an_epoch_it_goes_on_to_the_same_bytes(
    folder: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = Run(folder, tmp_path)
    run.reached(1)
    run.process.kill()
    run.process.join(60)
    kept = tmp_path / "learned" / "net.training" / "checkpoint.safetensors"
    assert kept.is_file()
    assert Run(folder, tmp_path).end() == ""
    file = Path("learned") / "net.safetensors"
    assert (tmp_path / file).read_bytes() == (undisturbed / file).read_bytes()


def test_cancelled_it_stops_at_once_and_goes_on(folder: Path, tmp_path: Path) -> None:
    heard: list[int] = []

    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("training, epoch 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(folder, tmp_path, progress=stop, report=lambda epoch: heard.append(epoch.number))
    assert heard == [0, 1]
    asked: list[str] = []
    train(folder, tmp_path, progress=lambda what, *_: asked.append(what))
    assert not [what for what in asked if what.startswith(("training, epoch 1 ", "view "))]


def test_with_its_file_taken_away_it_begins_anew(folder: Path, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("training, epoch 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(folder, tmp_path, progress=stop)
    (tmp_path / "learned" / "net.safetensors").unlink()
    asked: list[str] = []
    path = train(folder, tmp_path, progress=lambda what, *_: asked.append(what))
    assert path.is_file() and [what for what in asked if what.startswith("training, epoch 1 ")]


def test_it_ends_early_where_validation_gets_no_better(folder: Path, tmp_path: Path) -> None:
    heard: list[Epoch] = []
    train(folder, tmp_path, report=heard.append, rate=1e-12, epochs=9, patience=2)
    assert [epoch.number for epoch in heard] == [0, 1, 2, 3]  # the first counts, the next two are no better


def test_a_full_disk_is_said_and_what_was_kept_goes_on(
    folder: Path, undisturbed: Path, tmp_path: Path
) -> None:
    said = Run(folder, tmp_path, most=200_000).end()
    assert "cannot be written" in said and "--cache" in said
    assert Run(folder, tmp_path).end() == ""
    file = Path("learned") / "net.safetensors"
    assert (tmp_path / file).read_bytes() == (undisturbed / file).read_bytes()


def test_a_diverging_loss_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"diverged in epoch \d+: take a smaller rate than 1e\+30"):
        train(folder, tmp_path, rate=1e30)


def test_numbers_that_go_wrong_leave_the_epoch_before(folder: Path, tmp_path: Path) -> None:
    def spoil(epoch: Epoch) -> None:
        if epoch.number == 1:
            for path in (tmp_path / "views").rglob("*.npy"):
                np.load(path, mmap_mode="r+")[:] = np.nan

    with pytest.raises(WorkbenchError, match=r"diverged in epoch 2: .*; epoch 1, the best before, is kept"):
        train(folder, tmp_path, report=spoil)
    path = tmp_path / "learned" / "net.safetensors"
    assert card(path)["kept"] == 1
    assert (path.with_suffix(".training") / "checkpoint.safetensors").is_file()
    evaluation = workbench.open(folder, "folders", size=128, cache=tmp_path).evaluate(
        f"file:{path}/mean/whole"
    )
    assert 0 < evaluation.mean_ap <= 1


def test_a_damaged_checkpoint_is_begun_anew(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "learned" / "net.training" / "checkpoint.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"no checkpoint")
    heard: list[int] = []
    train(folder, tmp_path, report=lambda epoch: heard.append(epoch.number), epochs=1)
    assert heard == [0, 1]


def test_at_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(folder, tmp_path / "photos")
    (tmp_path / "photos" / "alone").mkdir()
    picture(99).save(tmp_path / "photos" / "alone" / "only.jpg")
    kept = ["--labels", "folders", "--cache", str(tmp_path / "cache"), "--size", "128"]
    command = ["train", "backbone", str(tmp_path / "photos"), "--name", "net", "--backbone", NETWORK, *kept]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--blocks", "1", "--epochs", "1", "--rate", "1e-12"])
    assert not ended.value.code
    out, err = capsys.readouterr()
    path = tmp_path / "cache" / "learned" / "net.safetensors"
    use = f"file:{path}/gem:3/whole --size 128"
    assert out == f"epoch 1 is written to {path}; use it as {use}\n"
    assert "epoch 0: untrained, held-out mAP" in err and "epoch 1: loss" in err
    assert "note: 1 labels have one image" in err
    assert "note: no epoch was better than the untrained backbone" in err  # at such a rate nothing changes
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(tmp_path / "photos"), use.split()[0], *kept, "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)[0]["pipeline"] == use.split()[0]


@pytest.mark.slow
def test_grocery_teaches_the_embedded_backbone(shared: Path, tmp_path: Path) -> None:
    table = tmp_path / "some.csv"
    groups = sorted((shared / "datasets" / "grocery" / "train" / "Fruit").rglob("*.jpg"))
    table.write_text("path,label\n" + "".join(f"{path},{path.parent.name}\n" for path in groups))
    heard: list[Epoch] = []
    settings = Settings(blocks=2, epochs=2, views=2, rate=3e-4)
    wanted = Options(size=224, cache=tmp_path)
    finetune(open_csv(table), wanted, "fruit", settings=settings, report=heard.append)
    assert max(epoch.mean_ap for epoch in heard) > heard[0].mean_ap + 0.03
