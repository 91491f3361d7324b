"""Feature maps on disk: read bit-exactly, and incomplete files are removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.torch import save_file

from workbench.config.errors import WorkbenchError
from workbench.features.map_store import MapStore

SHAPES = arrays.array_shapes(min_dims=4, max_dims=4, max_side=4)


def read(store: MapStore, keys: list[str]) -> dict[int, np.ndarray]:
    """Bits of the maps by position in ``keys``."""
    return {
        position: image_map.numpy().view(np.uint16)
        for positions, maps in store.batches(keys)
        for position, image_map in zip(positions, maps, strict=True)
    }


def example(seed: int, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 2, 3, 5, generator=torch.Generator().manual_seed(seed)).half()


@given(bits=SHAPES.flatmap(lambda shape: arrays.arrays(np.uint16, shape)), reverse=st.booleans())
def test_stored_maps_are_read_bit_exactly(
    tmp_path_factory: pytest.TempPathFactory, bits: np.ndarray, reverse: bool
) -> None:
    """Including infinities, negative zeros and all kinds of NaN, read by another store."""
    folder = tmp_path_factory.mktemp("store")
    keys = [f"{position}:0,0,{position},1" for position in range(len(bits))]
    MapStore(folder).write(keys, torch.from_numpy(bits.view(np.float16)), {})
    requested = keys[::-1] if reverse else keys
    stored = read(MapStore(folder), requested)
    assert sorted(stored) == list(range(len(bits)))
    for position, key in enumerate(requested):
        assert np.array_equal(stored[position], bits[keys.index(key)])


def test_maps_of_several_files_are_read_in_any_order_and_repeatedly(tmp_path: Path) -> None:
    store = MapStore(tmp_path / "maps")
    first, second = example(1), example(2, 2)
    store.write(["a", "b", "c"], first, {})
    store.write(["d", "e"], second, {"f": "the file is damaged"})
    assert "a" not in store  # until the store is refreshed
    store.refresh()
    stored = read(store, ["e", "a", "c", "a"])
    expected = [second[1], first[0], first[2], first[0]]
    assert all(
        np.array_equal(stored[i], image_map.numpy().view(np.uint16)) for i, image_map in enumerate(expected)
    )
    assert "f" in store and store.unreadable("f") == "the file is damaged" and store.unreadable("a") is None
    assert "g" not in store and store.unreadable("g") is None
    assert sorted(path.suffix for path in store.folder.iterdir()) == [".safetensors"] * 2


def test_a_batch_of_unreadable_images_only_is_stored(tmp_path: Path) -> None:
    MapStore(tmp_path).write([], None, {"x": "the file is empty"})
    assert MapStore(tmp_path).unreadable("x") == "the file is empty"


def test_writing_the_same_batch_twice_stores_one_file(tmp_path: Path) -> None:
    store = MapStore(tmp_path)
    store.write(["a", "b", "c"], example(1), {"d": "why"})
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    store.write(["a", "b", "c"], example(1), {"d": "why"})
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("not maps at all, but a rather long line of text " * 10, encoding="utf-8")


def without_header(path: Path) -> None:
    save_file({"maps": example(1)}, path)


def with_header(batch: object, maps: torch.Tensor) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        save_file({"maps": maps}, path, metadata={"batch": json.dumps(batch)})

    return write


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(cut, id="truncated"),
        pytest.param(emptied, id="empty"),
        pytest.param(text, id="text"),
        pytest.param(without_header, id="without header"),
        pytest.param(with_header([], example(1)), id="a list as header"),
        pytest.param(with_header({"keys": ["a", "b", "c"]}, example(1)), id="half a header"),
        pytest.param(
            with_header({"keys": ["a", "b"], "unreadable": {}}, example(1)), id="more maps than keys"
        ),
        pytest.param(with_header({"keys": ["a"], "unreadable": {}}, torch.zeros(1, 4)), id="no maps"),
    ],
)
def test_a_damaged_file_is_removed_and_the_others_are_kept(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = MapStore(tmp_path)
    store.write(["a", "b", "c"], example(1), {})
    (damaged,) = tmp_path.iterdir()
    store.write(["d", "e", "f"], example(2), {})
    damage(damaged)
    reopened = MapStore(tmp_path)
    assert not damaged.exists()
    assert "a" not in reopened and "d" in reopened
    assert len(read(reopened, ["d", "e", "f"])) == 3


def test_a_file_damaged_while_the_store_is_open_is_reported(tmp_path: Path) -> None:
    store = MapStore(tmp_path)
    store.write(["a", "b", "c"], example(1), {})
    store.refresh()
    (path,) = tmp_path.iterdir()
    cut(path)
    with pytest.raises(WorkbenchError, match="are missing or damaged; run again"):
        read(store, ["a"])
    store.refresh()  # as the next run does
    assert "a" not in store
    store.write(["a", "b", "c"], example(1), {})
    store.refresh()
    assert len(read(store, ["a", "b", "c"])) == 3


def test_a_deleted_file_is_noticed(tmp_path: Path) -> None:
    store = MapStore(tmp_path)
    store.write(["a", "b", "c"], example(1), {})
    before = list(tmp_path.iterdir())
    store.write(["d", "e", "f"], example(2), {"g": "why"})
    store.refresh()
    (first,) = before
    first.unlink()
    store.refresh()
    assert "a" not in store and "d" in store and "g" in store


def test_partial_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    store = MapStore(tmp_path)
    store.write(["a", "b", "c"], example(1), {})
    (tmp_path / "0123.abcd.part").write_bytes(b"half")
    store.refresh()
    assert "a" in store
    store.remove_parts()
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]
