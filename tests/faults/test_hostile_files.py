"""Forged and damaged weights, cards, whitenings and indexes: one sentence each, and nothing else happens.

Every file has a valid checksum or container, so that its content is parsed.
"""

from __future__ import annotations

import io
import json
import pickle
import resource
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from safetensors.numpy import save as save_arrays
from safetensors.torch import save

from tests.search.test_faiss_index import steps, unit
from tests.support.benches import opened
from tests.support.pictures import picture
from workbench.config.errors import WorkbenchError
from workbench.descriptors import rpn
from workbench.descriptors.attention import Attention
from workbench.descriptors.whitening import Whitening
from workbench.features import models
from workbench.features.backbones import BackboneSpec, architecture
from workbench.features.cards import SHIPPED_WEIGHTS
from workbench.features.weights import read_tensors
from workbench.local import hardnet
from workbench.search import index_io
from workbench.search.faiss_index import build

FEW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
WORDS = "sift/bow:6/whole"
DEEP = "[" * 200_000 + "]" * 200_000
VECTORS, QUERIES = unit(200, 16), unit(4, 16, 1)


def refused(read: Callable[[], Any]) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(WorkbenchError) as caught:
        read()
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 500
    return sentence


def or_refused(read: Callable[[], Any]) -> Any:
    """What a reader returns, or None if it refuses the file."""
    try:
        return read()
    except WorkbenchError as error:
        assert "\n" not in str(error)
        return None


# Weights of backbones


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("evil").write_text, ("run",))


@pytest.mark.parametrize(
    "content",
    [
        "a string",
        ["a", "list"],
        {"layer.weight": "a string", "layer.bias": "another"},
        {"state_dict": "a string"},
        {"model": {1: "text"}},
        {},
        torch.zeros(3),
        Evil(),
    ],
    ids=lambda content: type(content).__name__,
)
def test_a_pth_file_without_tensors_is_refused(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "resnet18.pth"
    spec = BackboneSpec.parse(f"file:{path}")
    for legacy in (False, True):
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        assert not or_refused(lambda: read_tensors(path))
        refused(lambda: hardnet.load(path))
        refused(lambda: models.load_backbone(spec, spec.module("max"), None, 0))
    path.write_bytes(pickle.dumps(content))
    assert not or_refused(lambda: read_tensors(path))
    assert not (tmp_path / "evil").exists()


def test_strings_among_tensors_are_left_out(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2), "note": "text"}, tmp_path / "w.pth")
    assert list(read_tensors(tmp_path / "w.pth")) == ["weight"]


def test_a_tensor_larger_than_its_file_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"features.0.weight": torch.zeros(1).expand(200_000, 1, 3, 3)}, path)
    assert path.stat().st_size < 10_000
    assert "more numbers than" in refused(lambda: read_tensors(path))
    assert "more numbers than" in refused(lambda: hardnet.load(path))
    torch.save({str(i): torch.zeros(1, device="meta") for i in range(2)}, path)
    refused(lambda: read_tensors(path))


