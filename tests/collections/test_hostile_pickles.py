"""Pickles of ground truths are read without executing code."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.collections.revisited import read_ground_truth
from workbench.config.errors import WorkbenchError

TRUTH: dict[str, Any] = {
    "imlist": ["all_souls_000001", "all_souls_000002"],
    "qimlist": ["all_souls_000013"],
    "gnd": [{"bbx": np.array([1.0, 2, 30, 20]), "easy": [1], "hard": np.array([0]), "junk": []}],
}


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


HOSTILE = {
    "system": lambda trace: Calls(os.system, f"touch {trace}"),
    "open": lambda trace: Calls(open, str(trace), "w"),
    "eval": lambda trace: Calls(eval, f"open({str(trace)!r}, 'w')"),
    "numpy": lambda trace: Calls(np.save, str(trace), [1]),
    "frombuffer": lambda trace: Calls(np.frombuffer, b"1234", "i4"),
    "class": lambda trace: Path(trace),
    "partial": lambda trace: Calls(getattr, "", "join"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_hostile_pickle_is_refused_with_a_message(tmp_path: Path, kind: str, protocol: int) -> None:
    trace = tmp_path / "trace"
    truth = {**TRUTH, "extra": HOSTILE[kind](trace)}
    (tmp_path / "gnd.pkl").write_bytes(pickle.dumps(truth, protocol=protocol))
    with pytest.raises(WorkbenchError, match=r"names .*only plain containers and arrays, so it was not read"):
        read_ground_truth(tmp_path / "gnd.pkl")
    assert not trace.exists()


def test_allowed_names_give_no_access_to_other_objects(tmp_path: Path) -> None:
    """``_codecs.encode`` is a stand-in for one encoding, and attributes of modules are not resolved."""
    for code in (b"c_codecs\nencode\n(Vabc\nVrot13\ntR.", b"c_codecs\nlookup\n(Vrot13\ntR."):
        (tmp_path / "gnd.pkl").write_bytes(code)
        with pytest.raises(WorkbenchError):
            read_ground_truth(tmp_path / "gnd.pkl")
    (tmp_path / "gnd.pkl").write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.")
    with pytest.raises(WorkbenchError, match="names numpy"):
        read_ground_truth(tmp_path / "gnd.pkl")


def test_object_arrays_from_raw_bytes_are_refused(tmp_path: Path) -> None:
    """Bytes read as object pointers would access arbitrary memory: only plain numbers are read from bytes."""
    whole = pickle.dumps({**TRUTH, "extra": np.array([1.5])}, protocol=2)
    forged = whole.replace(b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00O8")
    assert forged != whole
    (tmp_path / "gnd.pkl").write_bytes(forged)
    with pytest.raises(WorkbenchError, match="is not allowed"):
        read_ground_truth(tmp_path / "gnd.pkl")


def test_a_pickle_does_not_affect_the_reading_of_the_next(tmp_path: Path) -> None:
    """BUILD may set attributes of the classes that a pickle names; each file gets new stand-ins."""
    buffer = io.BytesIO()
    buffer.write(b"\x80\x02cnumpy\nndarray\nN}X\x0c\x00\x00\x00__setstate__K\x05s\x86b.")
    pickletools.dis(buffer.getvalue(), out=io.StringIO())  # raises an error unless well formed
    (tmp_path / "bad.pkl").write_bytes(buffer.getvalue())
    with pytest.raises(WorkbenchError):
        read_ground_truth(tmp_path / "bad.pkl")
    (tmp_path / "gnd.pkl").write_bytes(pickle.dumps(TRUTH, protocol=4))
    assert read_ground_truth(tmp_path / "gnd.pkl").boxes[0] == (1, 2, 30, 20)


def test_a_small_pickle_does_not_allocate_much_memory(tmp_path: Path) -> None:
    """LONG_BINPUT at position 2³¹: a reader that allocates its memo table would take 32 GB."""
    (tmp_path / "gnd.pkl").write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WorkbenchError, match="no list 'imlist'"):
        read_ground_truth(tmp_path / "gnd.pkl")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


PICKLED = pickle.dumps(TRUTH, protocol=4)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.integers(0, len(PICKLED)),
    flips=st.lists(st.tuples(st.integers(0), st.integers(1, 255)), max_size=4),
)
def test_a_damaged_pickle_is_read_or_refused(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    content = bytearray(PICKLED[:cut] if not flips else PICKLED)
    for position, bits in flips:
        content[position % len(content)] ^= bits
    (tmp_path / "gnd.pkl").write_bytes(content)
    try:
        truth = read_ground_truth(tmp_path / "gnd.pkl")
    except WorkbenchError:
        return
    assert len(truth.boxes) == len(truth.grades) == len(truth.queries)
