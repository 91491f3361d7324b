"""The first results of every query of a run, in one parquet file."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from workbench.config import WorkbenchError
from workbench.described import Ready
from workbench.search import exact

FIRST = 100  # results of each query that are kept
_TOGETHER = 2**25  # scores held at a time


def write(file: Path, ready: Ready) -> None:
    """Rank the database for every query and write the first results; the file is whole or absent."""
    queries, database = ready.described.vectors[ready.query_rows()], ready.database
    k, step = min(FIRST, len(database)), max(1, _TOGETHER // max(1, len(database)))
    rows, scores = [np.empty((0, k), np.int64)], [np.empty((0, k), np.float32)]
    for start in range(0, len(queries), step):
        every = torch.from_numpy(exact.scores(queries[start : start + step], database))
        first = every.topk(k, dim=1).indices.sort(dim=1).values  # of equal scores the earlier row leads
        best = every.gather(1, first)
        order = best.argsort(dim=1, descending=True, stable=True)
        rows.append(first.gather(1, order).numpy())
        scores.append(best.gather(1, order).numpy())
    names = np.array([query.id for query in ready.collection.queries], object)
    table = pd.DataFrame(
        {
            "query": names.repeat(k),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), len(names)),
            "image_id": np.array(ready.collection.images, object)[np.concatenate(rows).ravel()],
            "score": np.concatenate(scores).ravel(),
        }
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        table.to_parquet(part, index=False)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def read(file: Path) -> pd.DataFrame:
    """query, rank (from 1), image_id, score. Raises WorkbenchError where the file is missing or damaged."""
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:  # pyarrow's own errors are one of the two
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise WorkbenchError(f"{file} {why}; evaluate again to renew it") from None
