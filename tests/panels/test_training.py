"""The training panel without a browser, on a bench of generated images and a small random network."""

from __future__ import annotations

import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from ipywidgets.widgets.widget import _instances
from safetensors.torch import save_file

import workbench
from tests.support.extraction import NETWORK
from tests.support.finetuning import SETTINGS
from tests.support.pictures import folder_of
from tests.support.sessions import settled
from workbench.features.cards import trained_path
from workbench.learning.registry import taken_names, trainings
from workbench.panels import Session
from workbench.panels.configuration.panel import Configuration
from workbench.panels.messages import Messages
from workbench.panels.pipeline_choices import backbones
from workbench.panels.training.panel import TrainingPanel

PIPELINE = f"{NETWORK}/max/rmac:2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 32, kinds=4)


def opened(folder: Path, cache: Path, labels: str = "folders") -> Session:
    bench = workbench.open(folder, labels, size=128, device="cpu", precision="float32", cache=cache)
    return Session(bench, pipeline=PIPELINE)


@pytest.fixture
def session(folder: Path, tmp_path: Path) -> Iterator[Session]:
    """A session with a separate cache, so that trainings are not shared between tests."""
    opened_session = opened(folder, tmp_path)
    yield opened_session
    opened_session.cancel()
    assert opened_session.wait(120)


def prepared(session: Session, epochs: int = 2, **more: object) -> TrainingPanel:
    """Return a panel set up to train one block within seconds."""
    panel = TrainingPanel(session)
    panel.recipe._rest["backbone"] = SETTINGS  # few and small views
    panel.recipe.blocks.value, panel.recipe.rate.value, panel.recipe.epochs.value = 1, 0.01, epochs
    for name, value in more.items():
        getattr(panel.recipe, name).value = value
    return panel


def trained(session: Session, **more: object) -> TrainingPanel:
    panel = prepared(session, **more)  # type: ignore[arg-type]
    panel.go.click()
    settled(session)
    return panel


def figure_of(panel: TrainingPanel) -> Any:
    """The figure of the curves."""
    assert panel.curves.figure is not None
    return panel.curves.figure


def test_new_panel_lists_shipped_trainings(session: Session) -> None:
    panel = TrainingPanel(session)
    (row,) = panel.list.rows
    assert row["cells"]["name"] == "shipped with the package"
    assert row["cells"]["epochs"] == "16, kept 10"
    assert panel.list.chosen == [
        row["id"]
    ]  # its epochs are shown; the change it makes is computed on a click
    assert panel.changes.widget.layout.display == "none"
    assert "before and after it: about 10 s" in panel.see.tooltip
    assert "About 15 s on two cores" in panel.note.lines[0]["text"]
    assert "epoch 10 is kept" in figure_of(panel).layout.title.subtitle.text
    lines = {"loss": 16, "held-out loss": 16, "held-out mAP": 16, "weight on the target": 16}
    assert {line.name: len(line.x) for line in figure_of(panel).data} == lines
    assert panel.use.layout.display == panel.see.layout.display is None
    panel.see.click()
    assert panel.changes.widget.layout.display is None and panel.see.layout.display == "none"
    session.cancel()


def test_trained_backbone_is_shown_and_offered_in_all_panels(session: Session) -> None:
    configuration = Configuration(session)
    panel = trained(session)
    path = session.bench.options.cache / "learned" / f"{panel.picked}.safetensors"
    assert path.is_file()
    loss, measured = figure_of(panel).data
    assert (list(measured.x), list(loss.x)) == ([0, 1, 2], [1, 2])
    assert [row["cells"]["number"] for row in panel.epochs.rows] == ["untrained", "1", "2"]
    best = max((1, 2), key=lambda number: measured.y[number])
    assert f"epoch {best} is kept" in figure_of(panel).layout.title.subtitle.text
    cells = panel.list.rows[0]["cells"]
    assert (cells["before"], cells["after"]) == (f"{measured.y[0]:.1f}", f"{measured.y[best]:.1f}")
    offered = (f"{panel.picked} (fine-tuned)", f"file:{path}")
    assert offered in backbones(session.bench.options)
    assert offered in configuration.selects["Backbone"].options
    panel.use.click()
    settled(session)
    assert session.pipeline == f"file:{path}/max/rmac:2"
    assert configuration.selects["Backbone"].value == f"file:{path}"
    assert session.ranked.pipeline == session.pipeline


