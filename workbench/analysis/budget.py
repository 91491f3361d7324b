"""What a query from a phone costs: bytes sent, bytes held, time and mAP of each way of querying.

As in the literature on compact descriptors for visual search (Girod et al., IEEE Signal Processing Magazine
2011; Duan et al., "Overview of the MPEG-CDVS standard", IEEE TIP 2016): a phone sends a compressed picture, a
vector or a code of it, or keeps the codes of the collection and sends nothing.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from workbench.analysis.encoding_cost import encoding_milliseconds, network_bytes
from workbench.collections.collection import require_ground_truth
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.config.steps import BINARY, CODES, parse_index
from workbench.engine.description import require_maps
from workbench.engine.engine import Engine
from workbench.engine.graded_queries import GradedQueries
from workbench.engine.queries import query_picture, query_vector
from workbench.evaluation.intervals import mean_interval
from workbench.evaluation.positives import rank_positives
from workbench.evaluation.scores import mean_scores
from workbench.search import faiss_index
from workbench.search.duplicates import find_duplicates
from workbench.search.faiss_index import FaissIndex
from workbench.search.ranking import Index

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

JPEGS = ((512, 90), (512, 50), (512, 20), (256, 75), (256, 30), (128, 50))  # longest side and quality
COLLECTIONS = (10_000, 100_000, 1_000_000)  # images whose codes a phone may hold
PICTURE, VECTOR, CODE, PHONE = "JPEG", "vector", "code", "on the phone"
WAYS = (PICTURE, VECTOR, CODE, PHONE)
_TIMED = 5  # queries that are timed; the median counts


@dataclass(frozen=True)
class Way:
    """One way of querying. ``bytes_up``: the mean bytes that a query sends; ``network_bytes`` and
    ``image_bytes``: those that the phone holds of the network (weights in half precision), and for each image
    of the collection; ``milliseconds``: the work of the phone for a query, on one thread of this machine;
    ``aps`` [Q]: the AP of each query, a fraction.
    """

    kind: str
    detail: str
    bytes_up: float
    network_bytes: int
    image_bytes: float
    milliseconds: float
    aps: NDArray[np.float64] = field(repr=False)

    @property
    def mean_ap(self) -> float:
        return float(np.nanmean(self.aps))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mAP over the queries."""
        return mean_interval(self.aps)

    def held(self, images: int) -> float:
        """The bytes that the phone holds for a collection of that many images."""
        return self.network_bytes + images * self.image_bytes


@dataclass(frozen=True)
class Budget(Drawable):
    """The ways of querying a collection by one pipeline."""

    collection: str
    pipeline: str
    images: int
    ways: tuple[Way, ...]
    left_out: dict[str, str] = field(default_factory=dict)  # code → why it cannot be had

    @property
    def queries(self) -> int:
        return len(self.ways[0].aps) if self.ways else 0

    @property
    def table(self) -> pd.DataFrame:
        """A row for each way: way, detail, bytes_up, phone_10000 …, milliseconds, mean_ap, low, high."""
        rows = []
        for way in self.ways:
            low, high = way.interval
            held = {f"phone_{count}": way.held(count) for count in COLLECTIONS}
            row: dict[str, Any] = {"way": way.kind, "detail": way.detail, "bytes_up": way.bytes_up, **held}
            rows.append(
                {**row, "milliseconds": way.milliseconds, "mean_ap": way.mean_ap, "low": low, "high": high}
            )
        return pd.DataFrame(rows)

    def figure(self) -> Figure:
        """mAP over the bytes that a query sends, with intervals, by plotly."""
        return draw("budget", self)

    def __repr__(self) -> str:
        table = self.table.to_string(index=False)
        return printable(f"Budget of {self.pipeline} on {self.collection}\n{table}", keep="\n")


