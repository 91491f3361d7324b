"""Training region proposals: the detector, generated scenes, the card, and invalid input."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support import tiny_trainings
from tests.support.pictures import folder_of
from workbench.collections.folder import open_folder
from workbench.collections.posters.art import MEMBERS
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.descriptors import rpn
from workbench.descriptors.rpn import Detector
from workbench.features.device import single_threaded_operations
from workbench.learning.proposals.scenes import HELD_OUT, write_scenes
from workbench.learning.proposals.train import ProposalSettings, train_proposals
from workbench.learning.trainer import Epoch


def test_a_trained_detector_proposes_bright_cells() -> None:
    """On maps with one bright rectangle each, the first proposal covers it after 120 steps."""
    torch.manual_seed(0)
    model = Detector(4, width=16, hidden=16)
    adam = torch.optim.AdamW(model.parameters(), 3e-3)

    def sample(seed: int) -> tuple[torch.Tensor, list[list[int]]]:
        rng = np.random.default_rng(seed)
        maps, boxes = torch.rand(4, 4, 12, 14) * 0.1, []
        for image in maps:
            (x, y), (w, h) = rng.integers(0, 7, 2), rng.integers(4, 6, 2)
            image[:2, y : y + h, x : x + w] += 1
            boxes.append([int(v) for v in (x, y, x + w, y + h)])
        return maps, boxes

    first = last = 0.0
    with single_threaded_operations():
        for step in range(120):
            maps, boxes = sample(step)
            targets = [
                {"boxes": torch.tensor([box]).float() * 32, "labels": torch.ones(1, dtype=torch.int64)}
                for box in boxes
            ]
            loss = sum(model.losses(maps, targets).values(), torch.zeros(()))
            adam.zero_grad()
            loss.backward()
            adam.step()
            first, last = first or loss.item(), loss.item()
    assert last < first / 2
    model.eval()
    maps, boxes = sample(999)
    for image, box in zip(maps.split(1), boxes, strict=True):
        proposals = model.propose(image)
        assert (proposals.scores.diff() <= 0).all() and len(proposals.boxes) <= rpn.MAX_PROPOSALS
        assert float((proposals.boxes[0] - torch.tensor(box)).abs().max()) < 2.5
        refined = model.refine(image, proposals.boxes[:3])
        assert refined.boxes.shape == (3, 4) and ((refined.scores >= 0) & (refined.scores <= 1)).all()


def test_equal_seeds_give_equal_scenes_with_boxes(tmp_path: Path) -> None:
    scenes = write_scenes(6, 5, tmp_path / "a")
    repeated = write_scenes(6, 5, tmp_path / "b")
    other = write_scenes(6, 6, tmp_path / "c")
    assert [scene.path.read_bytes() for scene in scenes] == [scene.path.read_bytes() for scene in repeated]
    assert scenes[0].path.read_bytes() != other[0].path.read_bytes()
    boxes = np.concatenate([scene.boxes for scene in (*scenes, *other)])
    assert len(boxes) and (boxes >= 0).all() and (boxes <= 1).all() and (boxes[:, 2:] > boxes[:, :2]).all()
    assert len({n // MEMBERS for n in range(60)} - set(HELD_OUT)) == 12


def test_training_writes_a_card_and_pictures_of_each_epoch(tmp_path: Path) -> None:
    """With the settings and the collection of ``tiny_trainings``, which the tests of resuming share."""
    epochs: list[Epoch] = []
    steps: list[tuple[int, int]] = []

    def record(label: str, done: int, total: int) -> None:
        if label.startswith("training"):
            steps.append((done, total))

    data = tiny_trainings.make_data(tmp_path / "data")
    path = tiny_trainings.train("proposals", data, tmp_path, record, epochs.append)
    assert [epoch.number for epoch in epochs] == [0, 1, 2, 3]
    trained = rpn.load(path)
    about = trained.about
    assert about["figures"] == [epoch.as_dict() for epoch in epochs]
    assert steps == [(number, about["steps"]) for number in range(about["steps"])]
    assert [len(epoch.measures["boxes"]) for epoch in epochs] == [3] * 4  # of each of three scenes
    assert len(trained.pictures) == 3
    for picture in trained.pictures:
        assert max(Image.open(io.BytesIO(picture)).size) == 320
    boxes = np.array(about["figures"][-1]["boxes"][0])
    assert boxes.shape[1] == 5 and (boxes >= 0).all() and (boxes <= 1).all()


def test_invalid_collections_names_and_settings_are_refused(tmp_path: Path) -> None:
    collection = open_folder(folder_of(tmp_path / "pictures", 3))
    options = Options(cache=tmp_path)
    with pytest.raises(WorkbenchError, match=r"'pictures' knows no outlines of objects.*; valid: posters"):
        train_proposals(collection, options, "mine")
    posters = replace(collection, name="posters")
    with pytest.raises(WorkbenchError, match="small letters, digits"):
        train_proposals(posters, options, "My own")
    with pytest.raises(WorkbenchError, match="scenes 0: take 1 or more"):
        train_proposals(posters, options, "mine", settings=ProposalSettings(scenes=0))
    assert not (tmp_path / "learned").exists()
