"""Draw the figures of the README: ``python docs/figures.py`` (needs the extra ``images``)."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import workbench as wb

HERE = Path(__file__).parent
RMAC = "efficientnet_lite0/max/rmac:3/pcaw:256"

bench = wb.open("posters")
sweep = bench.studies.sweep("efficientnet_lite0/gem:{p}/whole/pcaw:{d}", p=[1, 2, 3, 5], d=[32, 64, 128, 256])
figures = {
    "sweep": (sweep.figure(), 560, 420),
    "differences": (bench.compare(["efficientnet_lite0/mean/whole/pcaw:256", RMAC]).figure(), 820, 420),
    "contributions": (bench.explain("p04", "scenes/319.jpg", pipeline=RMAC).figure(), 1000, 620),
    "embedding": (bench.studies.embedding(RMAC).figure("cluster"), 820, 560),
}
for name, (figure, width, height) in figures.items():
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    path = HERE / f"figure_{name}.png"
    figure.write_image(path, width=width, height=height, scale=1.5)
    Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)
