"""Training region proposals: what it makes, that it goes on where it was broken off, and what it refuses."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import workbench as wb
from tests.extracting import NETWORK
from tests.pictures import folder_of
from workbench.collections.poster_art import MEMBERS
from workbench.config import WorkbenchError
from workbench.descriptors import detector
from workbench.descriptors.detector import Detector
from workbench.features.hardware import one_thread_each
from workbench.features.maps import Options
from workbench.learning.proposals import scenes
from workbench.learning.proposals.train import Epoch, Settings, train
from workbench.pipeline import Workbench
from workbench.progress import Cancelled

QUICK = Settings(scenes=6, epochs=3, batch=2, width=8, hidden=8)


def test_a_detector_learns_where_the_bright_cells_are() -> None:
    """Maps with one bright rectangle each: after some steps the first proposal lies on it."""
    torch.manual_seed(0)
    model = Detector(4, width=16, hidden=16)
    adam = torch.optim.AdamW(model.parameters(), 3e-3)

    def lesson(seed: int) -> tuple[torch.Tensor, list[list[int]]]:
        rng = np.random.default_rng(seed)
        maps, boxes = torch.rand(4, 4, 12, 14) * 0.1, []
        for one in maps:
            (x, y), (w, h) = rng.integers(0, 7, 2), rng.integers(4, 6, 2)
            one[:2, y : y + h, x : x + w] += 1
            boxes.append([int(v) for v in (x, y, x + w, y + h)])
        return maps, boxes

    first = last = 0.0
    with one_thread_each():
        for step in range(120):
            maps, boxes = lesson(step)
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
    maps, boxes = lesson(999)
    for one, box in zip(maps.split(1), boxes, strict=True):
        found = model.propose(one)
        assert (found.scores.diff() <= 0).all() and len(found.boxes) <= detector.MOST
        assert float((found.boxes[0] - torch.tensor(box)).abs().max()) < 2.5
        moved = model.refine(one, found.boxes[:3])
        assert moved.boxes.shape == (3, 4) and ((moved.scores >= 0) & (moved.scores <= 1)).all()


def test_scenes_are_the_same_again_and_their_boxes_hold_the_posters(tmp_path: Path) -> None:
    made = scenes.write(6, 5, tmp_path / "a")
    again = scenes.write(6, 5, tmp_path / "b")
    other = scenes.write(6, 6, tmp_path / "c")
    assert [one.path.read_bytes() for one in made] == [one.path.read_bytes() for one in again]
    assert made[0].path.read_bytes() != other[0].path.read_bytes()
    boxes = np.concatenate([one.boxes for one in (*made, *other)])
    assert len(boxes) and (boxes >= 0).all() and (boxes <= 1).all() and (boxes[:, 2:] > boxes[:, :2]).all()
    assert len({n // MEMBERS for n in range(60)} - set(scenes.HELD_OUT)) == 12


@pytest.fixture(scope="module")
def bench(posters_cache: Path) -> Workbench:
    return wb.open("posters", cache=posters_cache)


@pytest.mark.slow
def test_broken_off_it_goes_on_to_the_same_bytes(bench: Workbench, tmp_path: Path) -> None:
    def run(cache: Path, stop: bool = False) -> bytes:
        def progress(what: str, done: int, total: int) -> None:
            if stop and what.startswith("training proposals, epoch 3"):
                raise Cancelled

        options = Options(**{**asdict(bench.options), "cache": cache, "size": 128})
        epochs: list[Epoch] = []
        path = train(bench.collection, options, "mine", NETWORK, QUICK, progress, epochs.append, "command")
        assert [epoch.number for epoch in epochs] == [0, 1, 2, 3]
        return path.read_bytes()

    whole = run(tmp_path / "whole")
    with pytest.raises(Cancelled):
        run(tmp_path / "part", stop=True)
    work = tmp_path / "part" / "learned" / "mine.training"
    assert (work / "checkpoint.safetensors").is_file()
    assert run(tmp_path / "part") == whole
    assert not work.exists()
    trained = detector.load(tmp_path / "whole" / "learned" / "mine.safetensors")
    about = trained.about
    assert about["command"] == "command" and about["steps"] > 0
    assert [len(one["boxes"]) for one in about["figures"]] == [3] * 4  # an epoch's, in each of three scenes
    for picture in trained.pictures:
        assert max(Image.open(io.BytesIO(picture)).size) == 320
    boxes = np.array(about["figures"][-1]["boxes"][0])
    assert boxes.shape[1] == 5 and (boxes >= 0).all() and (boxes <= 1).all()


def test_what_it_refuses(bench: Workbench, tmp_path: Path) -> None:
    folder = wb.open(folder_of(tmp_path / "pictures", 3), cache=tmp_path)
    with pytest.raises(WorkbenchError, match="knows no outlines of things to learn from; valid: posters"):
        train(folder.collection, folder.options, "mine")
    with pytest.raises(WorkbenchError, match="small letters, digits"):
        train(bench.collection, folder.options, "My own")
    with pytest.raises(WorkbenchError, match="each takes 1 or more"):
        train(bench.collection, folder.options, "mine", settings=Settings(scenes=0))
