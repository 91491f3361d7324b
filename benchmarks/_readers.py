"""What reads hostile files: functions that make valid contents in a folder, and what reads one of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _mutations import images

from workbench.config.errors import WorkbenchError

Read = Callable[[bytes], object]


def read_images(folder: Path) -> tuple[list[bytes], Read]:
    from workbench.collections.images import header, load

    def read(content: bytes) -> None:
        path = folder / "image.jpg"
        path.write_bytes(content)
        header(path)
        assert load(path, at_least=(32, 32)).mode == "RGB"

    return images(), read


def open_tables(folder: Path) -> tuple[list[bytes], Read]:
    import workbench
    from tests.support.pictures import folder_of

    folder_of(folder / "photos", 12, kinds=2)

    def read(content: bytes) -> None:
        path = folder / "photos" / "labels.csv"
        path.write_bytes(content)
        repr(workbench.open(path, cache=folder / "cache").collection)

    return [], read


def restore_sessions(folder: Path) -> tuple[list[bytes], Read]:
    from tests.support.benches import opened
    from tests.support.extraction import NETWORK
    from tests.support.pictures import folder_of
    from workbench.panels import session_file
    from workbench.panels.session import Session

    bench = opened(folder_of(folder / "photos", 6, kinds=2), folder / "cache")
    session, path = Session(bench, pipeline=f"{NETWORK}/max/whole"), folder / "session.json"
    session.choose("kind0/000.jpg")
    session.box, session.compared = (4.0, 8.5, 60.0, 70.0), (f"{NETWORK}/mean/whole",)
    session_file.save(session, path)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        session_file.restore(session, path)
        session.wait(10)

    return [path.read_bytes()], read


def read_indexes(folder: Path) -> tuple[list[bytes], Read]:
    from workbench.config.steps import parse_index
    from workbench.search import faiss_index, index_io

    vectors = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    path = folder / "saved.index"

    def written(steps: str) -> bytes:
        index_io.write(path, faiss_index.build(parse_index(steps), vectors), "vectors")
        return path.read_bytes()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        index_io.read(path, "vectors").search(vectors[:2], 5)

    return [written(steps) for steps in ("ivf:8", "pq:4", "hnsw:4", "itq:16", "lsh:32", "sh:32")], read


def load_weights(folder: Path) -> tuple[list[bytes], Read]:
    import torch
    from safetensors.torch import save_file

    from workbench.descriptors.attention import Attention
    from workbench.descriptors.whitening import Whitening
    from workbench.features.weights import read_tensors
    from workbench.local import hardnet

    plain, pickled = folder / "plain.safetensors", folder / "pickled.pth"
    state = hardnet.HardNet(4).state_dict()
    save_file(state, plain)
    torch.save(state, pickled)
    whitening = Whitening.fit(np.random.default_rng(0).normal(size=(40, 8)), 4).to_bytes()
    contents = [plain.read_bytes(), pickled.read_bytes(), whitening]

    def read(content: bytes) -> None:
        readers: list[tuple[Path, Callable[[Path], object]]] = [
            (plain, hardnet.load),
            (pickled, read_tensors),
            (plain, Whitening.load),
            (plain, Attention.load),
        ]
        for path, reader in readers:
            path.write_bytes(content)
            try:
                reader(path)
            except WorkbenchError as error:
                assert "\n" not in str(error)

    return contents, read


def damage_stores(folder: Path) -> tuple[list[bytes], Read]:
    from tests.support.benches import opened
    from tests.support.extraction import NETWORK
    from tests.support.pictures import folder_of
    from workbench.common import checksums

    photos, cache, pipeline = (
        folder_of(folder / "photos", 16, kinds=4),
        folder / "cache",
        f"{NETWORK}/max/whole",
    )
    expected = opened(photos, cache).evaluate(pipeline)
    complete = {path: path.read_bytes() for path in sorted((cache / "maps").rglob("*.safetensors"))}
    path = next(iter(complete))

    def read(damaged: bytes) -> None:
        for stored in (cache / "maps").rglob("*.safetensors"):
            stored.unlink()
        for stored, content in complete.items():
            stored.write_bytes(damaged if stored == path else content)
        shutil.rmtree(cache / "descriptors", ignore_errors=True)  # otherwise no map is read
        evaluation = opened(photos, cache).evaluate(pipeline)
        assert evaluation.rankings.equals(expected.rankings), "other scores"
        noticed = any("damaged" in warning for warning in evaluation.warnings)
        assert noticed or damaged == complete[path], "not noticed"
        assert all(map(checksums.intact, (cache / "maps").rglob("*.safetensors"))), "not repaired"

    return [complete[path]], read
