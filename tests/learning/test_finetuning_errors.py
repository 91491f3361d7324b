"""Messages of fine-tuning for invalid collections and settings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.finetuning import train
from tests.support.pictures import folder_of, picture
from workbench.collections.folder import open_folder
from workbench.collections.labels import open_csv
from workbench.config.errors import WorkbenchError
from workbench.learning.finetuning.train import card
from workbench.learning.finetuning.training_set import labelled

KINDS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("kinds"), 32, kinds=KINDS)


def test_excluded_images_are_noted(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "photos")
    (tmp_path / "photos" / "alone").mkdir()
    picture(99).save(tmp_path / "photos" / "alone" / "only.jpg")
    collection = open_folder(tmp_path / "photos", "folders")
    (tmp_path / "photos" / "kind0" / "000.jpg").unlink()
    data = labelled(collection)
    assert len(data.pictures) == 31 and "alone" not in data.names
    assert "1 images cannot be read" in data.notes[0]
    assert "1 labels have one image, which has nothing to match: left out (alone)" in data.notes[1]
    assert card(train(tmp_path / "photos", tmp_path, epochs=1))["notes"] == list(data.notes)[1:]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "../net"}, "small letters"),
        ({"pooling": "crow"}, "pooling crow: fine-tuning takes max, mean, gem"),
        ({"loss": "proxy"}, "loss 'proxy' is not known; valid: contrastive, triplet, classification"),
        ({"blocks": 99}, "blocks 99: of the "),
        ({"epochs": 0}, "epochs 0: take 1 or more"),
        ({"rate": float("nan")}, "rate nan: take a number above 0"),
        ({"backbone": "file:/nowhere.safetensors"}, "nowhere"),
    ],
)
def test_invalid_settings_are_refused(
    folder: Path, tmp_path: Path, changed: dict[str, str], message: str
) -> None:
    with pytest.raises(WorkbenchError, match=message):
        train(folder, tmp_path, **changed)  # type: ignore[arg-type]


def test_a_collection_without_labels_is_refused(folder: Path) -> None:
    with pytest.raises(WorkbenchError, match="no labels to learn from"):
        labelled(open_folder(folder))


def test_a_single_label_is_refused(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n" + "".join(f"{folder}/kind0/{n:03}.jpg,a\n" for n in (0, 4)))
    with pytest.raises(WorkbenchError, match="two such labels or more"):
        labelled(open_csv(table))


def test_a_collection_without_images_to_hold_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="no label has four or more images"):
        train(folder_of(tmp_path / "few", 6, kinds=2), tmp_path)
