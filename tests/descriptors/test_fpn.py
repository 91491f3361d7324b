"""Proposals of torchvision's detectors on the stored map equal those of the detector's top levels."""

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
    """A file of random detector weights, as torchvision saves it, with widely spread objectness logits."""
    torch.manual_seed(3)
    model = torchvision.models.get_model(MODEL, weights=None, weights_backbone=None)
    torch.nn.init.normal_(model.rpn.head.cls_logits.weight, std=0.5)
    path = tmp_path_factory.mktemp("weights") / f"{MODEL}-0000.pth"
    torch.save(model.state_dict(), path)
    return path


def test_proposals_equal_those_of_the_complete_detector(weights: Path, tmp_path: Path) -> None:
    config = Config.parse(f"{MODEL}/max/proposals:20")
    options = Options(size=256, cache=tmp_path, weights=weights.parent, precision="float32")
    source = MapSource.of(config, options)
    trained = load_proposal_model(config, source)
    assert trained is not None and trained.about["collection"] == "COCO"
    detector = torchvision.models.get_model(MODEL, weights=None, weights_backbone=None)
    detector.load_state_dict(torch.load(weights, weights_only=True))
    detector.eval()
    pixels = torch.rand(1, 3, 192, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        levels = detector.backbone(pixels)
        body = detector.backbone.body(pixels)["1"]
        actual_levels = trained.detector.levels(body)
        for level, expected in zip(actual_levels, [levels["1"], levels["pool"]], strict=True):
            assert torch.allclose(level, expected, atol=1e-5)
        rpn, anchors = detector.rpn, detector.rpn.anchor_generator
        rpn.anchor_generator = type(anchors)(anchors.sizes[1:], anchors.aspect_ratios[1:])
        expected_boxes, _ = rpn(ImageList(pixels, [(192, 256)]), {"1": levels["1"], "pool": levels["pool"]})
    proposals = trained.detector.propose(body)
    assert torch.allclose(proposals.boxes[:50] * 32, expected_boxes[0][:50], atol=1e-2)
    assert (proposals.scores.diff() <= 0).all()


def test_a_detector_backbone_searches_explains_and_locates(weights: Path, tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "pictures", 3), cache=tmp_path, size=160, weights=weights.parent)
    first, second = bench.collection.images[:2]
    ranking = bench.search(first, pipeline=f"{MODEL}/max/proposals:5", k=3)
    assert ranking["image_id"][0] == first
    explanation = bench.explain(first, second, pipeline=f"{MODEL}/max/proposals:5")
    assert explanation.image_heatmap.sum() == pytest.approx(explanation.score, abs=1e-4)
    location = bench.locate(first, second, pipeline=f"{MODEL}/max/proposals:5")
    assert location.box == location.region  # the detector's head needs levels that are not stored


def test_another_layer_and_missing_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "pictures", 2), cache=tmp_path, size=160, weights=weights.parent)
    image = bench.collection.images[0]
    with pytest.raises(WorkbenchError, match="proposes regions on its last map"):
        bench.search(image, pipeline=f"{MODEL}@backbone.body.12/max/proposals:5")
    state = torch.load(weights, weights_only=True)
    state.pop("rpn.head.cls_logits.weight")
    lacking = tmp_path / f"{MODEL}-lacking.pth"
    torch.save(state, lacking)
    with pytest.raises(WorkbenchError, match=r"lacks 'rpn.head.cls_logits.weight', which proposes regions"):
        bench.search(image, pipeline=f"file:{lacking}/max/proposals:5")