def budget(
    engine: Engine,
    config: Config,
    codes: Sequence[str],
    jpegs: Sequence[tuple[int, int]] = JPEGS,
    progress: Progress = silent,
) -> Budget:
    """Measure each way of querying: JPEG files, vectors in three precisions, and ``codes``, sent or held.

    The database has whole vectors where a picture or a vector is sent, and codes else. Index and re-ranking
    of the pipeline are left out. Raises WorkbenchError without ground truth or queries, and for a step that
    is no code.
    """
    collection = engine.collection
    protocol = require_ground_truth(collection)
    if not collection.queries:
        raise WorkbenchError(f"{collection.name!r} has no queries, whose mAP the budget needs")
    steps = {code: _code_steps(code) for code in codes}
    config = config.description
    described = engine.describe_vectors(config, progress)
    require_maps(described.source)
    database = described.database.cpu().numpy()
    rows = described.query_rows()
    vectors = np.ascontiguousarray(described.vectors[rows].cpu().numpy(), np.float32)
    truth = GradedQueries(collection, described.image_rows(), protocol)
    duplicates = find_duplicates(database)
    names = [query.id for query in collection.queries]

    def aps(index: Index, queries: np.ndarray) -> NDArray[np.float64]:
        ranked = (
            rank_positives(ranked_rows, truth[number], protocol, names[number], scores)
            for number, (ranked_rows, scores) in enumerate(
                duplicates.equalise(index.search(queries), index.size)
            )
        )
        return np.asarray(mean_scores(ranked, names, protocol).per_query["ap"], np.float64)

    exact, ways, left_out = faiss_index.build((), database), list[Way](), dict[str, str]()
    sizes = np.zeros((len(jpegs), len(names)))
    seconds, sent_pictures = np.zeros_like(sizes), np.zeros((len(jpegs), *vectors.shape), np.float32)
    for number, name in enumerate(names):
        picture = query_picture(collection, name)  # one in memory at a time
        for kind, (side, quality) in enumerate(jpegs):
            progress("Encoding JPEG queries", number * len(jpegs) + kind, len(names) * len(jpegs))
            started = time.perf_counter()
            file = _jpeg(picture, side, quality)
            seconds[kind, number], sizes[kind, number] = time.perf_counter() - started, len(file)
            opened = Image.open(io.BytesIO(file))
            sent_pictures[kind, number] = query_vector(described, opened)[0].cpu().numpy()
    for kind, (side, quality) in enumerate(jpegs):
        milliseconds = 1000 * float(np.median(seconds[kind]))
        measured = aps(exact, sent_pictures[kind])
        detail = f"{side} px, q {quality}"
        ways.append(Way(PICTURE, detail, float(sizes[kind].mean()), 0, 0, milliseconds, measured))
    progress("Timing the network", 0, 0)
    pictures = [query_picture(collection, name) for name in names[:_TIMED]]
    milliseconds, held = encoding_milliseconds(described, pictures), network_bytes(described)
    dimensions = vectors.shape[1]
    for name, up, sent_vectors in (
        ("fp32", 4 * dimensions, vectors),
        ("fp16", 2 * dimensions, vectors.astype(np.float16).astype(np.float32)),
        ("int8", dimensions + 4, _in_eight_bits(vectors)),
    ):
        ways.append(Way(VECTOR, name, up, held, 0, milliseconds, aps(exact, sent_vectors)))
    for number, code in enumerate(codes):
        progress("Measuring codes", number, len(codes))
        try:
            index = faiss_index.build(steps[code], database, engine.options.seed, progress)
        except WorkbenchError as error:
            left_out[code] = str(error)
            continue
        size = float(index.bytes)
        whole = aps(index, vectors)
        # A binary index encodes the query itself; product codes are decoded where they arrive.
        sent_codes = aps(index, _decoded(index, vectors)) if isinstance(index, FaissIndex) else whole
        shared = held + index.shared_bytes
        ways.append(Way(CODE, code, size, shared, 0, milliseconds, sent_codes))
        ways.append(Way(PHONE, code, 0, shared, size, milliseconds, whole))
    return Budget(collection.name, str(config), len(collection.images), tuple(ways), left_out)


def default_codes(dimensions: int) -> tuple[str, ...]:
    """Codes of 8, 16, 32 and 64 bytes that vectors of that many dimensions can have."""
    parts = [f"pq:{m}" for m in (8, 32) if dimensions % m == 0]
    return (*parts, *(f"itq:{bits}" for bits in (64, 256) if bits <= dimensions), "sh:128", "sh:512")


def _code_steps(code: str) -> tuple[Any, ...]:
    steps = parse_index(code)
    if len(steps) != 1 or steps[0].name not in CODES:
        raise WorkbenchError(
            f"{code!r} is no code that a phone can send; valid: {', '.join((*BINARY, 'pq'))}, opq"
        )
    return steps


def _jpeg(picture: Image.Image, side: int, quality: int) -> bytes:
    """The file that a phone sends: the picture reduced to a longest side, never enlarged."""
    reduced = picture.copy()
    reduced.thumbnail((side, side), Image.Resampling.BICUBIC)
    data = io.BytesIO()
    reduced.save(data, "JPEG", quality=quality)
    return data.getvalue()


def _in_eight_bits(vectors: np.ndarray) -> np.ndarray:
    """Vectors as the bytes -127 … 127 and a factor give them."""
    factor = np.maximum(np.abs(vectors).max(1, keepdims=True), np.float32(1e-30)) / 127
    return np.ascontiguousarray(np.rint(vectors / factor) * factor, np.float32)


def _decoded(index: FaissIndex, vectors: np.ndarray) -> np.ndarray:
    """What product codes of vectors [Q, D] stand for."""
    return np.ascontiguousarray(index.index.sa_decode(index.index.sa_encode(vectors)), np.float32)
