"""The first results of all queries of a run, in one Parquet file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.common.files import replacing
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError

_COLUMNS = ["query", "rank", "image_id", "score"]


def write(file: Path, table: pd.DataFrame) -> None:
    """Write the first results of all queries (see ``Evaluation.rankings``) atomically."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as part:
        table.to_parquet(part, index=False, write_page_checksum=True)


def read(file: Path) -> pd.DataFrame:
    """Read a table of query, rank (from 1), image_id and score.

    Raises WorkbenchError if the file is missing or damaged.
    """
    try:
        table = Table(pd.read_parquet(file, page_checksum_verification=True))
        if list(table.columns) != _COLUMNS:  # the checksums do not cover the names
            raise ValueError("it has other columns")
        return table
    except (OSError, ValueError) as error:  # pyarrow's errors are subclasses of these
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise WorkbenchError(f"{file} {reason}; evaluate again to write it again") from None
