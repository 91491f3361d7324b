"""ROxford5k and RParis6k from their published ground truth (Radenović et al., CVPR 2018)."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workbench.collections.collection import Collection, Query
from workbench.collections.folder import (
    existing_folder,
    index_by_stem,
    list_images,
    require_present,
    size_notes,
)
from workbench.collections.hidden_files import visible_files
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.read_headers import read_headers
from workbench.collections.truth_files import truth_files
from workbench.common.geometry import Box
from workbench.common.progress import Progress, silent
from workbench.common.text import parse_json, read_bytes
from workbench.config.errors import WorkbenchError

TITLES = {"roxford5k": "ROxford5k", "rparis6k": "RParis6k"}
PUBLISHED = {"roxford5k": 4993, "rparis6k": 6322}  # database images, without the 70 queries
GRADES = ("junk", "hard", "easy")


class GroundTruth(NamedTuple):
    """Database and query images by file name without suffix; per query its box and {image: grade}."""

    images: list[str]
    queries: list[str]
    boxes: list[Box]
    grades: list[dict[str, str]]


def open_revisited(
    root: Path, name: str, progress: Progress = silent, cache: Path | None = None
) -> Collection:
    """Open ``roxford5k`` or ``rparis6k``: ``gnd_NAME.pkl`` (or .json, .parquet) and images below ``root``.

    Queries are not in the database. Raises WorkbenchError if the ground truth is missing,
    malformed or hostile, or if the image of a query or positive is missing.
    """
    root = existing_folder(root)
    files = [
        path for suffix in ("pkl", "json", "parquet") for path in visible_files(root, f"gnd_{name}.{suffix}")
    ]
    if not files:
        raise WorkbenchError(
            f"no gnd_{name}.pkl below {str(root)!r}; put it there, "
            f"or remove the folder and run: workbench fetch {name}"
        )
    recorded = truth_files(files[:1])
    truth = read_ground_truth(files[0])
    stems, _ = index_by_stem(root, list_images(root)[0])
    positives = {image for grades in truth.grades for image, grade in grades.items() if grade != "junk"}
    require_present(TITLES[name], positives.union(truth.queries), stems, root)

    missing = [image for image in truth.images if image not in stems]
    names = [stems[image] for image in (*truth.images, *truth.queries) if image in stems]
    headers, broken = read_headers(root, names, progress, cache)
    images = tuple(stems[image] for image in truth.images if image in stems)
    readable = sum(image in headers for image in images)
    return Collection(
        name=name,
        root=root,
        images=images,
        queries=tuple(
            Query(query, stems[query], box) for query, box in zip(truth.queries, truth.boxes, strict=True)
        ),
        relevance={
            query: {stems[image]: grade for image, grade in grades.items() if image in stems}
            for query, grades in zip(truth.queries, truth.grades, strict=True)
        },
        protocol=PROTOCOLS["revisited"],
        problems=tuple((image, "missing; in the ground truth") for image in missing),
        notes=size_notes(TITLES[name], readable, PUBLISHED[name], len(broken)),
        truth_files=recorded,
    ).without(broken)


def read_ground_truth(path: Path) -> GroundTruth:
    """Read ``imlist``, ``qimlist`` and ``gnd`` (per query ``bbx``, ``easy``, ``hard``, ``junk``).

    ``path`` is the published pickle, the same structure as JSON, or Parquet of one row whose columns are
    ``imlist`` and ``qimlist`` (lists of names) and ``gnd`` (list of struct of ``bbx``, four numbers,
    and ``easy``, ``hard``, ``junk``, lists of positions in ``imlist``).
    Raises WorkbenchError if the file contains anything else.
    """
    content = read_bytes(path)
    read: Callable[[bytes], Any] = {".json": _json, ".parquet": _parquet}.get(path.suffix, _restricted_pickle)
    try:
        return _checked(read(content))
    except WorkbenchError as error:
        raise WorkbenchError(f"{str(path)!r}: {error}; fetch the ground truth again") from None
    except Exception as error:  # a damaged or hostile file may fail anywhere in its reader
        reason = str(error).split("\n")[0] or type(error).__name__
        raise WorkbenchError(
            f"{str(path)!r} is not a ground truth ({reason}); fetch the ground truth again"
        ) from None


def _checked(content: Any) -> GroundTruth:
    for key in ("imlist", "qimlist", "gnd"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise WorkbenchError(f"it contains no list {key!r}")
    images, queries, relations = content["imlist"], content["qimlist"], content["gnd"]
    for names in (images, queries):
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise WorkbenchError("its image names are not all text, or not all different")
    if len(relations) != len(queries):
        raise WorkbenchError(f"it has {len(queries)} queries and {len(relations)} entries in 'gnd'")
    boxes, grades = [], []
    for query, relation in zip(queries, relations, strict=True):
        if not isinstance(relation, dict):
            raise WorkbenchError(f"its entry for query {query!r} is not a table of bbx, easy, hard, junk")
        x0, y0, x1, y1 = map(float, np.ravel(np.asarray(relation["bbx"], dtype=float)))
        if not all(map(math.isfinite, (x0, y0, x1, y1))) or x1 <= x0 or y1 <= y0:
            raise WorkbenchError(f"the box of query {query!r} is empty")
        boxes.append((x0, y0, x1, y1))
        graded: dict[str, str] = {}
        for grade in GRADES:
            for position in relation.get(grade) or ():
                if type(position) is not int or not 0 <= position < len(images):
                    raise WorkbenchError(f"query {query!r} names image {position!r} of {len(images)}")
                graded[images[position]] = grade
        grades.append(graded)
    return GroundTruth(images, queries, boxes, grades)


def _json(content: bytes) -> Any:
    return parse_json(content)


def _parquet(content: bytes) -> Any:
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(io.BytesIO(content), columns=["imlist", "qimlist", "gnd"]).to_pylist()
    if len(rows) != 1:
        raise WorkbenchError(f"it has {len(rows)} rows instead of one")
    return rows[0]


def _restricted_pickle(content: bytes) -> Any:
    """Unpickle plain containers, numbers, text and NumPy arrays of them; arrays become lists.

    No name in a pickle is imported: the names in pickled NumPy arrays are replaced by substitutes
    of this function, and every other name is refused.
    """

    class Array(list[Any]):
        def __setstate__(self, state: Any) -> None:
            _, shape, dtype, fortran, raw = state
            if not isinstance(raw, list):
                flat = np.frombuffer(_bytes(raw), dtype.plain())
                raw = flat.reshape(shape, order="F" if fortran else "C").tolist()
            self[:] = raw

    class DType:
        def __init__(self, code: Any, *_: Any) -> None:
            self.code = str(code)
            self.order: Any = "="

        def __setstate__(self, state: Any) -> None:
            self.order = state[1]

        def plain(self) -> np.dtype[Any]:
            dtype = np.dtype(self.code)
            if dtype.kind not in "biufUS":
                raise pickle.UnpicklingError(f"an array of {self.code!r} is not allowed")
            return dtype.newbyteorder(self.order)

    allowed = {
        "ndarray": Array,
        "dtype": DType,
        "_reconstruct": lambda *_: Array(),
        "scalar": lambda dtype, raw: np.frombuffer(_bytes(raw), dtype.plain(), 1)[0].item(),
        # Protocols 0 to 2 pickle bytes by ``encode``, and empty bytes by ``bytes``.
        "encode": lambda text, _: _bytes(text),
        "bytes": lambda: b"",
    }
    modules = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs", "__builtin__"}

    # The unpickler in Python: with a crafted file, the one in C allocates all memory.
    class Restricted(pickle._Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module in modules and name in allowed:
                return allowed[name]
            raise WorkbenchError(
                f"it names {module}.{name}, and a ground truth has only plain containers and arrays, "
                "so it was not read"
            )

    return Restricted(io.BytesIO(content), encoding="latin1").load()


def _bytes(raw: Any) -> bytes:
    return raw.encode("latin1") if isinstance(raw, str) else bytes(memoryview(raw))
