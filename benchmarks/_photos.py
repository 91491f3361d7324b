"""The photos that benchmarks are run on, beside the checkout."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

DATASETS = Path(__file__).parents[2] / "shared" / "datasets"


def grocery(split: str) -> Path:
    """The grocery photos of a split, ``train`` or ``test``, as a file ``path,label``."""
    folder = DATASETS / "grocery"
    target = Path(tempfile.gettempdir()) / f"grocery_{split}.csv"
    with (folder / f"{split}.csv").open() as file, target.open("w", newline="") as written:
        table = csv.writer(written)
        table.writerow(["path", "label"])
        table.writerows([folder / row["path"], row["fine_label"]] for row in csv.DictReader(file))
    return target