def test_a_compressed_archive_that_expands_is_refused(tmp_path: Path) -> None:
    plain = io.BytesIO()
    torch.save({"weight": torch.zeros(10_000_000)}, plain)
    with (
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in source.namelist():
            bomb.writestr(name, source.read(name))
    assert (tmp_path / "w.pth").stat().st_size < 100_000
    tracemalloc.start()
    refused(lambda: read_tensors(tmp_path / "w.pth"))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@FEW
@given(data=st.data(), ending=st.sampled_from([".pth", ".safetensors"]))
def test_mutated_weights_are_read_or_refused(tmp_path: Path, data: st.DataObject, ending: str) -> None:
    tensors = OrderedDict(weight=torch.arange(40.0), bias=torch.ones(3))
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    content = bytearray(buffer.getvalue() if ending == ".pth" else save(tensors, {"backbone": "alexnet"}))
    path = tmp_path / f"alexnet{ending}"
    path.write_bytes(mutated(content, data))
    or_refused(lambda: read_tensors(path))
    or_refused(lambda: architecture(path))
    or_refused(lambda: hardnet.load(path))
    hardnet.card(path)


def mutated(content: bytearray, data: st.DataObject) -> bytes:
    for _ in range(data.draw(st.integers(1, 4))):
        end = data.draw(st.sampled_from([min(64, len(content)), min(600, len(content)), len(content)]))
        content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    return bytes(content)


# Cards: JSON in the metadata of trained files

# Values that a field may have instead of its own.
anything = st.sampled_from([None, True, -1, 0, 10**30, 1e308, "", "x", [], ["x"], {}, {"a": 1}, "\x1b[31m"])


def fields_changed(card: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    names = data.draw(st.lists(st.sampled_from([*sorted(card), "kind", "stride"]), min_size=1, max_size=3))
    return card | {name: data.draw(anything) for name in names}


@pytest.mark.parametrize("card", ["", "{", "[]", "null", "3", '"text"', DEEP, '{"a": ' + DEEP + "}"])
def test_a_card_that_is_no_object_is_refused(card: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    whitening = Whitening.fit(VECTORS, 4)
    path.write_bytes(save({"mean": whitening.mean, "projection": whitening.projection}, {"whitening": card}))
    refused(lambda: Whitening.load(path))
    for key in ("attention", "proposals"):
        shipped = next(SHIPPED_WEIGHTS.glob(f"{key}_*.safetensors"))
        path.write_bytes(save(read_tensors(shipped), {key: card}))
        refused(partial(Attention.load if key == "attention" else rpn.load, path))
    path.write_bytes(save({"x": torch.zeros(1)}, {"card": card, "backbone": card}))
    assert hardnet.card(path) == {}
    refused(lambda: architecture(path))


@FEW
@given(data=st.data())
def test_whitenings_with_odd_fields_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    whitening = Whitening.fit(VECTORS, 4, provenance={"collection": "x"})
    card = fields_changed({"kind": "pcaw", **whitening.provenance}, data)
    path = tmp_path / "w.safetensors"
    path.write_bytes(
        save({"mean": whitening.mean, "projection": whitening.projection}, {"whitening": json.dumps(card)})
    )
    loaded = or_refused(lambda: Whitening.load(path))
    if loaded is not None:
        assert loaded.kind in ("pca", "pcaw", "lw")
        assert isinstance(loaded.provenance.get("vectors", 0), int)
        assert isinstance(loaded.provenance.get("collection", ""), str)


@pytest.mark.parametrize(
    "tensors",
    [
        {"mean": torch.zeros(16), "projection": torch.zeros(4, 15)},
        {"mean": torch.zeros(16), "projection": torch.zeros(16)},
        {"mean": torch.zeros(4, 4), "projection": torch.zeros(4, 16)},
        {"mean": torch.zeros(16), "projection": torch.zeros(0, 16)},
        {"mean": torch.full((16,), torch.nan), "projection": torch.zeros(4, 16)},
        {"mean": torch.zeros(16, dtype=torch.int64), "projection": torch.zeros(4, 16)},
        {"mean": torch.zeros(16)},
    ],
)
def test_whitenings_of_odd_arrays_are_refused(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(save(tensors, {"whitening": json.dumps({"kind": "pcaw", "vectors": 9})}))
    assert "is not a saved whitening" in refused(lambda: Whitening.load(path))


@pytest.mark.parametrize("kind", ["attention", "proposals", "hardnet"])
@FEW
@given(data=st.data())
def test_mutated_shipped_weights_are_read_or_refused(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    shipped = next(SHIPPED_WEIGHTS.glob(f"{kind}*.safetensors"))
    content = bytearray(shipped.read_bytes())
    length = int.from_bytes(content[:8], "little")
    at = data.draw(st.integers(0, length + 7))
    content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    load = {"attention": Attention.load, "proposals": rpn.load, "hardnet": hardnet.load}[kind]
    or_refused(lambda: load(path))
    hardnet.card(path)


def test_proposals_that_declare_a_large_detector_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    tensors = {"neck.0.weight": torch.zeros(60_000, 0, 3, 3), "heads.box_head.fc6.bias": torch.zeros(60_000)}
    path.write_bytes(save(tensors, {"proposals": json.dumps({"stride": 32})}))
    refused(lambda: rpn.load(path))


# Vocabularies


def test_a_forged_vocabulary_is_learned_again(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / "photos").mkdir(exist_ok=True)
        picture(i, (160, 120)).save(tmp_path / "photos" / f"{i}.png")
    expected = opened(tmp_path / "photos", tmp_path / "cache", labels="none").search("0.png", pipeline=WORDS)
    (path,) = (tmp_path / "cache" / "words").iterdir()
    good = load_file(path)
    for changes in (
        {"words": good["words"] - 1},
        {"words": good["words"].astype(np.float32)},
        {"counts": good["counts"] * 0},
        {"counts": np.append(good["counts"], [5, -5])},
        {"centroids": good["centroids"][:, :5].copy()},
        {"centroids": good["centroids"] * np.float32(np.nan)},
    ):
        path.write_bytes(save_arrays(good | changes))
        again = opened(tmp_path / "photos", tmp_path / "cache", labels="none")
        pd.testing.assert_frame_equal(again.search("0.png", pipeline=WORDS), expected)
        assert load_file(path)["words"].dtype == np.int32


# Saved indexes

INDEXES = (
    "ivf:8",
    "imi:2",
    "pq:4",
    "opq:4",
    "ivf:8,pq:4",
    "hnsw:4",
    "lsh:64",
    "itq:16",
    "sh:16",
    "ivf:8,sh:16",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("indexes") / "i"
    contents = {}
    for name in INDEXES:
        index_io.write(path, build(steps(name), VECTORS), "v")
        contents[name] = path.read_bytes()
    return contents


def forged(fields: str, payload: bytes) -> bytes:
    header = fields.encode()
    body = len(header).to_bytes(8, "little") + header + payload
    return b"RWINDEX\x01" + sha256(body).digest() + body


def parts(content: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(content[40:48], "little")
    return content[48 : 48 + length].decode(), content[48 + length :]


@pytest.mark.parametrize("name", INDEXES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(data=st.data())
def test_forged_payloads_are_searched_or_refused(
    name: str, saved: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    fields, payload = parts(saved[name])
    (tmp_path / "i").write_bytes(forged(fields, mutated(bytearray(payload), data)))
    index = or_refused(lambda: index_io.read(tmp_path / "i", "v", (200, 16)))
    if index is not None:
        for ranking in index.search(QUERIES, 10):
            assert ((ranking.rows >= 0) & (ranking.rows < 200)).all()


def test_a_large_number_of_cells_is_refused_before_it_is_allocated(
    saved: dict[str, bytes], tmp_path: Path
) -> None:
    """Any byte of the start of the payload, in which the number of cells stands, is changed.

    Some arrays of at most 64 MB are allocated; 33 million cells would take over 8 GB.
    """
    fields, payload = parts(saved["ivf:8"])
    started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for at in range(600):
        (tmp_path / "i").write_bytes(forged(fields, payload[:at] + b"\x02" + payload[at + 1 :]))
        or_refused(lambda: index_io.read(tmp_path / "i", "v", (200, 16)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - started < 2**19  # kB


@pytest.mark.parametrize("name", ["opq:4", "lsh:64"])
def test_a_bias_that_is_missing_is_refused(name: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    fields, payload = parts(saved[name])
    for at in range(300):  # the flag of the bias is among these bytes
        (tmp_path / "i").write_bytes(forged(fields, payload[:at] + b"\x01" + payload[at + 1 :]))
        index = or_refused(lambda: index_io.read(tmp_path / "i", "v", (200, 16)))
        if index is not None:
            index.search(QUERIES, 10)


@FEW
@given(data=st.data(), name=st.sampled_from(INDEXES))
def test_forged_headers_are_read_or_refused(
    name: str, saved: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    fields, payload = parts(saved[name])
    changed = json.loads(fields)
    for _ in range(data.draw(st.integers(1, 2))):
        changed[data.draw(st.sampled_from(sorted(changed)))] = data.draw(anything | st.sampled_from(INDEXES))
    (tmp_path / "i").write_bytes(forged(json.dumps(changed), payload))
    index = or_refused(lambda: index_io.read(tmp_path / "i"))
    if index is not None:
        index.search(QUERIES)


@pytest.mark.parametrize("fields", ["", "null", "[]", "{}", DEEP, '{"steps": 3, "vectors": "v"}', '"x"'])
def test_a_header_that_is_no_table_is_refused(fields: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "i").write_bytes(forged(fields, parts(saved["pq:4"])[1]))
    assert "build it again" in refused(lambda: index_io.read(tmp_path / "i"))


def test_an_index_of_fewer_or_other_vectors_is_refused(tmp_path: Path) -> None:
    for count, dimensions in ((150, 16), (200, 8)):
        index_io.write(tmp_path / "i", build(steps("ivf:8"), unit(count, dimensions)), "v")
        assert "other vectors" in refused(lambda: index_io.read(tmp_path / "i", "v", (200, 16)))


def test_row_numbers_and_links_outside_the_collection_are_refused(tmp_path: Path) -> None:
    index = build(steps("hnsw:4"), VECTORS)
    graph = index.index.hnsw  # type: ignore[attr-defined]
    links = faiss.vector_to_array(graph.neighbors)
    links[3] = 10**6
    faiss.copy_array_to_vector(links, graph.neighbors)
    index_io.write(tmp_path / "i", index, "v")
    refused(lambda: index_io.read(tmp_path / "i"))
    codes: Any = build(steps("ivf:8,sh:16"), VECTORS)
    index_io.write(tmp_path / "i", replace(codes, rows=codes.rows + np.uint32(7)), "v")
    assert "row numbers" in refused(lambda: index_io.read(tmp_path / "i"))
