"""Attack the workbench: kills, damaged stores, and mutated images, tables, sessions, indexes and weights.

``--short`` does a hundredth of it. Parts are chosen by name and continue where an earlier call stopped; the
table of all parts done so far, which docs/reliability.md shows, is printed at the end. An input passes if it
is read or refused with a sentence (WorkbenchError) within ten seconds of the processor: anything else, such as another
exception or the end of the process, is a failure.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests.support draws the pictures

import numpy as np
from _kills import kill_evaluations
from _mutations import images, mutated, table
from _table import print_table

from workbench.config.errors import WorkbenchError

Read = Callable[[bytes], object]
SECONDS = 10  # of the processor, for one input
_ANSWER_SECONDS = 180  # on a busy machine
_CHUNK = 500  # inputs of one process


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
        session.wait(SECONDS)

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

    photos, cache, pipeline = (
        folder_of(folder / "photos", 16, kinds=4),
        folder / "cache",
        f"{NETWORK}/max/whole",
    )
    expected = opened(photos, cache).evaluate(pipeline)
    (path, *_) = sorted((cache / "maps").rglob("*.safetensors"))
    content = path.read_bytes()

    def read(damaged: bytes) -> None:
        path.write_bytes(damaged)
        evaluation = opened(photos, cache).evaluate(pipeline)
        assert evaluation.rankings.equals(expected.rankings), "other scores"
        assert path.read_bytes() == content or damaged == content, "not repaired"

    return [content], read


# Each part: what is done, how many times, and what must hold.
PARTS: dict[str, tuple[str, int, str, Callable[[Path], tuple[list[bytes], Read]] | None]] = {
    "kills": (
        "`evaluate` killed at a random moment",
        200,
        "resumed to the same bytes and mAP",
        None,
    ),
    "stores": ("stored maps with mutated bytes", 500, "noticed, extracted again, same scores", damage_stores),
    "images": ("mutated images of all formats", 10_000, "read, or refused in a sentence", read_images),
    "tables": ("hostile tables of labels", 1_000, "opened, or refused in a sentence", open_tables),
    "sessions": ("mutated session files", 1_000, "restored, or refused in a sentence", restore_sessions),
    "indexes": ("mutated saved indexes", 1_000, "refused in a sentence", read_indexes),
    "weights": (
        "mutated weights of four kinds",
        1_000,
        "read, or refused in a sentence",
        load_weights,
    ),
}


def _attack(part: str, start: int, count: int, news: Any) -> None:
    """Read the inputs ``start`` … of a part, and send the number of each and what went wrong with it."""
    with tempfile.TemporaryDirectory(prefix="workbench-attack-") as folder:
        prepare = PARTS[part][3]
        assert prepare is not None
        contents, read = prepare(Path(folder))
        for number in range(start, start + count):
            rng = np.random.default_rng([number, sum(part.encode())])
            content = table(rng) if part == "tables" else mutated(contents[number % len(contents)], rng)
            news.send((number, None))
            began, failure = time.process_time(), ""
            try:
                read(content)
            except WorkbenchError as error:
                failure = "an error of several lines" if "\n" in str(error) else ""
            except BaseException as error:
                failure = f"{type(error).__name__}: {error}"
            if (seconds := time.process_time() - began) > SECONDS and number > start:  # the first one imports
                failure = failure or f"{seconds:.0f} seconds"
            news.send((number, failure))


def attack(part: str, start: int, count: int) -> tuple[int, list[str]]:
    """Attack in a process of its own. Returns the number of inputs done, and the failures."""
    if part == "kills":
        with tempfile.TemporaryDirectory(prefix="workbench-attack-") as folder:
            return count, kill_evaluations(Path(folder), start, count)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_attack, args=(part, start, count, sender))
    process.start()
    sender.close()
    done, failures, current = 0, [], start
    try:
        while receiver.poll(_ANSWER_SECONDS):
            current, failure = receiver.recv()
            done += failure is not None
            failures += [f"{part} {current}: {failure}"] if failure else []
        failures.append(f"{part} {current}: no answer in {_ANSWER_SECONDS} seconds")
        process.kill()
    except EOFError:
        pass
    process.join()
    if process.exitcode and done < count:
        failures.append(f"{part} {current}: the process ended with status {process.exitcode}")
        done += 1  # go on after it
    return done, failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"parts to do: {', '.join(PARTS)}; default: all")
    parser.add_argument("--short", action="store_true", help="a hundredth of the inputs")
    parser.add_argument("--state", type=Path, default=Path("attack.json"), help="what has been done so far")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"{unknown.pop()!r} is not a part; valid: {', '.join(PARTS)}")
    state: dict[str, Any] = json.loads(options.state.read_text()) if options.state.exists() else {}
    for part in options.parts or PARTS:
        wanted = PARTS[part][1] // (100 if options.short else 1)
        about = state.setdefault(part, {"done": 0, "failures": [], "seconds": 0.0})
        while about["done"] < wanted:
            began = time.monotonic()
            size = min(20 if part == "kills" else _CHUNK, wanted - about["done"])
            done, failures = attack(part, about["done"], size)
            about["done"] += done
            about["failures"] += failures
            about["seconds"] += time.monotonic() - began
            options.state.write_text(json.dumps(state, indent=1))
            print(
                f"{part}: {about['done']:,} of {wanted:,}", *failures, sep="\n  ", file=sys.stderr, flush=True
            )
    rows = [
        [what, f"{state[part]['done']:,}", holds, str(len(state[part]["failures"]))]
        for part, (what, _, holds, _) in PARTS.items()
        if part in state
    ]
    print_table(["what was done", "times", "what must hold", "failures"], rows)
    raise SystemExit(any(about["failures"] for about in state.values()))


if __name__ == "__main__":
    main()
