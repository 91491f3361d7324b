"""Cells of stored maps: equal to those of the picture, with maps kept or not, and their fitted whitening."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.extraction import NETWORK, pictures
from tests.support.pictures import folder_of
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.descriptors.whitening import Whitening
from workbench.features.map_source import MapSource
from workbench.local.cell_source import CellSource, cell_source, fitted_whitening
from workbench.local.cells import strongest_cells

PIPELINE = Config.parse(f"{NETWORK}/asmk:8/whole/scales:3/pcaw:4")


def maps_of(cache: Path, config: Config = PIPELINE, **options: object) -> MapSource:
    settings = {"size": 128, "device": "cpu", "precision": "float32", "cache": cache, **options}
    return MapSource.of(config, Options(**settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("pictures"), 7)


def test_cells_are_those_of_the_maps_of_all_scales(folder: Path, tmp_path: Path) -> None:
    maps, files = maps_of(tmp_path), pictures(folder)
    keys, _ = maps.extract(files, 3)
    rows = [2, 0, 5]
    source = CellSource(maps, 3, None)
    read = dict(source.read([keys[0][row] for row in rows]))
    assert list(read) == [0, 1, 2]
    for position, row in enumerate(rows):
        expected = strongest_cells(
            [next(maps.batches([keys[0][row]], scale))[1].float() for scale in range(3)], None, 32
        )
        np.testing.assert_array_equal(read[position].descriptors, expected.descriptors)
        np.testing.assert_array_equal(read[position].boxes, expected.boxes)
        stored = source.features(files[row])
        assert stored is not None
        np.testing.assert_array_equal(stored.descriptors, expected.descriptors)
        computed = source.features_of(files[row])  # maps are stored as float16
        np.testing.assert_allclose(computed.attention, expected.attention, rtol=2e-3)


def test_a_global_pipeline_and_cells_share_the_stored_maps(folder: Path, tmp_path: Path) -> None:
    files = pictures(folder)
    whole = maps_of(tmp_path, Config.parse(f"{NETWORK}/max/rmac:3/scales:3"))
    keys, _ = whole.extract(files, 3)
    maps = maps_of(tmp_path)
    assert maps.folder(1.0) == whole.folder(1.0)
    assert len(dict(CellSource(maps, 3, None).read(keys[0]))) == len(files)
    assert maps._network is None  # nothing was extracted again


def test_cells_without_stored_maps_are_nearly_the_same(folder: Path, tmp_path: Path) -> None:
    files = pictures(folder)
    stored = maps_of(tmp_path / "stored")
    keys, _ = stored.extract(files, 3)
    passing = maps_of(tmp_path / "passing", maps="none")
    passing.look_up(files, 3)
    expected = CellSource(stored, 3, None).read(keys[0])
    for (_, cells), (_, other) in zip(expected, CellSource(passing, 3, None).read(keys[0]), strict=True):
        np.testing.assert_allclose(cells.attention, other.attention, rtol=1e-3)
    assert not list((tmp_path / "passing" / "maps").rglob("*.safetensors"))
    assert CellSource(passing, 3, None).features(files[0]) is None


def test_cells_by_row_are_the_same_where_they_do_not_fit_into_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = maps_of(tmp_path)
    keys, _ = maps.extract(pictures(folder), 3)
    source = CellSource(maps, 3, None)
    monkeypatch.setattr("workbench.local.cell_source.CHUNK", 2)
    monkeypatch.setattr("workbench.local.cell_source.MOST_BYTES", 0)
    expected, by_row = dict(source.read(keys[0])), source.by_row(keys[0])
    assert list(by_row) == list(expected)
    for row in (0, 6, 3, 4):
        np.testing.assert_array_equal(by_row[row].descriptors, expected[row].descriptors)


def test_the_whitening_is_that_of_the_cells_and_is_cached(folder: Path, tmp_path: Path) -> None:
    maps = maps_of(tmp_path)
    keys, _ = maps.extract(pictures(folder), 3)
    fitted_on = [0, 1, 3]
    source = cell_source(maps, keys[0], PIPELINE, fitted_on, {"collection": "x"})
    plain = dict(CellSource(maps, 3, None).read([keys[0][row] for row in fitted_on]))
    sample = np.concatenate([cells.descriptors for cells in plain.values()])
    expected = Whitening.fit(torch.from_numpy(sample), 4, "pcaw")
    assert source.whitening is not None
    np.testing.assert_allclose(source.whitening.projection, expected.projection, rtol=1e-4, atol=1e-6)
    whitened = np.concatenate([c.descriptors for _, c in source.read([keys[0][row] for row in fitted_on])])
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(4), atol=0.01)
    again = cell_source(maps, keys[0], PIPELINE, fitted_on, {"collection": "x"})
    assert again.whitening is not None
    assert again.whitening.provenance == source.whitening.provenance  # with the time at which it was fitted
    assert again.identity == source.identity
    others = [
        CellSource(maps, 2, source.whitening),
        CellSource(maps, 3, None),
        cell_source(maps, keys[0], PIPELINE, [0, 1, 4], {"collection": "x"}),
    ]
    assert len({source.identity, *(other.identity for other in others)}) == 4


def test_a_damaged_cached_whitening_is_fitted_again(folder: Path, tmp_path: Path) -> None:
    maps = maps_of(tmp_path)
    keys, _ = maps.extract(pictures(folder), 1)
    (step,) = PIPELINE.whitenings
    first = fitted_whitening(maps, keys[0], step, 1, range(7), {})
    (path,) = (tmp_path / "words").glob("whitening-*")
    path.write_bytes(path.read_bytes()[:-9] + b"damaged!!")
    again = fitted_whitening(maps, keys[0], step, 1, range(7), {})
    torch.testing.assert_close(again.projection, first.projection)
    assert Whitening.load(path).kind == "pcaw"


def test_a_layer_of_vectors_and_an_untrained_whitening_are_errors(folder: Path, tmp_path: Path) -> None:
    code = Config.parse("timm:test_resnet@global_pool@random/asmk:8/whole")
    maps = maps_of(tmp_path, code)
    keys, _ = maps.extract(pictures(folder), 1)
    with pytest.raises(WorkbenchError, match="one vector for the whole picture, so there are no cells"):
        cell_source(maps, keys[0], code, range(7), {})
    learned = Config.parse(f"{NETWORK}/asmk:8/whole/lw:4")
    maps = maps_of(tmp_path, learned)
    keys, _ = maps.extract(pictures(folder), 1)
    with pytest.raises(WorkbenchError, match=r"train whitening COLLECTION .* --name NAME"):
        cell_source(maps, keys[0], learned, range(7), {})
    missing = replace(learned, steps=Config.parse(f"{NETWORK}/asmk:8/whole/lw:4:mine").steps)
    with pytest.raises(WorkbenchError, match="missing"):
        cell_source(maps, keys[0], missing, range(7), {})


def test_a_picture_of_one_pixel_has_cells(tmp_path: Path) -> None:
    source = CellSource(maps_of(tmp_path), 3, None)
    cells = source.features_of(Image.new("RGB", (1, 1), (200, 90, 10)))
    assert len(cells)
    assert np.isfinite(cells.descriptors).all()
    assert cells.boxes.min() >= 0
    assert cells.boxes.max() <= 1
