"""Proposals of torchvision's detectors on the stored map: those of the whole detector's top levels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torchvision.models.detection.image_list import ImageList

import workbench as wb
from tests.support.pictures import folder_of
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.descriptors.proposals import load_proposal_model
from workbench.features.map_source import MapSource

MODEL = "fasterrcnn_mobilenet_v3_large_fpn"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of random weights, as the library would save it, half of it surer of itself."""
    torch.manual_seed(3)
    model = torchvision.models.get_model(MODEL, weights=None, weights_backbone=None)
    torch.nn.init.normal_(model.rpn.head.cls_logits.weight, std=0.5)
    path = tmp_path_factory.mktemp("weights") / f"{MODEL}-0000.pth"
    torch.save(model.state_dict(), path)
    return path


def test_as_the_whole_detector_proposes(weights: Path, tmp_path: Path) -> None:
    config = Config.parse(f"{MODEL}/max/proposals:20")
    options = Options(size=256, cache=tmp_path, weights=weights.parent, precision="float32")
    source = MapSource.of(config, options)
    trained = load_proposal_model(config, source)
    assert trained is not None and trained.about["collection"] == "COCO"
    whole = torchvision.models.get_model(MODEL, weights=None, weights_backbone=None)
    whole.load_state_dict(torch.load(weights, weights_only=True))
    whole.eval()
    pixels = torch.rand(1, 3, 192, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        levels = whole.backbone(pixels)
        body = whole.backbone.body(pixels)["1"]
        ours = trained.detector.levels(body)
        for one, other in zip(ours, [levels["1"], levels["pool"]], strict=True):
            assert torch.allclose(one, other, atol=1e-5)
        rpn, every = whole.rpn, whole.rpn.anchor_generator
        rpn.anchor_generator = type(every)(every.sizes[1:], every.aspect_ratios[1:])
        theirs, _ = rpn(ImageList(pixels, [(192, 256)]), {"1": levels["1"], "pool": levels["pool"]})
    found = trained.detector.propose(body)
    assert torch.allclose(found.boxes[:50] * 32, theirs[0][:50], atol=1e-2)
    assert (found.scores.diff() <= 0).all()


def test_in_a_pipeline(weights: Path, tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "pictures", 3), cache=tmp_path, size=160, weights=weights.parent)
    first, second = bench.collection.images[:2]
    found = bench.search(first, pipeline=f"{MODEL}/max/proposals:5", k=3)
    assert found["image_id"][0] == first
    why = bench.explain(first, second, pipeline=f"{MODEL}/max/proposals:5")
    assert why.image_heatmap.sum() == pytest.approx(why.score, abs=1e-4)
    place = bench.locate(first, second, pipeline=f"{MODEL}/max/proposals:5")
    assert place.box == place.region  # its head needs levels that are not kept


def test_what_cannot_be(weights: Path, tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "pictures", 2), cache=tmp_path, size=160, weights=weights.parent)
    image = bench.collection.images[0]
    with pytest.raises(WorkbenchError, match="proposes regions on its last map"):
        bench.search(image, pipeline=f"{MODEL}@backbone.body.12/max/proposals:5")
    part = torch.load(weights, weights_only=True)
    part.pop("rpn.head.cls_logits.weight")
    lacking = tmp_path / f"{MODEL}-lacking.pth"
    torch.save(part, lacking)
    with pytest.raises(WorkbenchError, match=r"lacks 'rpn.head.cls_logits.weight', which proposes regions"):
        bench.search(image, pipeline=f"file:{lacking}/max/proposals:5")
