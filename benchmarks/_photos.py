"""The photos for benchmarks, in the folder ``shared`` beside the checkout."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

# ``cells`` reproduces the tables of the docs that were measured before ``exact`` became the default.
RESIZE = os.environ.get("RESIZE", "exact")
DATASETS = Path(__file__).parents[2] / "shared" / "datasets"


def photos(split: str) -> list[tuple[Path, str]]:
    """The grocery photos of a split, ``train`` or ``test``, with their labels."""
    with (DATASETS / "grocery" / f"{split}.csv").open() as file:
        return [(DATASETS / "grocery" / row["path"], row["fine_label"]) for row in csv.DictReader(file)]


def grocery(split: str) -> Path:
    """A CSV file ``path,label`` of the grocery photos of a split."""
    target = Path(tempfile.gettempdir()) / f"grocery_{split}.csv"
    with target.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *photos(split)])
    return target
