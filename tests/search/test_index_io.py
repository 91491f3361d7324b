"""Index files: an index is restored unchanged, and damaged or foreign files are rejected with a message."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.search.test_faiss_index import EVERY, steps, unit
from workbench.config.errors import WorkbenchError
from workbench.search import index_io
from workbench.search.faiss_index import build

VECTORS, QUERIES = unit(200, 16), unit(4, 16, 1)
OF = index_io.fingerprint(VECTORS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "one.index"
    index_io.write(path, build(steps("ivf:8,pq:4"), VECTORS), OF)
    return path


@pytest.mark.parametrize("index", [*EVERY, "ivf:8,opq:4"])
def test_restored_index_gives_the_same_rankings(index: str, tmp_path: Path) -> None:
    built = build(steps(index), VECTORS)
    index_io.write(tmp_path / "i", built, OF)
    restored = index_io.read(tmp_path / "i", OF)
    assert (restored.name, restored.size, restored.bytes, restored.shared_bytes) == (
        built.name,
        built.size,
        built.bytes,
        built.shared_bytes,
    )
    for a, b in zip(built.search(QUERIES), restored.search(QUERIES), strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(a.scores, b.scores)


def test_number_of_probed_cells_is_restored(tmp_path: Path) -> None:
    index_io.write(tmp_path / "i", build(steps("ivf:8"), VECTORS).probing(3), OF)
    assert index_io.read(tmp_path / "i").name == "ivf:8"  # the rounded square root of 8 is 3
    index_io.write(tmp_path / "i", build(steps("ivf:8"), VECTORS).probing(5), OF)
    assert index_io.read(tmp_path / "i").name == "ivf:8:5"


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_truncated_file_is_rejected(file: Path, data: st.DataObject) -> None:
    content = file.read_bytes()
    length = data.draw(st.integers(0, len(content) - 1))
    truncated = file.with_name("short")
    truncated.write_bytes(content[:length])
    with pytest.raises(WorkbenchError, match=r"truncated or damaged|not a saved index"):
        index_io.read(truncated)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_file_with_a_flipped_bit_is_rejected(file: Path, data: st.DataObject) -> None:
    content = bytearray(file.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    damaged = file.with_name("damaged")
    damaged.write_bytes(content)
    with pytest.raises(WorkbenchError, match="build it again"):
        index_io.read(damaged)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a saved index"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "not a saved index"),
        (b"\x80\x04\x95pickle" + bytes(100), "not a saved index"),
        (b"RWINDEX\x07" + bytes(500), "has format 7, not 1"),
        (b"RWINDEX\x01" + sha256(b"").digest(), "not a saved index"),
    ],
)
def test_foreign_files_are_rejected(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "i").write_bytes(content)
    with pytest.raises(WorkbenchError, match=message):
        index_io.read(tmp_path / "i")


def test_index_of_other_vectors_is_rejected(file: Path) -> None:
    changed = VECTORS.copy()
    changed[7, 3] += 1e-6
    assert index_io.fingerprint(changed) != OF
    with pytest.raises(WorkbenchError, match="of other vectors"):
        index_io.read(file, index_io.fingerprint(changed))
    index_io.read(file, OF)


def test_missing_file_and_folder_are_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="cannot be read"):
        index_io.read(tmp_path / "none")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        index_io.read(tmp_path)


def test_exact_index_is_not_saved_and_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="nothing to save"):
        index_io.write(tmp_path / "i", build((), VECTORS), OF)
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        index_io.write(tmp_path / "taken", build(steps("ivf:8"), VECTORS), OF)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]
