"""Inspection of HardNet's training batches on photographs, and its view."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import workbench
from tests.support.pictures import folder_of
from tests.support.things import folder_of_things
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.learning.hardnet import inspection
from workbench.learning.hardnet.inspection import (
    AT_ONCE,
    EACH,
    UNTRAINED,
    BatchSampler,
    batch_sampler,
    load_network,
)
from workbench.learning.hardnet.loss import loss
from workbench.learning.hardnet.train import describe_pairs, initial_network
from workbench.local.hardnet import SHIPPED
from workbench.panels import Session
from workbench.panels.local_matches.hardnet_batches import TAKEN, SamplingView, shown

PIPELINE = "sift/bow:64/whole"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Bench:
    folder = folder_of_things(tmp_path_factory.mktemp("things"), views=2)
    (cache / "learned").mkdir()
    torch.manual_seed(1)
    state = {name: tensor.contiguous() for name, tensor in initial_network(4).state_dict().items()}
    save_file(state, cache / "learned" / "mine.safetensors", {"card": '{"views": 4}'})
    return workbench.open(folder, labels="folders", cache=cache, size=256)


@pytest.fixture(scope="module")
def sampler(bench: Bench) -> BatchSampler:
    return batch_sampler(bench.collection, bench.options)


def test_a_batch_and_its_loss_equal_those_of_training(sampler: BatchSampler, bench: Bench) -> None:
    pairs, model = sampler.draw(0), load_network(UNTRAINED, bench.options)
    sampled = sampler.mine(pairs, model)
    assert len(sampled) == AT_ONCE * EACH
    with torch.no_grad():
        vectors = describe_pairs(model, pairs)
    assert sampled.loss.mean() == pytest.approx(
        float(loss(*vectors, torch.from_numpy(pairs.overlap))), abs=1e-5
    )
    distances = torch.cdist(*vectors).numpy()
    rows = np.arange(len(sampled))
    np.testing.assert_allclose(sampled.matching, distances.diagonal(), atol=1e-3)
    np.testing.assert_allclose(sampled.row_distance, distances[rows, sampled.by_row], atol=1e-3)
    np.testing.assert_allclose(sampled.column_distance, distances[sampled.by_column, rows], atol=1e-3)
    np.testing.assert_array_equal(sampled.from_row, sampled.row_distance <= sampled.column_distance)
    assert not (sampled.by_row == rows).any() and not (sampled.by_column == rows).any()
    assert not pairs.overlap[rows, sampled.by_row].any() and not pairs.overlap[sampled.by_column, rows].any()
    selected = np.minimum(sampled.row_distance, sampled.column_distance)
    np.testing.assert_allclose(sampled.loss, np.maximum(0, 1 + sampled.matching - selected), atol=1e-5)
    assert set(sampled.photos) <= set(bench.collection.images)


def test_batches_differ_by_number_and_are_reproducible(sampler: BatchSampler, bench: Bench) -> None:
    first, repeated, other = sampler.draw(0), sampler.draw(0), sampler.draw(1)
    np.testing.assert_array_equal(first.anchors, repeated.anchors)
    assert not np.array_equal(first.places, other.places)
    from_cache = batch_sampler(bench.collection, bench.options)
    np.testing.assert_array_equal(from_cache.draw(1).positives, other.positives)
    losses, repeated_losses = (
        sampler.mine(first, load_network(UNTRAINED, bench.options)).loss for _ in range(2)
    )
    np.testing.assert_array_equal(losses, repeated_losses)


def test_load_network_resolves_names(bench: Bench) -> None:
    assert load_network("hardnet:mine", bench.options).width == 4
    assert not load_network("hardnet:mine", bench.options).training
    with pytest.raises(WorkbenchError, match="no network"):
        load_network("sift", bench.options)
    with pytest.raises(WorkbenchError, match="gone"):
        load_network("hardnet:gone", bench.options)
    if not SHIPPED.is_file():
        with pytest.raises(WorkbenchError, match="missing"):
            load_network("hardnet", bench.options)


def test_photos_without_places_are_refused(cache: Path, tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (96, 96), (80, 90, 10 * number)).save(tmp_path / f"{number}.png")
    bench = workbench.open(tmp_path, cache=cache, size=128)
    with pytest.raises(WorkbenchError, match="found again"):
        batch_sampler(bench.collection, bench.options)
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    Image.new("RGB", (5, 5)).save(tiny / "a.png")
    bench = workbench.open(tiny, cache=cache, size=128)
    with pytest.raises(WorkbenchError, match="no photo of 32 pixels"):
        batch_sampler(bench.collection, bench.options)


def test_a_large_collection_is_sampled(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "PHOTOS", 3)
    monkeypatch.setattr(inspection, "EACH", 1)
    bench = workbench.open(folder_of(tmp_path, 8), cache=cache, size=128)
    limited = batch_sampler(bench.collection, bench.options)
    assert len(limited.photos) == 3 and set(limited.photos) < set(bench.collection.images)


def test_the_view_shows_anchors_and_marks_the_selected_negatives(
    session: Session, sampler: BatchSampler, bench: Bench
) -> None:
    view = SamplingView(session)
    names = [name for _, name in view.network.options]
    assert names == [*(["hardnet"] if SHIPPED.is_file() else []), "hardnet:mine", UNTRAINED]
    assert view.rows.rows == [] and "Draw a batch" in view.lines.lines[0]["text"]
    view.network.value = UNTRAINED
    assert session.wait(60) and view.rows.rows == []  # no batch before the button is pressed
    view.next.click()
    assert session.wait(120)
    assert not session.failed, session.message
    sampled = sampler.mine(sampler.draw(0), load_network(UNTRAINED, bench.options))
    rows = view.rows.rows
    assert len(rows) == len(view.rows.titles) == 5 and len(rows[0]) == len(shown(sampled)) == 8
    for column, i in enumerate(shown(sampled)):
        anchor, positive, by_row, by_column, loss_cell = (row[column] for row in rows)
        patches = (
            (anchor, sampled.pairs.anchors[i]),
            (positive, sampled.pairs.positives[i]),
            (by_row, sampled.pairs.positives[sampled.by_row[i]]),
            (by_column, sampled.pairs.anchors[sampled.by_column[i]]),
        )
        for cell, patch in patches:
            np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(cell["picture"]))), patch)
        assert by_row["texts"][0] == f"{sampled.row_distance[i]:.2f}"
        assert by_column["texts"][0] == f"{sampled.column_distance[i]:.2f}"
        assert (TAKEN in by_row["mark"]) == sampled.from_row[i] != (TAKEN in by_column["mark"])
        assert loss_cell["texts"] == [f"{sampled.loss[i]:.2f}"]
    assert view.lines.lines[0]["text"] == f"Batch 1: mean loss {sampled.loss.mean():.2f}"
    view.network.value = "hardnet:mine"  # the same batch by another network
    assert session.wait(120)
    assert [cell["picture"] for cell in view.rows.rows[0]] == [cell["picture"] for cell in rows[0]]
    assert view.rows.rows[4] != rows[4]
    view.next.click()
    assert session.wait(120)
    assert view.lines.lines[0]["text"].startswith("Batch 2: ")
    assert [cell["picture"] for cell in view.rows.rows[0]] != [cell["picture"] for cell in rows[0]]
