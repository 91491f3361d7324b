"""The panel of proposals without a browser: epochs of a training, a running training, and recall."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from tests.support.proposals import keep, untrained
from tests.support.studies import recall_of
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.descriptors.rpn import PICTURE_PREFIX
from workbench.features.cards import SHIPPED_WEIGHTS, trained_path
from workbench.learning.checkpoints import to_bytes
from workbench.learning.proposals import train as proposals
from workbench.panels import Session
from workbench.panels.proposals.panel import ELSEWHERE, ProposalsPanel, curve_of
from workbench.panels.proposals.recall import OUTLINES, in_words

FIGURES: list[dict[str, Any]] = [
    {"number": 0, "loss": None, "recall": 0.25, "refined": 0.2, "boxes": [[[0.1, 0.2, 0.5, 0.6, 0.5]]]},
    {
        "number": 1,
        "loss": 1.5,
        "recall": 0.75,
        "refined": 0.8,
        "boxes": [[[0.2, 0.2, 0.6, 0.6, 0.9], [0, 0, 1, 1, 0.2]]],
    },
]


def jpeg(colour: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(data, "JPEG")
    return data.getvalue()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    cache = tmp_path / "cache"
    state = {**untrained(512).detector.state_dict()}
    state[f"{PICTURE_PREFIX}0"] = torch.frombuffer(bytearray(jpeg((200, 30, 30))), dtype=torch.uint8)
    path = trained_path(cache, "mine")
    path.parent.mkdir(parents=True)
    path.write_bytes(to_bytes(state, {"proposals": json.dumps({"stride": 32, "figures": FIGURES})}))
    trained_path(cache, "damaged").write_bytes(b"nothing of the kind")
    bench = wb.open(folder_of(tmp_path / "pictures", 3), cache=cache, size=128)
    keep(bench.options, NETWORK, "silent")  # its card lists no epochs
    return bench


@pytest.fixture
def panel(bench: Bench) -> Iterator[ProposalsPanel]:
    session = Session(bench, pipeline=f"{NETWORK}/max/whole")
    yield ProposalsPanel(session)
    session.cancel()


def test_trained_proposals_are_offered_with_their_epochs(panel: ProposalsPanel) -> None:
    names = [name for name, _ in panel.trained.options]
    shipped = len(list(SHIPPED_WEIGHTS.glob("proposals_*.safetensors")))
    assert names[shipped:] == ["mine"] and all(name.startswith("shipped, for ") for name in names[:shipped])
    panel.trained.value = dict(panel.trained.options)["mine"]
    assert panel.epoch.sliders[0]["values"] == ["untrained", "1"] and panel.epoch.sliders[0]["at"] == 1
    assert panel.views[0].picture == jpeg((200, 30, 30)) and panel.views[1].layout.display == "none"
    assert [region["text"] for region in panel.views[0].regions] == ["objectness 0.90", "objectness 0.20"]
    panel.turn(0)
    assert panel.views[0].regions == [
        {"box": [0.1, 0.2, 0.5, 0.6], "text": "objectness 0.50", "strength": 0.5}
    ]
    assert panel.recall.kept == 0
    assert panel.loss.lines == [{"name": "loss", "x": [1], "y": [1.5]}]
    assert panel.recall.lines[0] == {"name": "proposals", "x": [0, 1], "y": [25.0, 75.0]}


def test_picked_proposals_are_set_in_the_pipeline(panel: ProposalsPanel) -> None:
    panel.trained.value = dict(panel.trained.options)["mine"]
    panel.apply(None)
    assert panel.session.pipeline == f"{NETWORK}/max/proposals:20:mine"


def test_collection_without_outlines_is_reported(panel: ProposalsPanel) -> None:
    assert panel.go.disabled and panel.recall_curve.measure.disabled
    assert panel.note.lines[0]["text"] == ELSEWHERE
    assert panel.recall_curve.text.lines[0]["text"] == OUTLINES
    assert panel.name.value == "mine-2"  # an unused name
    panel.train(None)
    assert panel.session.wait(60)
    assert panel.session.failed and "knows no outlines" in panel.session.message
    panel.name.value = "mine"
    with pytest.raises(WorkbenchError, match="exists already"):
        panel.train(None)


@pytest.mark.slow
def test_running_training_is_shown_and_offered_at_its_end(
    posters_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = proposals.ProposalSettings(scenes=6, epochs=2, batch=2, width=8, hidden=8)
    monkeypatch.setattr(proposals, "ProposalSettings", lambda: quick)
    session = Session(wb.open("posters", cache=posters_cache), pipeline=f"{NETWORK}/max/whole")
    panel = ProposalsPanel(session)
    lengths: list[int] = []
    panel.epoch.observe(lambda change: lengths.append(len(change["new"][0]["values"])), "sliders")
    panel.name.value = "panel-made"
    panel.train(None)
    try:
        assert session.wait(300) and not session.failed, session.message
        assert lengths[:3] == [1, 2, 3]
        assert Path(str(panel.trained.value)).stem == "panel-made" and session.learned == 1
        assert all(view.picture for view in panel.views) and len(panel.recall.lines[0]["x"]) == 3
        assert panel.step() == "proposals:20:panel-made"
    finally:
        trained_path(session.bench.options.cache, "panel-made").unlink(missing_ok=True)


def test_recall_is_shown_as_lines_and_text(panel: ProposalsPanel) -> None:
    table = recall_of()
    panel.recall_curve.render(("net/max/proposals:20", table))
    figure = panel.recall_curve.plot.figure
    assert figure is not None and list(figure.data[1].y) == [50.0, 95.0]
    assert in_words(table) == (
        "of 20 regions, recall at IoU 0.5: proposals 90.0 % · moved by the head 95.0 % · "
        "R-MAC's grid 25.0 % · sliding windows 50.0 %"
    )
    assert curve_of(FIGURES, "loss", "loss") == {"name": "loss", "x": [1], "y": [1.5]}
