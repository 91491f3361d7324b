"""The first results of every query of a run, in one parquet file."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pandas as pd

from workbench.config import WorkbenchError


def write(file: Path, table: pd.DataFrame) -> None:
    """Write the first results of every query (see ``Evaluation.rankings``); the file is whole or absent."""
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