def test_rankings_before_and_after_match_the_bench(session: Session) -> None:
    panel = trained(session)
    changes, bench = panel.changes, session.bench
    training = panel.trained[panel.picked]
    before, after = training.pipelines
    assert before == f"{NETWORK}/mean/whole"
    for side, pipeline in zip(changes.duel.sides, (before, after), strict=True):
        ranking = bench.search(session.query, pipeline=pipeline, k=10)
        assert [figure["name"] for figure in side["figures"]] == list(ranking["image_id"])
        per_query = bench.evaluate(pipeline).per_query.set_index("query")["ap"]
        assert side["title"] == f"AP {100 * per_query[session.query]:.1f}"
    assert len(changes.queries.rows) == len(session.queries)
    assert any("trained on these very images" in line["text"] for line in changes.lines.lines)
    image = changes.duel.sides[1]["figures"][4]["name"]
    session.image = image
    settled(session)
    assert changes.duel.current == image
    for view, pipeline in zip(changes.views, (before, after), strict=True):
        assert view.heat == bench.explain(session.query, image, pipeline=pipeline).image_heatmap.tobytes()
        assert view.top == changes.scale.top
    query = list(session.queries)[9]
    changes.queries._handle_custom_msg({"pick": query}, [])
    settled(session)
    assert session.query == query
    assert changes.queries.chosen == [query]
    assert query in [figure["name"] for figure in changes.duel.sides[0]["figures"]]


def test_cancelled_training_continues_in_another_session_with_its_settings(
    session: Session, folder: Path, tmp_path: Path
) -> None:
    panel = prepared(session, epochs=6)

    def stop(change: object) -> None:
        if panel.live is not None and len(panel.live.figures) == 3:  # the untrained network and two epochs
            Messages(session).stop(None)

    panel.curves.observe(stop, "spec")
    name = panel.recipe.name.value
    panel.go.click()
    assert session.wait(120)
    assert (panel.go.description, panel.go.disabled) == ("Continue", False)
    assert "stopped after epoch 2" in panel.note.lines[0]["text"]
    assert panel.list.rows[0]["cells"]["epochs"] == "2 of 6, stopped"
    figures = [dict(entry) for entry in panel.trained[name].card["figures"]]

    second_session = opened(folder, tmp_path)
    second_panel = TrainingPanel(second_session)
    second_session.pipeline = "efficientnet_lite0/max/whole"  # training continues with its recorded backbone
    assert second_panel.go.description == "Train"
    second_panel.pick(name)
    second_session.cancel()
    assert (second_panel.go.description, second_panel.recipe.name.value) == ("Continue", name)
    assert (second_panel.recipe.epochs.value, second_panel.recipe.rate.value) == (6, 0.01)
    second_panel.go.click()
    settled(second_session)
    card = trainings(tmp_path)[name].card
    assert card["figures"][:3] == figures
    assert (len(card["figures"]), card["base"]) == (7, NETWORK)
    assert not second_panel.trained[name].resumable
    assert second_panel.recipe.name.value != name  # a used name


def test_other_settings_for_a_stopped_training_are_announced_as_a_restart(session: Session) -> None:
    panel = prepared(session, epochs=6)
    panel.curves.observe(
        lambda _: session.cancel(panel.lane) if panel.live and panel.live.figures[1:] else None, "spec"
    )
    panel.go.click()
    assert session.wait(120)
    assert panel.go.description == "Continue"
    assert session.message.startswith("Cancelled.")
    panel.recipe.rate.value = 0.001
    assert panel.go.description == "Train"
    assert "has other settings" in panel.note.lines[0]["text"]
    panel.recipe.epochs.value = 1
    panel.curves.unobserve_all("spec")
    panel.go.click()
    settled(session)
    assert session.message == ""
    assert [figure["number"] for figure in panel.trained[panel.picked].card["figures"]] == [0, 1]
    assert panel.trained[panel.picked].settings.rate == 0.001


