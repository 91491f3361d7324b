"""The table of backbones, and the backbone part of a pipeline string.

The table takes half of this file; nothing else reads the cards of timm and of weight files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.common.lazy import import_after_torchvision
from workbench.common.paths import user_path
from workbench.config.errors import WorkbenchError
from workbench.config.steps import VISION_LANGUAGE, is_local
from workbench.features import vision_language
from workbench.features.backbone_card import IMAGENET_MEAN, IMAGENET_STD, BackboneCard

_VGG16 = {  # after the ReLU that follows each convolution
    f"conv{block}_{i + 1}": f"features.{first + 2 * i + 1}"
    for block, first, count in ((1, 0, 2), (2, 5, 2), (3, 10, 3), (4, 17, 3), (5, 24, 3))
    for i in range(count)
}
_ALEXNET = {f"conv{i}": f"features.{n}" for i, n in enumerate((1, 4, 7, 9, 11), start=1)}
_RESNET = {
    "conv2": "layer1",
    "conv3": "layer2",
    "conv4": "layer3",
    "conv5": "layer4",
    "pool": "avgpool",
    "logits": "fc",
}


def _resnet(depth: int, stages: str, weights: str) -> BackboneCard:
    return BackboneCard(
        f"ResNet-{depth} ({stages}, ImageNet)",
        "torchvision",
        f"resnet{depth}",
        32,
        "layer4",
        _RESNET,
        code="pool",
        weights=weights,
    )


def _detector(model: str, title: str, body: dict[str, str], layer: str, weights: str) -> BackboneCard:
    layers = {name: f"backbone.body.{path}" for name, path in body.items()}
    return BackboneCard(
        f"{title} of Faster R-CNN (COCO)",
        "torchvision",
        model,
        32,
        f"backbone.body.{layer}",
        layers,
        weights=weights,
    )


_BODY = {name: path for name, path in _RESNET.items() if path.startswith("layer")}
DETECTORS = {  # their region proposals are made of their own maps
    "fasterrcnn_resnet50_fpn": _detector(
        "fasterrcnn_resnet50_fpn", "ResNet-50", _BODY, "layer4", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": _detector(
        "fasterrcnn_mobilenet_v3_large_fpn",
        "MobileNetV3",
        {"last": "16"},
        "16",
        "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
    ),
}

BACKBONES: dict[str, BackboneCard] = {
    "efficientnet_lite0": BackboneCard(
        "EfficientNet-Lite0 (ImageNet, embedded)",
        "timm",
        "tf_efficientnet_lite0",
        32,
        layers={
            **{f"block{i + 1}": f"blocks.{i}" for i in range(7)},
            "pool": "global_pool",
            "logits": "classifier",
        },
        code="pool",
        mean=(0.498, 0.498, 0.498),
        std=(0.502, 0.502, 0.502),
        weights="timm/tf_efficientnet_lite0.in1k",
    ),
    "alexnet": BackboneCard(
        "AlexNet (ImageNet)",
        "torchvision",
        "alexnet",
        16,
        "features.11",
        {
            **_ALEXNET,
            "pool5": "features.12",
            "fc6": "classifier.2",
            "fc7": "classifier.5",
            "fc8": "classifier.6",
        },
        code="classifier.2",
        weights="alexnet-owt-7be5be79.pth",
    ),
    "vgg16": BackboneCard(
        "VGG-16 (ImageNet)",
        "torchvision",
        "vgg16",
        16,
        "features.29",
        {
            **_VGG16,
            "pool5": "features.30",
            "fc6": "classifier.1",
            "fc7": "classifier.4",
            "fc8": "classifier.6",
        },
        code="classifier.1",
        weights="vgg16-397923af.pth",
    ),
    "resnet18": _resnet(18, "2-2-2-2", "resnet18-f37072fd.pth"),
    "resnet50": _resnet(50, "3-4-6-3", "resnet50-0676ba61.pth"),
    "resnet101": _resnet(101, "3-4-23-3", "resnet101-63fe2227.pth"),
    "mobilenet_v2": BackboneCard(
        "MobileNetV2 (ImageNet)",
        "torchvision",
        "mobilenet_v2",
        32,
        "features.18",
        {"logits": "classifier"},
        code="classifier",
        weights="mobilenet_v2-b0353104.pth",
    ),
    "convnext_tiny": BackboneCard(
        "ConvNeXt-Tiny (ImageNet)",
        "torchvision",
        "convnext_tiny",
        32,
        "features.7",
        {"pool": "avgpool", "logits": "classifier"},
        code="pool",
        weights="convnext_tiny-983f1562.pth",
    ),
    "dinov2_small": BackboneCard(
        "DINOv2 ViT-S/14 (self-supervised, LVD-142M)",
        "timm",
        "vit_small_patch14_dinov2.lvd142m",
        14,
        patches=True,
        weights="timm/vit_small_patch14_dinov2.lvd142m",
    ),
    **DETECTORS,
}


LOCAL: dict[str, BackboneCard] = {  # local features of keypoints, for bags of words
    "sift": BackboneCard("SIFT keypoints, RootSIFT descriptors", "local", "rootsift", 1),
    "hardnet": BackboneCard("SIFT keypoints, HardNet descriptors", "local", "hardnet", 1),
    "xfeat": BackboneCard("XFeat keypoints and descriptors (CVPR 2024)", "local", "xfeat", 1),
    "aliked": BackboneCard("ALIKED-N(16) keypoints and descriptors (TIM 2023)", "local", "aliked", 1),
    "disk": BackboneCard("DISK keypoints and descriptors (NeurIPS 2020)", "local", "disk", 1),
}


@dataclass(frozen=True)
class BackboneSpec:
    """The backbone part of a pipeline: ``name[@layer][@random]``."""

    name: str
    layer: str | None = None
    random: bool = False

    @classmethod
    def parse(cls, text: str) -> BackboneSpec:
        """Parse the backbone part of a pipeline. Raises WorkbenchError if the backbone is not known."""
        if is_local(text.partition("@")[0]):
            if "@" in text and not text.startswith("hardnet:"):
                raise WorkbenchError(
                    f"backbone {text!r}: {text.partition('@')[0]} has no layers to choose from"
                )
            return cls(text)
        name, *rest = text.split("@") if not text.startswith("file:") else _split_file(text)
        layers = [word for word in rest if word != "random"]
        if len(layers) > 1 or "" in rest:
            raise WorkbenchError(f"backbone {text!r}: write one layer, as in vgg16@conv5_3")
        spec = cls(name, layers[0] if layers else None, "random" in rest)
        if not name.startswith(("timm:", "file:", *VISION_LANGUAGE)) and name not in BACKBONES:
            raise WorkbenchError(
                f"backbone {name!r} is not known; valid: {', '.join([*BACKBONES, *LOCAL])}, timm:NAME, "
                "clip:NAME, siglip:NAME, file:PATH"
            )
        return spec

    def card(self) -> BackboneCard:
        """The backbone's table entry, or one derived from the model (``timm:``, ``clip:``) or the file."""
        if self.name.startswith("timm:"):
            return _timm_card(self.name.removeprefix("timm:"))
        if self.name.startswith("file:"):
            return BackboneSpec(architecture(Path(self.name.removeprefix("file:")))).card()
        if self.name.startswith(VISION_LANGUAGE):
            return vision_language.card(self.name)
        if is_local(self.name):
            return LOCAL[self.name.partition(":")[0]]
        return BACKBONES[self.name]

    def module(self, pooling: str) -> str | None:
        """The path of the module whose output is used; None for timm's ``forward_features``."""
        card = self.card()
        if self.layer is not None:
            return card.layers.get(self.layer, self.layer)
        if pooling == "code":
            if card.code is None:
                raise WorkbenchError(
                    f"pooling 'code': {self.name} has no default layer for it; name one with @LAYER"
                )
            return card.layers.get(card.code, card.code)
        return card.layer


