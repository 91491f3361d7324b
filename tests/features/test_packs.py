"""Packs: batch files joined to large files, with an index that can be made again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from tests.faults.test_full_disk import full_disk
from workbench.common.checksums import sealed
from workbench.features import pack_index
from workbench.features.map_store import MapStore
from workbench.features.store import DamagedFiles

BATCHES = 8
KEYS = [f"{batch}-{row}" for batch in range(BATCHES) for row in range(3)]


def value(key: str) -> float:
    batch, _, row = key.partition("-")
    return 10.0 * int(batch) + int(row)


def write(store: MapStore, batch: int) -> None:
    keys = KEYS[3 * batch : 3 * batch + 3]
    maps = torch.stack([torch.full((2, 3, 5 + batch), value(key)) for key in keys])
    store.write(keys, maps, {f"bad{batch}": "why"} if batch == 2 else {})


def filled(folder: Path, batches: list[int], joined: bool = True) -> MapStore:
    store = MapStore(folder)
    for batch in batches:
        write(store, batch)
    store.refresh()
    if joined:
        store.pack(order=KEYS, least=4, most=1500)
    return store


def read(store: MapStore, keys: list[str] = KEYS) -> dict[str, float]:
    return {
        keys[position]: float(stored[0, 0, 0])
        for positions, maps in store.batches(keys)
        for position, stored in zip(positions, maps, strict=True)
        if bool((stored == stored[0, 0, 0]).all())
    }


EXPECTED = {key: value(key) for key in KEYS}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_batches_are_joined_to_the_same_packs_whatever_the_order_of_work(tmp_path: Path) -> None:
    first = filled(tmp_path / "a", list(range(BATCHES)))
    second = filled(tmp_path / "b", list(range(BATCHES))[::-1])
    names = sorted(contents(tmp_path / "a"))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert (
        names[-1] == pack_index.INDEX
        and all(name.endswith(".pack") for name in names[:-1])
        and len(names) > 2
    )
    for store in (first, second, MapStore(tmp_path / "a")):
        assert read(store) == EXPECTED and read(store, KEYS[::-5]) == {key: value(key) for key in KEYS[::-5]}
        assert store.unreadable("bad2") == "why" and "bad2" in store and "other" not in store
        assert store.missing([*KEYS, "bad2", "other"]) == {"other"}


def test_few_files_remain_and_later_ones_are_joined_to_packs_of_their_own(tmp_path: Path) -> None:
    store = filled(tmp_path, [0, 1, 2])
    assert sum(path.suffix == ".safetensors" for path in tmp_path.iterdir()) == 3
    store = filled(tmp_path, [3, 4])
    before = contents(tmp_path)
    assert not [name for name in before if name.endswith(".safetensors")] and read(store, KEYS[:15])
    store = filled(tmp_path, [5, 6, 7, 0])
    after = contents(tmp_path)
    assert all(after[name] == content for name, content in before.items() if name.endswith(".pack"))
    assert read(store) == read(MapStore(tmp_path)) == EXPECTED


def test_a_process_killed_between_joining_and_deleting_leaves_the_same_packs(tmp_path: Path) -> None:
    filled(tmp_path / "a", list(range(BATCHES)))
    store = filled(tmp_path / "b", list(range(BATCHES)), joined=False)
    first = min(path for path in (tmp_path / "a").iterdir() if path.suffix == ".pack")
    shutil.copy(first, tmp_path / "b")  # before its batch files are deleted, and before the index
    (tmp_path / "b" / "000002-00000000.pack.part").write_bytes(b"half")
    assert read(store) == read(MapStore(tmp_path / "b")) == EXPECTED
    store.remove_parts()
    store.pack(order=KEYS, least=4, most=1500)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def no_index(path: Path) -> None:
    path.unlink()


def half_an_index(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def another_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def another_version(path: Path) -> None:
    path.write_bytes(b"".join(sealed(save({"digests": torch.zeros(1, 2)}, {"index": '{"version": 99}'}))))


@pytest.mark.parametrize("change", [no_index, half_an_index, another_byte, another_version])
def test_the_index_is_made_again(change: Callable[[Path], None], tmp_path: Path) -> None:
    filled(tmp_path, list(range(BATCHES)))
    before = contents(tmp_path)
    change(tmp_path / pack_index.INDEX)
    store = MapStore(tmp_path)
    assert read(store) == EXPECTED and store.unreadable("bad2") == "why" and not store.damaged
    assert contents(tmp_path) == before


def test_an_index_of_fewer_packs_is_completed(tmp_path: Path) -> None:
    filled(tmp_path, [0, 1, 2, 3])
    index = (tmp_path / pack_index.INDEX).read_bytes()
    filled(tmp_path, [4, 5, 6, 7])
    complete = contents(tmp_path)
    (tmp_path / pack_index.INDEX).write_bytes(index)  # as of a process that was slower
    assert read(MapStore(tmp_path)) == EXPECTED and contents(tmp_path) == complete
    min(path for path in tmp_path.iterdir() if path.suffix == ".pack").unlink()
    store = MapStore(tmp_path)
    lost = store.missing(KEYS)
    assert lost and read(store, [key for key in KEYS if key not in lost])


@pytest.mark.parametrize("with_index", [True, False])
@pytest.mark.parametrize("at", ["header", "data"])
def test_a_damaged_block_is_computed_again_and_the_others_are_kept(
    at: str, with_index: bool, tmp_path: Path
) -> None:
    store = filled(tmp_path, list(range(BATCHES)))
    block = store._locate([KEYS[3]])[KEYS[3]].block
    content = bytearray(block.path.read_bytes())
    position = block.offset + (9 if at == "header" else (block.length or 0) - 1)
    content[position] ^= 1
    block.path.write_bytes(content)
    if not with_index:
        (tmp_path / pack_index.INDEX).unlink()
    store = MapStore(tmp_path)
    if not store.missing(KEYS):
        with pytest.raises(DamagedFiles) as lost:
            read(store)
        assert [KEYS[position] for position in lost.value.positions] == KEYS[3:6]
    assert store.missing(KEYS) == set(KEYS[3:6])
    write(store, 1)
    for opened in (store, MapStore(tmp_path)):
        opened.refresh()
        assert read(opened) == EXPECTED
    store.pack(least=1)
    (tmp_path / pack_index.INDEX).unlink()
    assert read(store) == read(MapStore(tmp_path)) == EXPECTED


def test_files_joined_by_another_process_are_found_again(tmp_path: Path) -> None:
    reader = filled(tmp_path, list(range(BATCHES)), joined=False)
    assert read(reader) == EXPECTED
    MapStore(tmp_path).pack(least=4, most=1500)
    with pytest.raises(DamagedFiles):
        read(reader)
    assert read(reader) == EXPECTED and not reader.damaged and not reader.missing(KEYS)


def test_without_room_for_packs_the_files_remain(tmp_path: Path) -> None:
    store = filled(tmp_path, list(range(BATCHES)), joined=False)
    before = contents(tmp_path)
    with full_disk(1000):
        store.pack(least=4)
    assert contents(tmp_path) == before and read(store) == EXPECTED


@pytest.mark.skipif(os.name == "nt", reason="mapped files cannot be deleted there")
def test_tensors_of_a_pack_are_mapped_and_outlive_it(tmp_path: Path) -> None:
    store = filled(tmp_path, list(range(BATCHES)))
    ((_, maps),) = store.batches(KEYS[:3])
    for path in tmp_path.iterdir():
        path.unlink()
    assert np.array_equal(maps[:, 0, 0, 0].numpy(), [0, 1, 2])