def test_attention_is_trained_without_labels_and_used(folder: Path, tmp_path: Path) -> None:
    session = opened(folder, tmp_path, labels="none")
    panel = TrainingPanel(session)
    panel.recipe.what.value = "attention"
    assert panel.recipe.loss.layout.display == "none"
    panel.recipe.composites.value, panel.recipe.epochs.value = 12, 2
    panel.go.click()
    settled(session)
    name = panel.picked
    assert [len(line.x) for line in figure_of(panel).data] == [2, 2, 2, 2]
    before, after = panel.trained[name].pipelines
    assert (before, after) == (f"{NETWORK}/max/rmac:5", f"{NETWORK}/max/rmac:5/attention:{name}")
    assert [side["title"] for side in panel.changes.duel.sides] == ["", ""]  # there is no ground truth
    assert panel.changes.duel.sides[1]["figures"]
    session.pipeline = f"{NETWORK}/mean/whole/power:0.5"
    settled(session)
    panel.use.click()
    settled(session)
    assert session.pipeline == f"{NETWORK}/mean/rmac:5/attention:{name}/power:0.5"
    panel.recipe.what.value = "backbone"
    panel.go.click()
    assert session.wait(120)
    assert session.failed
    assert "has no labels to learn from" in session.message


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "write it with small letters"),
        ("name", "Käse", "write it with small letters"),
        ("name", "<img src=x>", "write it with small letters"),
        ("rate", -1.0, "take a number above 0"),
        ("rate", 1e18, "take a smaller rate"),
        ("blocks", 50, "can be trained"),
    ],
)
def test_untrainable_settings_are_reported_and_the_panel_recovers(
    session: Session, field: str, value: object, message: str
) -> None:
    panel = prepared(session, **{field: value})  # type: ignore[arg-type]
    panel.go.click()
    assert session.wait(120)
    assert session.failed
    assert message in session.message
    assert (panel.live, panel.go.disabled) == (None, False)
    panel.recipe.name.value, panel.recipe.rate.value, panel.recipe.blocks.value = "well", 0.01, 1
    panel.go.click()
    settled(session)
    assert panel.trained["well"].usable


def test_attention_without_a_name_is_rejected(session: Session, tmp_path: Path) -> None:
    panel = prepared(session, what="attention", composites=12)
    for name in ("", "a/exact", "Käse"):
        panel.recipe.name.value = name
        panel.go.click()
        assert session.wait(120)
        assert session.failed
        assert "write it with small letters" in session.message
    assert not (tmp_path / "learned").exists()


@pytest.mark.parametrize("what", ["backbone", "attention"])
def test_training_locked_by_another_process_is_not_modified(session: Session, what: str) -> None:
    panel = prepared(session, what=what, name="shared")
    work = session.bench.options.cache / "learned" / "shared.training"
    work.mkdir(parents=True)
    with FileLock(work / ".lock"):  # as if another kernel held the lock
        panel.go.click()
        assert session.wait(120)
    assert session.failed
    assert "'shared' is being trained by another process" in session.message
    panel.recipe.composites.value = 12
    panel.go.click()
    settled(session)
    assert panel.trained["shared"].usable


def test_full_disk_is_reported_and_training_continues_with_space(session: Session) -> None:
    panel = prepared(session)
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing more is an error
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, room[1]))
    try:
        panel.go.click()
        assert session.wait(120)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
        signal.signal(signal.SIGXFSZ, handler)
    assert session.failed
    assert "cannot be written" in session.message
    assert not panel.go.disabled
    panel.go.click()
    settled(session)
    assert panel.trained[panel.picked].usable


def test_used_name_is_rejected(session: Session) -> None:
    panel = trained(session)
    before = panel.trained[panel.picked].path.read_bytes()
    panel.recipe.name.value = panel.picked
    panel.go.click()
    assert session.failed
    assert "exists already: choose another name" in session.message
    assert session.wait(120)
    assert panel.trained[panel.picked].path.read_bytes() == before
    whitening = panel.trained[panel.picked].path.with_name("white.safetensors")
    whitening.write_bytes(b"of a whitening, say")
    panel.recipe.name.value = "white"
    panel.go.click()
    assert "choose another name" in session.message
    assert session.wait(120)
    assert whitening.read_bytes() == b"of a whitening, say"
    panel.recipe.suggest("white", taken_names(session.bench.options.cache))
    assert panel.recipe.name.value == "white-2"


def test_damaged_and_foreign_files_are_not_listed(session: Session, tmp_path: Path) -> None:
    panel = trained(session)
    path = panel.trained[panel.picked].path
    (path.parent / "half.safetensors").write_bytes(path.read_bytes()[:100])
    (path.parent / "empty.safetensors").write_bytes(b"")
    (path.parent / "lost.training").mkdir()
    (path.parent / "lost.training" / "checkpoint.safetensors").write_bytes(b"\x00" * 64)
    shutil.copy(path, trained_path(tmp_path, "copied"))
    for name, card in (("none", "{}"), ("odd", '{"figures": 7, "base": []}'), ("text", "no json")):
        save_file(
            {"one": torch.zeros(1)}, trained_path(tmp_path, name), {"backbone": "resnet18", "card": card}
        )
        save_file({"one": torch.zeros(1)}, trained_path(tmp_path, f"{name}-attention"), {"attention": card})
    assert set(trainings(tmp_path)) == {path.stem, "copied"}
    session.cancel()


def test_repeated_training_adds_no_widgets(session: Session) -> None:
    panel = trained(session)
    before = len(_instances)
    panel.go.click()
    settled(session)
    panel.pick(next(iter(panel.trained)))
    settled(session)
    assert len(_instances) == before