def _split_file(text: str) -> list[str]:
    """Split ``file:PATH@layer``; an @ before a slash or before the suffix is a part of the path."""
    match = re.fullmatch(r"(file:.*?\.\w+)((?:@[^@/]*)*)", text)
    return [match[1], *match[2].split("@")[1:]] if match else [text]


@lru_cache(maxsize=64)
def _timm_card(model: str) -> BackboneCard:
    timm = import_after_torchvision("timm")

    if not timm.is_model(model):
        similar = timm.list_models(f"*{model.split('.')[0].split('_')[0]}*")[:5]
        raise WorkbenchError(f"timm has no model {model!r}; similar: {', '.join(similar) or 'none'}")
    settings = timm.models.get_pretrained_cfg(model)
    mean: Any = settings.mean if settings else IMAGENET_MEAN
    std: Any = settings.std if settings else IMAGENET_STD
    patch = re.search(r"patch(\d+)", model)
    stride = int(patch[1]) if patch else 32
    patches = patch is not None or _has_attention(model)
    return BackboneCard(f"{model} (timm)", "timm", model, stride, mean=mean, std=std, patches=patches)


def _has_attention(model: str) -> bool:
    """Whether a timm model contains attention, or cannot be built without memory for its weights."""
    import torch

    timm = import_after_torchvision("timm")

    try:
        with torch.device("meta"):
            modules = timm.create_model(model, pretrained=False).modules()
        return any(re.search("att(entio)?n|patchembed", type(module).__name__.lower()) for module in modules)
    except (NotImplementedError, RuntimeError):
        return True


def architecture(path: Path) -> str:
    """The backbone of a weight file, from its metadata or else from the start of its file name.

    It is a name of the table, ``clip:NAME`` or, from metadata, also ``timm:NAME``. Raises
    WorkbenchError if there is none.
    """
    path = user_path(path, "weight file")
    if path.suffix == ".safetensors" and path.is_file():
        from safetensors import safe_open

        from workbench.common.damage import DAMAGE

        try:
            with safe_open(path, framework="pt") as file:
                backbone = (file.metadata() or {}).get("backbone")
        except DAMAGE:
            raise WorkbenchError(f"weight file {str(path)!r} is damaged; fetch it again") from None
        if backbone in BACKBONES or str(backbone).startswith(("timm:", *VISION_LANGUAGE)):
            return str(backbone)
    if named := vision_language.name_of_file(path):
        return named
    for name in sorted(BACKBONES, key=len, reverse=True):
        if path.name.startswith((name, BACKBONES[name].model)):
            return name
    raise WorkbenchError(
        f"weight file {str(path)!r} does not name its backbone: begin the file name with one of "
        f"{', '.join(BACKBONES)}, clip-NAME, or set 'backbone' in its metadata"
    )
