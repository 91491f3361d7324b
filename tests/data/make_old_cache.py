"""Make ``tests/data/old_cache``: photos, and a cache with everything that the workbench stores for them.

It was run once, on version 0.1.0 of November 2026, before the packages were rearranged. ``test_old_cache.py``
opens the result with the code of today. Do not run it again to make that test pass: a cache of a newer
version belongs in a folder of its own.

    python -m tests.data.make_old_cache
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

import workbench
from tests.support.pictures import folder_of
from workbench.collections.folder import open_folder
from workbench.config.options import Options
from workbench.learning import whitening
from workbench.learning.attention import train as attention
from workbench.runs import presets

FOLDER = Path(__file__).with_name("old_cache")
NETWORK = "timm:test_resnet@random"
PIPELINE = f"{NETWORK}/max/rmac:2"
LOCAL = "sift/bow:16/whole"
CHANGED = 1_700_000_000_000_000_000  # of each photo, in nanoseconds: a part of its fingerprint
ATTENTION = attention.AttentionSettings(composites=4, epochs=1, batch=8, levels=1)


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    photos = folder_of(FOLDER / "photos", 12, [(96, 64), (64, 96)], kinds=3)
    for path in photos.rglob("*.jpg"):
        os.utime(path, ns=(CHANGED, CHANGED))
    cache = FOLDER / "cache"
    options = Options(size=96, resize="cells", device="cpu", precision="float32", cache=cache)
    collection = open_folder(photos, "folders")

    whitening.fit_whitening(collection, options, f"{PIPELINE}/pcaw:4", "white")
    attention.train_attention(collection, options, "seer", NETWORK, ATTENTION)

    bench = workbench.open(photos, "folders", **{n: getattr(options, n) for n in asdict(options)})
    pipelines = [PIPELINE, f"{PIPELINE}/pcaw:4:white", f"{PIPELINE}/attention:seer", LOCAL]
    expected: dict[str, Any] = {}
    for pipeline in pipelines:
        evaluation = bench.evaluate(pipeline)
        ranking = bench.search(bench.collection.images[0], pipeline=pipeline, k=None)
        expected[pipeline] = {
            "mean_ap": evaluation.mean_ap,
            "ranking": dict(zip(ranking["image_id"], map(float, ranking["score"]), strict=True)),
        }
    expected["opencv"] = cv2.__version__  # a part of the fingerprint of SIFT's features
    expected["runs"] = bench.runs()["id"].to_list()
    presets.save_pipeline(cache, "My own", PIPELINE)
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    for lock in cache.rglob("*.lock"):
        lock.unlink()


if __name__ == "__main__":
    main()
