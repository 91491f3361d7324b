"""Fine-tuning on contours: distorted views, and drawings of the held-out images to validate on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.support.finetuning import NETWORK, SETTINGS, options
from workbench.collections.folder import open_folder
from workbench.common.progress import silent
from workbench.features.map_source import Picture
from workbench.learning.finetuning.edge_views import drawings, edge_pictures, edge_view
from workbench.learning.finetuning.train import card, finetune
from workbench.learning.trainer import Epoch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Circles and squares of any colours, ten each."""
    root, rng = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    for kind in ("circle", "square"):
        (root / kind).mkdir()
        for number in range(10):
            paper, fill = (tuple(int(v) for v in rng.integers(low, low + 80, 3)) for low in (160, 10))
            image = Image.new("RGB", (128, 96), paper)
            x, y, side = (int(rng.integers(*span)) for span in ((4, 40), (4, 20), (40, 64)))
            draw = ImageDraw.Draw(image)
            (draw.ellipse if kind == "circle" else draw.rectangle)((x, y, x + side, y + side), fill=fill)
            image.save(root / kind / f"{number}.png")
    return root


def test_backbone_is_trained_on_contours(folder: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    chosen = replace(options(tmp_path), contours="canny")
    settings = replace(SETTINGS, edges=True, epochs=2, classes=2)
    path = finetune(open_folder(folder, "folders"), chosen, "drawn", NETWORK, settings, silent, epochs.append)
    about = card(path)
    assert about["edges"] is True and about["images"] == 14 and about["held_out_images"] == 6
    assert len(epochs) == 3 and all(
        epoch.loss is not None and np.isfinite(epoch.loss) for epoch in epochs[1:]
    )
    assert len(list((tmp_path / "edges").rglob("*.png"))) == 20  # of all images, once
    assert len(list((tmp_path / "views").rglob("*.png"))) == 6  # drawings of the held-out images


def test_views_are_thin_bright_lines_and_drawings_are_repeatable(folder: Path, tmp_path: Path) -> None:
    chosen = replace(options(tmp_path), contours="canny")
    whole, cropped = (Picture(folder / "square" / "0.png", box) for box in (None, (0, 0, 64, 48)))
    edges = edge_pictures([whole, cropped], chosen, silent)
    assert edges[0].path == edges[1].path and edges[1].box == pytest.approx((0, 0, 64, 48))
    picture = Image.open(edges[0].path).convert("RGB")
    views = [edge_view(picture, 64, np.random.default_rng(seed)) for seed in range(8)]
    assert {view.shape for view in views} == {(64, 64, 3)} and len({view.tobytes() for view in views}) > 5
    assert all(view.mean() < 80 and view[..., 0].tobytes() == view[..., 1].tobytes() for view in views)
    (first,), (second,) = drawings(edges[:1], tmp_path / "a", 0), drawings(edges[:1], tmp_path / "b", 0)
    assert first.path.read_bytes() == second.path.read_bytes() != edges[0].path.read_bytes()
