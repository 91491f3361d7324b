"""The revisited ground truth: as published, converted, damaged and hostile."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from workbench.collections.protocols import PROTOCOLS
from workbench.collections.revisited import open_revisited, read_ground_truth
from workbench.config.errors import WorkbenchError

# A small example of the published structure.
TRUTH: dict[str, Any] = {
    "imlist": ["all_souls_000001", "all_souls_000002", "ashmolean_000003", "oxford_000004"],
    "qimlist": ["all_souls_000013", "ashmolean_000305"],
    "gnd": [
        {"bbx": [136.5, 34.1, 648.5, 955.7], "easy": [1], "hard": [0, 3], "junk": [2]},
        {"bbx": [1.0, 2.0, 30.0, 20.0], "easy": [], "hard": [2], "junk": []},
    ],
}


def with_arrays(byte_order: str = "<") -> dict[str, Any]:
    truth = copy.deepcopy(TRUTH)
    for entry in truth["gnd"]:
        entry["bbx"] = np.array(entry["bbx"], f"{byte_order}f8")
        for grade in ("easy", "hard", "junk"):
            entry[grade] = np.array(entry[grade], f"{byte_order}i8")
    truth["gnd"][0]["easy"] = [np.int64(1)]
    truth["imlist"] = np.array(truth["imlist"])
    truth["qimlist"] = np.array(truth["qimlist"], object)
    return truth


def release(root: Path, truth: Any = None, images: bool = True, subfolder: str = "jpg") -> Path:
    (root / subfolder).mkdir(parents=True, exist_ok=True)
    if images:
        for stem in (*TRUTH["imlist"], *TRUTH["qimlist"]):
            Image.new("RGB", (40, 30)).save(root / subfolder / f"{stem}.jpg")
    (root / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(TRUTH if truth is None else truth, protocol=4))
    return root


@pytest.mark.parametrize("subfolder", ["jpg", "."])
def test_a_published_release_opens(tmp_path: Path, subfolder: str) -> None:
    collection = open_revisited(release(tmp_path, subfolder=subfolder), "roxford5k")
    prefix = "" if subfolder == "." else "jpg/"
    assert collection.images == tuple(f"{prefix}{stem}.jpg" for stem in TRUTH["imlist"])
    assert [(q.id, q.image) for q in collection.queries] == [
        (stem, f"{prefix}{stem}.jpg") for stem in TRUTH["qimlist"]
    ]
    assert collection.queries[0].box == (136.5, 34.1, 648.5, 955.7)
    assert collection.relevance["all_souls_000013"] == {
        f"{prefix}all_souls_000002.jpg": "easy",
        f"{prefix}all_souls_000001.jpg": "hard",
        f"{prefix}oxford_000004.jpg": "hard",
        f"{prefix}ashmolean_000003.jpg": "junk",
    }
    assert not {q.image for q in collection.queries} & set(collection.images)
    assert collection.protocol == PROTOCOLS["revisited"] and collection.problems == ()
    assert any("4 database images here and 4,993 as published" in note for note in collection.notes)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_pickled_arrays_of_any_protocol_and_byte_order_equal_lists(
    tmp_path: Path, protocol: int, byte_order: str
) -> None:
    (tmp_path / "gnd.pkl").write_bytes(pickle.dumps(with_arrays(byte_order), protocol=protocol))
    (tmp_path / "gnd.json").write_text(json.dumps(TRUTH))
    assert read_ground_truth(tmp_path / "gnd.pkl") == read_ground_truth(tmp_path / "gnd.json")


def test_module_names_of_older_numpy_are_accepted(tmp_path: Path) -> None:
    new = pickle.dumps(with_arrays(), protocol=2)
    old = new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != new
    (tmp_path / "gnd.pkl").write_bytes(old)
    assert read_ground_truth(tmp_path / "gnd.pkl").grades[1] == {"ashmolean_000003": "hard"}


def test_parquet_with_one_row_equals_json(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([TRUTH]), tmp_path / "gnd.parquet")
    (tmp_path / "gnd.json").write_text(json.dumps(TRUTH))
    assert read_ground_truth(tmp_path / "gnd.parquet") == read_ground_truth(tmp_path / "gnd.json")
    pq.write_table(pa.Table.from_pylist([TRUTH, TRUTH]), tmp_path / "gnd.parquet")
    with pytest.raises(WorkbenchError, match="2 rows instead of one"):
        read_ground_truth(tmp_path / "gnd.parquet")


def test_json_is_read_if_the_pickle_is_missing(tmp_path: Path) -> None:
    root = release(tmp_path)
    (root / "gnd_roxford5k.pkl").unlink()
    with pytest.raises(WorkbenchError, match=r"no gnd_roxford5k.pkl .*workbench fetch roxford5k"):
        open_revisited(root, "roxford5k")
    (root / "gnd_roxford5k.json").write_text(json.dumps(TRUTH))
    assert len(open_revisited(root, "roxford5k").queries) == 2


# Invalid structures


def changed(**change: Any) -> dict[str, Any]:
    return {**copy.deepcopy(TRUTH), **change}


def entry(**change: Any) -> dict[str, Any]:
    truth = copy.deepcopy(TRUTH)
    truth["gnd"][0].update(change)
    return truth


@pytest.mark.parametrize(
    ("truth", "complaint"),
    [
        ([], "no list 'imlist'"),
        ({"imlist": []}, "no list 'qimlist'"),
        (changed(imlist="abc"), "no list 'imlist'"),
        (changed(imlist=[1, 2]), "not all text"),
        (changed(imlist=["a"] * 4), "not all different"),
        (changed(qimlist=["a"]), "1 queries and 2 entries"),
        (changed(gnd=[1, 2]), "not a table of bbx"),
        (entry(bbx=[1, 2, 3]), "not a ground truth"),
        (entry(bbx=[5, 5, 5, 9]), "box of query 'all_souls_000013' is empty"),
        (entry(bbx=[0, 0, float("nan"), 9]), "box of query 'all_souls_000013' is empty"),
        (entry(bbx=None), "box of query|not a ground truth"),
        (entry(easy=[4]), "names image 4 of 4"),
        (entry(hard=[-1]), "names image -1 of 4"),
        (entry(junk=["all_souls_000001"]), "names image 'all_souls_000001' of 4"),
        (entry(easy=[True]), "names image True of 4"),
        (entry(easy=7), "not a ground truth"),
    ],
)
def test_an_invalid_structure_is_refused_with_a_message(tmp_path: Path, truth: Any, complaint: str) -> None:
    with pytest.raises(WorkbenchError, match=complaint):
        open_revisited(release(tmp_path, truth, images=False), "roxford5k")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2"])
@pytest.mark.parametrize("suffix", ["pkl", "json", "parquet"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"gnd.{suffix}").write_bytes(content)
    with pytest.raises(WorkbenchError, match="is not a ground truth"):
        read_ground_truth(tmp_path / f"gnd.{suffix}")


def test_missing_relevant_images_are_an_error_and_others_are_reported(tmp_path: Path) -> None:
    root = release(tmp_path)
    (root / "jpg" / "ashmolean_000305.jpg").unlink()  # a query
    (root / "jpg" / "oxford_000004.jpg").unlink()  # a positive
    with pytest.raises(WorkbenchError, match=r"2 of the 6 .*ashmolean_000305, oxford_000004"):
        open_revisited(root, "roxford5k")
    junk_only = changed(gnd=[{**TRUTH["gnd"][0], "hard": [0]}, TRUTH["gnd"][1]])
    root = release(tmp_path, junk_only)
    (root / "jpg" / "oxford_000004.jpg").unlink()  # now a negative
    collection = open_revisited(root, "roxford5k")
    assert collection.problems == (("oxford_000004", "missing; in the ground truth"),)
    assert len(collection.images) == 3
