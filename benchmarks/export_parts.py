"""Which backbones and steps of a pipeline can be exported, each with its cosine or the reason.

    python benchmarks/export_parts.py    # networks with random weights, 288 pictures; some minutes

Each pipeline is exported by ``workbench export`` in single precision, whose check compares four photographs.
MobileNetV2 is left out: with random weights its maps are zero.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from _table import print_table
from PIL import Image
from skimage import data

import workbench
from workbench.config.errors import WorkbenchError
from workbench.export.export import export

BASE = "efficientnet_lite0"
SIDE = 96  # pixels
NETWORKS = (
    f"{BASE}/max/whole",
    "alexnet@random/max/whole",
    "alexnet@fc6@random/code/whole",
    "vgg16@random/max/whole",
    "vgg16@fc6@random/code/whole",
    "resnet50@random/max/whole",
    "convnext_tiny@random/max/whole",
    "fasterrcnn_resnet50_fpn@random/max/whole",
    "dinov2_small@random/max/whole",
    "timm:vit_tiny_patch16_224@random/max/whole",
    "clip:ViT-B-32@random/max/whole",
    "clip:ViT-B-32@random/code/whole",
    "sift/bow:16/whole",
)
STEPS = (
    *(f"{BASE}/{pooling}/whole" for pooling in ("mean", "gem:3", "crow")),
    *(f"{BASE}/max/{regions}" for regions in ("rmac:3", "rmac+:3", "grid:2x2", "proposals:5")),
    *(f"{BASE}/max/rmac:2/{step}" for step in ("centre", "attention", "norm", "power:0.5", "scales:2")),
    *(f"{BASE}/max/rmac:2/{step}" for step in ("pca:8", "pcaw:8")),
    *(f"{BASE}/max/whole/pca:8/{code}" for code in ("itq:8", "lsh:8", "sh:8", "pq:2", "opq:2", "ivf:2,pq:2")),
    *(f"{BASE}/max/whole/{step}" for step in ("ivf:2", "hnsw:8", "aqe:2", "dba:2", "sv:5")),
)


def photographs(folder: Path) -> Path:
    """288 parts of photographs, as many as product codes need."""
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        picture = Image.fromarray(np.asarray(getattr(data, name)()))
        for part in range(72):
            left, top = part % 9 * (picture.width - SIDE) // 8, part // 9 * (picture.height - SIDE) // 7
            picture.crop((left, top, left + SIDE, top + SIDE)).save(folder / f"{name} {part:02}.png")
    return folder


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory(prefix="export-") as name:
        root = Path(name)
        (root / "pictures").mkdir()
        bench = workbench.open(photographs(root / "pictures"), cache=root / "cache", size=224, device="cpu")
        for pipeline in (*NETWORKS, *STEPS):
            print(pipeline, file=sys.stderr, flush=True)
            try:
                written = export(bench.engine, bench.engine.config(pipeline), root / "encoder.onnx")
                result = f"cosine {written.cosine:.5f}"
                result += "" if written.bits is None else f", {written.bits:.1%} of codes equal"
                result += "".join(f"; {note.partition(':')[0]}" for note in written.notes)
            except WorkbenchError as error:
                result = str(error)
            rows.append([pipeline.replace("@random", ""), result])
    print_table(["pipeline", "export"], rows)


if __name__ == "__main__":
    main()
